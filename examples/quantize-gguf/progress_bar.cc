// SPDX-License-Identifier: MIT
#include "quantize-gguf/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "gguf/failure.h"
#include "gguf/report.h"

namespace nibble::gguf {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr size_t kBarCells = 24;

size_t TerminalColumns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return 80;
  }
  return size.ws_col;
}

// Copies cost almost nothing: weights to quantize measure the work.
double DoneFraction(const Progress& progress) {
  if (progress.weights_total == 0) return 1;
  return static_cast<double>(progress.weights_done) /
         static_cast<double>(progress.weights_total);
}

}  // namespace

std::string Duration(double seconds) {
  const auto total = static_cast<int64_t>(seconds + 0.5);
  const int64_t hours = total / 3600;
  const int64_t minutes = total / 60 % 60;
  if (hours == 0) return fmt::format("{:02}:{:02}", minutes, total % 60);
  return fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60);
}

std::string BarLine(const Progress& progress, size_t columns) {
  const double done = DoneFraction(progress);
  const auto cells = static_cast<size_t>(done * static_cast<double>(kBarCells));
  const double rate =
      progress.seconds > 0
          ? static_cast<double>(progress.weights_done) / progress.seconds
          : 0;
  const auto left =
      static_cast<double>(progress.weights_total - progress.weights_done);
  std::string line =
      fmt::format("[{:<{}}] {:>3.0f}%  {}/{}  {:.1f} Mweights/s  ETA {}  {}",
                  std::string(cells, '#'), kBarCells, 100 * done,
                  progress.tensor + 1, progress.tensors, rate / 1e6,
                  rate > 0 ? Duration(left / rate) : std::string("--:--"),
                  Printable(progress.report->name));
  // A line that wraps could not be redrawn in place.
  if (line.size() >= columns) line.resize(columns - 1);
  return line;
}

ProgressBar::ProgressBar() : terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::Show(const Progress& progress) {
  if (terminal_) {
    Redraw(progress);
  } else if (progress.tensor_done) {
    fmt::print(stderr, "[{:>4}/{}] {}\n", progress.tensor + 1, progress.tensors,
               TensorLine(*progress.report));
  }
}

void ProgressBar::Redraw(const Progress& progress) {
  const bool last =
      progress.tensor_done && progress.tensor + 1 == progress.tensors;
  if (!last && progress.seconds < last_seconds_ + kRedrawSeconds) return;
  last_seconds_ = progress.seconds;
  drawn_ = true;
  fmt::print(stderr, "\r{}\033[K", BarLine(progress, TerminalColumns()));
  std::fflush(stderr);
}

}  // namespace nibble::gguf
