// SPDX-License-Identifier: MIT
// Packing activations: four columns per thread, eight threads per block of 32.
//
//   code = nearest(x / scale), scale = max |x| / 127
#ifndef NIBBLE_CUDA_PACK_CUH_
#define NIBBLE_CUDA_PACK_CUH_

#include "cuda/activations.cuh"
#include "cuda/floats.cuh"

namespace nibble {
namespace cuda {

// Columns [column, column + 4) of a row of F32, F16 or BF16; 0 past the end.
NIBBLE_HD inline void LoadQuad(const uint8_t* row, Type type, size_t column,
                               size_t cols, float (&x)[4]) {
  for (size_t i = 0; i < 4; ++i) {
    x[i] = column + i < cols ? LoadFloat(row, type, column + i) : 0.0f;
  }
}

// The bits of max |x|. Compared as integers NaN is above infinity, and both are
// above every number, so neither can hide.
NIBBLE_HD inline uint32_t MaxMagnitude(const float (&x)[4]) {
  uint32_t max = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t magnitude = BitsOf(x[i]) & 0x7FFFFFFFu;
    max = magnitude > max ? magnitude : max;
  }
  return max;
}

// max |x| / 127, or NaN if that is not finite: the results must not look sane.
NIBBLE_HD inline float ActivationScale(uint32_t max_magnitude) {
  return max_magnitude < 0x7F800000u ? FloatOf(max_magnitude) / 127.0f
                                     : FloatOf(0x7FC00000u);
}

// nearest(x / scale) in the bytes of a word; 0 where the scale is 0 or NaN.
NIBBLE_HD inline uint32_t ActivationCodes(const float (&x)[4], float scale) {
  uint32_t codes = 0;
  for (int i = 0; i < 4; ++i) {
    if (!(scale > 0.0f)) continue;
    // A subnormal scale has few bits: the quotient may be well above 127.
    const int code =
        NearestInt(std::fmin(std::fmax(x[i] / scale, -127.0f), 127.0f));
    codes |= (static_cast<uint32_t>(code) & 255u) << (8 * i);
  }
  return codes;
}

NIBBLE_HD inline int SumOfCodes(uint32_t codes) {
  return Dot4(codes, 0x01010101u, 0);
}

struct PackArgs {
  const uint8_t* x;  // [tokens][x_stride bytes], cols elements of type
  size_t x_stride;
  uint8_t* out;  // [tokens][TokenBytes(cols)]
  uint32_t tokens;
  uint32_t cols;
  Type type;
};

#ifdef __CUDACC__
inline constexpr uint32_t kPackThreads = 256;

// Columns run along x of the grid, tokens along y. Every thread stays to the
// end: its neighbours need it for the reductions.
static __global__ void __launch_bounds__(kPackThreads)
    PackActivationsKernel(const PackArgs args) {
  const uint32_t quad = blockIdx.x * kPackThreads + threadIdx.x;
  float x[4];
  LoadQuad(args.x + blockIdx.y * args.x_stride, args.type, size_t{quad} * 4,
           args.cols, x);
  uint32_t max = MaxMagnitude(x);
  for (int apart = 4; apart > 0; apart /= 2) {
    const uint32_t other = Across(max, apart);
    max = other > max ? other : max;
  }
  const float scale = ActivationScale(max);
  const uint32_t codes = ActivationCodes(x, scale);
  int sum = SumOfCodes(codes);
  sum += Across(sum, 1);
  sum += Across(sum, 2);
  const int upper = Across(sum, 4);
  const uint32_t blocks = static_cast<uint32_t>(ActivationBlocks(args.cols));
  if (quad / 8 >= blocks) return;
  uint8_t* token = args.out + blockIdx.y * TokenBytes(args.cols);
  StoreAligned<4>(codes, token + quad * 4);
  if (quad % 8 == 0) {
    StoreAligned<8>(
        ActivationHead{scale, PackSums(sum, upper)},
        token + blocks * kActivationBlock + quad / 8 * sizeof(ActivationHead));
  }
}
#endif  // __CUDACC__

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_PACK_CUH_
