// SPDX-License-Identifier: MIT
// Int8RowChunk: 256 columns of one token, as matvec reads them (kInt8Rows).
#ifndef NIBBLE_SIMD_INT8_ROW_CHUNK_H_
#define NIBBLE_SIMD_INT8_ROW_CHUNK_H_

#include <cstddef>
#include <cstdint>

#include "nibble/simd/order.h"

namespace nibble {

// Activation e of the chunk is q[position of e] * scale32[e / 32]. A token is
// ceil(cols / 256) chunks, one after the other, and so are tokens.
//
// The sums are exact integers times the scale: they turn zero points, shifts
// and mins of a sub-block into one fused multiply-add. Both widths are stored
// because a load is cheaper than a shuffle per 32 weights.
struct alignas(64) Int8RowChunk {
  int8_t q[kChunk];   // in the element order of the weights' type
  float scale32[8];   // one per 32 columns
  float sum32[8];     // scale32[g] * (sum of the 32 codes)
  float scale16[16];  // scale32[g / 2]
  float sum16[16];    // scale16[g] * (sum of the 16 codes)
};
static_assert(sizeof(Int8RowChunk) == 448, "seven cache lines");

inline constexpr size_t ChunksOf(size_t cols) {
  return cols / kChunk + (cols % kChunk != 0 ? 1 : 0);
}

}  // namespace nibble

#endif  // NIBBLE_SIMD_INT8_ROW_CHUNK_H_
