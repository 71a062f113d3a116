// SPDX-License-Identifier: MIT
// What quantizing a model did: as a table for people, as JSON for programs.
#ifndef NIBBLE_EXAMPLES_GGUF_REPORT_H_
#define NIBBLE_EXAMPLES_GGUF_REPORT_H_

#include <cstdint>
#include <string>

#include "gguf/quantize_model.h"

namespace nibble::gguf {

// Sums over tensors.
struct Totals {
  size_t tensors = 0;
  uint64_t weights = 0;
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  uint64_t quantized_weights = 0;
  ErrorSums error;     // of quantized tensors
  double seconds = 0;  // inside the quantizer

  void Add(const TensorReport& tensor);
  double BitsPerWeight() const;
  double MweightsPerSecond() const;  // 0 if nothing was quantized
};

// One line per type written and a total: tensors, bytes before and after, bits
// per weight, weighted relative error, speed of the quantizer.
std::string SummaryTable(const ModelReport& report);

// The line a dry run, or a log, shows for one tensor.
std::string TensorLine(const TensorReport& tensor);

// The whole report, every tensor included.
std::string ReportJson(const ModelReport& report);

// "12.3 MB".
std::string HumanBytes(uint64_t bytes);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_REPORT_H_
