// SPDX-License-Identifier: MIT
// What a matvec kernel works on.
#ifndef NIBBLE_SIMD_MATVEC_ARGS_H_
#define NIBBLE_SIMD_MATVEC_ARGS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/simd/int8_row_chunk.h"

namespace nibble {

// y[t * y_stride + r] = row r of the weights times token t.
struct MatvecArgs {
  const uint8_t* weights;  // row r at r * stride_bytes
  size_t stride_bytes;
  size_t rows;
  size_t cols;
  const Int8RowChunk* x;  // [tokens][ChunksOf(cols)]
  size_t tokens;
  float* y;
  size_t y_stride;  // in floats
};

}  // namespace nibble

#endif  // NIBBLE_SIMD_MATVEC_ARGS_H_
