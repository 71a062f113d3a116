// SPDX-License-Identifier: MIT
// Dequantize: x = scale * level - min, four weights per thread.
//
//   thread   0    1    2    3  ...        a warp writes 128 neighbouring
//   weights 0-3  4-7  8-11 12-15 ...      weights with one store per thread
//
// The decoded side is two to eight times as many bytes as the packed side, so
// the stores are what has to be coalesced. Neighbouring threads repeat each
// other's scale decoding; its loads hit L1.
#ifndef NIBBLE_CUDA_DEQUANTIZE_CUH_
#define NIBBLE_CUDA_DEQUANTIZE_CUH_

#include "cuda/blocks.cuh"
#include "cuda/floats.cuh"
#include "cuda/kernels.h"

namespace nibble {
namespace cuda {

// Weights 4 * quad .. 4 * quad + 3 of a row. Bit-exact with formats::Reader.
template <class F, size_t kAlign>
NIBBLE_HD void ThreadDequantize(const uint8_t* row, uint32_t quad,
                                float (&out)[4]) {
  using R = BlockReader<F, kAlign>;
  using Quad = formats::AlignedQuad<kAlign>;
  constexpr uint32_t kQuads = F::kBlock / 4;
  const typename F::Block& b = BlockAt<F>(row, quad / kQuads);
  const uint32_t e = quad % kQuads * 4, s = e / F::kSub;

  const float scale = R::BlockScale(b, R::RowScale(row), s) *
                      static_cast<float>(R::Multiplier(b, s));
  const int offset = R::Offset(b, s);
  const uint32_t codes = Quad::Eval(typename F::Codes(), b, e);
  const uint32_t negative = Quad::Negative(typename F::Signs(), b, e);
  constexpr bool kSignedCodes = formats::IsSigned<typename F::Codes>::value;
  for (int i = 0; i < 4; ++i) {
    const uint8_t byte = static_cast<uint8_t>(codes >> (8 * i));
    const int code = kSignedCodes ? static_cast<int8_t>(byte) : byte;
    const int flip = static_cast<int8_t>(negative >> (8 * i));  // -1 or 0
    const int level = ((code + offset) ^ flip) - flip;
    out[i] = scale * static_cast<float>(level);
    if constexpr (formats::kIsPresent<typename F::MinCodes>) {
      out[i] -= R::BlockMin(b) * static_cast<float>(R::MinCode(b, s));
    }
  }
}

#ifdef __CUDACC__
inline constexpr uint32_t kDequantizeThreads = 256;
inline constexpr uint32_t kDequantizeRowBlocks =
    32768;  // y of the grid, at most

// Columns run along x of the grid, rows along y and, if there are more of them
// than the grid is high, in steps of its height.
template <class F, size_t kAlign>
__global__ void __launch_bounds__(kDequantizeThreads)
    DequantizeKernel(const DequantizeArgs args) {
  const uint32_t quad = blockIdx.x * blockDim.x + threadIdx.x;
  if (quad >= args.cols / 4) return;
  const size_t quad_bytes = 4 * FloatBytes(args.out_type);
  for (uint32_t r = blockIdx.y; r < args.rows; r += gridDim.y) {
    float x[4];
    ThreadDequantize<F, kAlign>(args.packed + r * args.packed_stride, quad, x);
    uint8_t* p = args.out + r * args.out_stride + quad * quad_bytes;
    if (args.wide_stores) {
      StoreQuad<true>(x, args.out_type, p);
    } else {
      StoreQuad<false>(x, args.out_type, p);
    }
  }
}
#endif  // __CUDACC__

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_DEQUANTIZE_CUH_
