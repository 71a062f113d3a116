// SPDX-License-Identifier: MIT
// Matmul: packed rows times many activation vectors (prompt processing).
#ifndef NIBBLE_MATMUL_H_
#define NIBBLE_MATMUL_H_

#include "nibble/activations.h"
#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/status.h"

namespace nibble {

struct MatmulOptions {
  Share share;                            // rows this call works on
  const ParallelFor* parallel = nullptr;  // or let the call use these threads

  // Scratch of MatmulScratchBytes (times parallel->threads), aligned to 64
  // bytes; null lets the call allocate it once.
  void* scratch = nullptr;
  size_t scratch_bytes = 0;
};

// Scratch bytes one thread needs: unpacked weight panels and partial results.
NIBBLE_API size_t MatmulScratchBytes(ActivationLayout layout, size_t rows,
                                     size_t cols, size_t tokens) noexcept;

// y[t][r] = sum_c W[r][c] * x[t][c] for every row r and token t.
//
// weights: quantized, rows x cols. x: activations packed in any layout that
// ChooseActivationLayout returns for this type. y: F32, tokens x weights.rows.
// Relative error of a result against exact arithmetic on the decoded weights:
// int8 layouts about 0.5 % rms (the activations' 8 bits; exact integer sums),
// bf16 about 0.25 %. Results do not depend on the split.
// With AMX, more than 2 MiB of results per thread are written past the caches
// if y and its stride are multiples of 64 bytes.
NIBBLE_API Status Matmul(const ConstMatrix& weights, const PackedActivations& x,
                         const MutableMatrix& y,
                         const MatmulOptions& options = {}) noexcept;

// The same from plain activations (F32, F16 or BF16, tokens x cols): packs them
// into memory it allocates, then multiplies. Convenient; a caller with several
// matrices per input, or without a heap, packs once itself.
NIBBLE_API Status Matmul(const ConstMatrix& weights, const ConstMatrix& x,
                         const MutableMatrix& y,
                         const MatmulOptions& options = {}) noexcept;

}  // namespace nibble

#endif  // NIBBLE_MATMUL_H_
