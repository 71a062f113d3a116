// SPDX-License-Identifier: MIT
// Dequantize: packed rows in, float rows out.
#ifndef NIBBLE_DEQUANTIZE_H_
#define NIBBLE_DEQUANTIZE_H_

#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/status.h"

namespace nibble {

// Decodes packed rows: out[r][c] = the stored weight, for all rows and columns.
//
// packed: any type, F32/F16/BF16 included. out: F32, F16 or BF16 with the same
// rows and cols; bytes between its rows are not touched. Must not overlap.
// F32 results are bit-exact with the format's definition on every target; F16
// and BF16 results are those rounded to nearest even (overflow gives infinity).
// Call it on row ranges (Matrix::Rows) from as many threads as wanted.
// Never allocates. Any byte pattern of the right size is legal input; what
// makes a row insane (NaN scales ...) is for Validate to say.
NIBBLE_API Status Dequantize(const ConstMatrix& packed,
                             const MutableMatrix& out) noexcept;

}  // namespace nibble

#endif  // NIBBLE_DEQUANTIZE_H_
