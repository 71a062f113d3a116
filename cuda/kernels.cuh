// SPDX-License-Identifier: MIT
// Fills a CudaKernels table with the generic kernels for one format.
#ifndef NIBBLE_CUDA_KERNELS_CUH_
#define NIBBLE_CUDA_KERNELS_CUH_

#include "cuda/dequantize.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/matvec.cuh"

namespace nibble {
namespace cuda {

// Do rows that start here, this far apart, keep blocks at multiples of `align`?
inline bool RowsAligned(const uint8_t* rows, size_t stride, size_t align) {
  return (reinterpret_cast<uintptr_t>(rows) | stride) % align == 0;
}

template <class F, size_t kAlign>
Status LaunchDequantize(const DequantizeArgs& args, CudaStream stream) {
  const uint32_t quads = args.cols / 4;
  // Narrow matrices get narrow blocks, in whole warps.
  const uint32_t threads = quads < kDequantizeThreads
                               ? (quads + kWarp - 1) / kWarp * kWarp
                               : kDequantizeThreads;
  const dim3 grid(BlocksFor(quads, threads), args.rows < kDequantizeRowBlocks
                                                 ? args.rows
                                                 : kDequantizeRowBlocks);
  return Launch("dequantize", &DequantizeKernel<F, kAlign>, grid, threads,
                stream, args);
}

template <class F, uint32_t kTokens, size_t kAlign>
Status LaunchMatvec(const MatvecArgs& args, CudaStream stream) {
  const dim3 grid(BlocksFor(args.rows, kMatvecRows),
                  BlocksFor(args.tokens, kTokens));
  return Launch("matvec", &MatvecKernel<F, kTokens, kAlign>, grid,
                kMatvecThreads, stream, args);
}

template <class F>
struct Launcher {
  static constexpr size_t kAlign = NaturalAlign<F>();

  static Status Dequantize(const DequantizeArgs& args, CudaStream stream) {
    return RowsAligned(args.packed, args.packed_stride, kAlign)
               ? LaunchDequantize<F, kAlign>(args, stream)
               : LaunchDequantize<F, 1>(args, stream);
  }
  // The token counts of decoding, batched decoding and speculation. Rows at odd
  // addresses are legal but nobody's choice: one kernel is enough for them.
  static Status Matvec(const MatvecArgs& args, CudaStream stream) {
    if (!RowsAligned(args.weights, args.weight_stride, kAlign)) {
      return LaunchMatvec<F, 1, 1>(args, stream);
    }
    if (args.tokens == 1) return LaunchMatvec<F, 1, kAlign>(args, stream);
    if (args.tokens == 2) return LaunchMatvec<F, 2, kAlign>(args, stream);
    if (args.tokens <= 4) return LaunchMatvec<F, 4, kAlign>(args, stream);
    return LaunchMatvec<F, 8, kAlign>(args, stream);
  }
};

template <class F>
constexpr CudaKernels MakeCudaKernels() {
  return CudaKernels{&Launcher<F>::Dequantize, &Launcher<F>::Matvec};
}

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_KERNELS_CUH_
