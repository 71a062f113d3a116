// SPDX-License-Identifier: MIT
// Quantize: float rows and importance in, packed rows out.
#ifndef NIBBLE_QUANTIZE_H_
#define NIBBLE_QUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/status.h"

namespace nibble {

// How hard to look for the codes and scales that minimise the weighted error.
enum class Search : uint8_t {
  kFast,        // few candidates, no refinement
  kDefault,     // wide candidates and least-squares refits: best per time
  kGradient,    // the published gradient rule (ik_llama.cpp PR 295)
  kExhaustive,  // every breakpoint of the scale (llama.cpp PR 12557)
};

// The weights w of the squared error, given the importance p of a column.
enum class WeightRule : uint8_t {
  // w = p * sqrt(sigma2 + x^2), sigma2 = 2 * mean of x^2 over the 256 weights
  // (or the rest of the row) that contain x. The habit of the field. The same as
  // kImportance for types of signs alone (Q1_0).
  kImportanceMagnitude,
  kImportance,  // w = p
};

struct QuantizeOptions {
  Search search = Search::kDefault;
  WeightRule weights = WeightRule::kImportanceMagnitude;

  // Importance p[c] >= 0 of every column (an imatrix row), `cols` floats shared
  // by all rows. Null means p = 1. Values far below the mean are raised to a
  // tiny fraction of it, so zero for a sub-block, a block or everything is
  // legal.
  const float* importance = nullptr;

  Share share;                            // rows this call works on
  const ParallelFor* parallel = nullptr;  // or let the call use these threads

  // Scratch of at least QuantizeScratchBytes (times parallel->threads), aligned
  // to 64 bytes; null lets the call allocate it once.
  void* scratch = nullptr;
  size_t scratch_bytes = 0;
};

// Scratch bytes one thread needs to quantize rows of `cols` weights to `type`, on
// the target in use.
NIBBLE_API size_t QuantizeScratchBytes(Type type, size_t cols) noexcept;

// Packs source rows: finds, per block, codes and scales that minimise
//   sum_c w_c * (x_c - y_c)^2,   y = the decoded weight, w by options.weights.
//
// source: F32, F16 or BF16, rows x cols. packed: any quantized type, same rows
// and cols, stride >= RowBytes(type, cols); bytes between rows are not touched.
// Must not overlap.
//
// The bytes written depend only on the values, the importance and the options:
// they are identical for every SIMD target, thread count and row split.
//
// Errors, nothing of the affected row written: sizes, types or strides that do
// not fit; a NaN or infinite weight (row and column are named); a weight whose
// scale the type cannot represent; negative or non-finite importance.
// Sources: make_qx_quants with signed scales, ik_llama.cpp PR 295; one block
// per SIMD lane is our own.
NIBBLE_API Status Quantize(const ConstMatrix& source,
                           const MutableMatrix& packed,
                           const QuantizeOptions& options = {}) noexcept;

}  // namespace nibble

#endif  // NIBBLE_QUANTIZE_H_
