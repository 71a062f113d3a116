// SPDX-License-Identifier: MIT
// Activation packing of the chosen SIMD target.
#ifndef NIBBLE_SRC_ACTIVATION_KERNELS_H_
#define NIBBLE_SRC_ACTIVATION_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/simd/int8_row_chunk.h"
#include "nibble/type.h"

namespace nibble {

// Packs one row of F32, F16 or BF16 into ChunksOf(cols) chunks of kInt8Rows,
// runs of 16 codes at `position` (see RunPositions). False if a value is NaN or
// infinite.
bool PackInt8RowChunks(Type type, const uint8_t* row, size_t cols,
                       const uint8_t* position, Int8RowChunk* out);

}  // namespace nibble

#endif  // NIBBLE_SRC_ACTIVATION_KERNELS_H_
