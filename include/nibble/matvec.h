// SPDX-License-Identifier: MIT
// Matvec and dot: packed rows times few activation vectors (token generation).
#ifndef NIBBLE_MATVEC_H_
#define NIBBLE_MATVEC_H_

#include "nibble/activations.h"
#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/status.h"

namespace nibble {

struct MatvecOptions {
  Share share;                            // rows this call works on
  const ParallelFor* parallel = nullptr;  // or let the call use these threads
};

// y[t][r] = sum_c W[r][c] * x[t][c] for every row r and token t.
//
// weights: quantized, rows x cols, straight from a GGUF file: no repacking, no
// alignment. x: kInt8Rows activations packed for this type (same layout.order),
// same cols. y: F32, tokens x weights.rows.
// Products and sums within a sub-block are exact integers; the rest is f32.
// The result of a row does not depend on the split. Never allocates, reads only
// the bytes of the rows. Weights in huge pages stream about a third faster from
// memory than in 4 KiB pages (madvise(MADV_HUGEPAGE) before filling them).
NIBBLE_API Status Matvec(const ConstMatrix& weights, const PackedActivations& x,
                         const MutableMatrix& y,
                         const MatvecOptions& options = {}) noexcept;

// *result = sum_c W[0][c] * x[token][c] for a single packed row.
NIBBLE_API Status Dot(const ConstMatrix& row, const PackedActivations& x,
                      size_t token, float* result) noexcept;

}  // namespace nibble

#endif  // NIBBLE_MATVEC_H_
