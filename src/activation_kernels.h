// SPDX-License-Identifier: MIT
// Activation packing of the chosen SIMD target.
#ifndef NIBBLE_SRC_ACTIVATION_KERNELS_H_
#define NIBBLE_SRC_ACTIVATION_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/simd/int8_row_chunk.h"
#include "nibble/simd/panel.h"
#include "nibble/type.h"

namespace nibble {

// Packs one row of F32, F16 or BF16 into ChunksOf(cols) chunks of kInt8Rows,
// their codes in `order`. False if a value is NaN or infinite.
bool PackInt8RowChunks(Type type, const uint8_t* row, size_t cols,
                       const PackedOrder& order, Int8RowChunk* out);

// The same into panel chunks, `stride` apart (kInt8Panels).
bool PackInt8PanelChunks(Type type, const uint8_t* row, size_t cols,
                         Int8PanelChunk* out, size_t stride);

// Packs 1 to 16 rows as tokens [token, token + 16) into tiles of `out`
// (kBf16Panels); missing ones become zeros. False if a value is NaN or
// infinite.
bool PackBf16Tiles(Type type, const uint8_t* const* rows, size_t count,
                   size_t token, size_t cols, const Bf16Layout& layout,
                   uint16_t* out);

}  // namespace nibble

#endif  // NIBBLE_SRC_ACTIVATION_KERNELS_H_
