// SPDX-License-Identifier: MIT
// What a quantizer is asked, and what it answers.
#ifndef NIBBLE_SEARCH_JOB_H_
#define NIBBLE_SEARCH_JOB_H_

#include <cstddef>

#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/quantize.h"

namespace nibble {

// Rows [rows.begin, rows.end) of source to packed. Arguments are checked;
// importance is null or finite and not negative; scratch is large enough.
struct QuantizeJob {
  ConstMatrix source;
  MutableMatrix packed;
  RowRange rows;
  const float* importance = nullptr;
  Search search = Search::kDefault;
  WeightRule weights = WeightRule::kImportanceMagnitude;
  void* scratch = nullptr;
};

// Where a row could not be quantized.
struct QuantizeResult {
  enum Problem { kNone, kNotFinite, kScaleOverflow };
  Problem problem = kNone;
  size_t row = 0;
  size_t col = 0;  // of the weight, or the first of the block
};

}  // namespace nibble

#endif  // NIBBLE_SEARCH_JOB_H_
