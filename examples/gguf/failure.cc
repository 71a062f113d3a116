// SPDX-License-Identifier: MIT
#include "gguf/failure.h"

#include <cstdio>
#include <exception>
#include <iterator>
#include <system_error>

namespace nibble::gguf {

std::string Printable(std::string_view text) {
  constexpr size_t kLongest = 96;
  std::string shown;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      shown += c;
    } else {
      fmt::format_to(std::back_inserter(shown), "\\x{:02x}", byte);
    }
  }
  if (text.size() > kLongest) shown += "...";
  return shown;
}

std::string Quote(std::string_view text) { return "'" + Printable(text) + "'"; }

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

Status Prefix(std::string_view where, const Status& status) {
  if (status.ok()) return status;
  return Failure(status.code(), "{}: {}", where, status.message());
}

int ExitCode(const char* program, const Status& status) {
  if (status.ok()) return 0;
  fmt::print(stderr, "{}: {}\n", program, status.message());
  return 1;
}

int RunProgram(const char* program, const std::function<int()>& run) noexcept {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 1;
  }
}

}  // namespace nibble::gguf
