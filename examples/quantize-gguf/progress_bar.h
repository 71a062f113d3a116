// SPDX-License-Identifier: MIT
// Shows how far quantizing a model is.
#ifndef NIBBLE_EXAMPLES_QUANTIZE_GGUF_PROGRESS_BAR_H_
#define NIBBLE_EXAMPLES_QUANTIZE_GGUF_PROGRESS_BAR_H_

#include <string>

#include "gguf/quantize_model.h"

namespace nibble::gguf {

// On a terminal one line that is redrawn, with a bar, the rate and the time
// left; elsewhere one plain line per finished tensor. Writes to stderr, so that
// stdout keeps the table.
class ProgressBar {
 public:
  ProgressBar();
  // Leaves the cursor at the start of an empty line.
  ~ProgressBar();

  void Show(const Progress& progress);

 private:
  void Redraw(const Progress& progress);

  bool terminal_;
  bool drawn_ = false;
  double last_seconds_ = -1;
};

// The line for a terminal of `columns` columns: never longer than that.
std::string BarLine(const Progress& progress, size_t columns);

// "1:02:03" or "02:03".
std::string Duration(double seconds);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_QUANTIZE_GGUF_PROGRESS_BAR_H_
