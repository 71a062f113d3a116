// SPDX-License-Identifier: MIT
// Fills a ComputeKernels table with the generic drivers for one format.
#if defined(NIBBLE_SRC_COMPUTE_KERNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SRC_COMPUTE_KERNELS_INL_H_
#undef NIBBLE_SRC_COMPUTE_KERNELS_INL_H_
#else
#define NIBBLE_SRC_COMPUTE_KERNELS_INL_H_
#endif

#include "nibble/simd/bf16_matmul-inl.h"
#include "nibble/simd/crossover-inl.h"
#include "nibble/simd/dequantize-inl.h"
#include "nibble/simd/matvec-inl.h"
#include "nibble/simd/panel-inl.h"
#include "src/compute_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F>
constexpr ComputeKernels MakeComputeKernels() {
  ComputeKernels kernels = {};
  kernels.dequantize_row = &DequantizeRow<F>;
  kernels.order = MatvecMachine<typename F::Codes>::Order::kId;
  kernels.matvec = &MatvecRows<F>;
  kernels.panel_shape = PanelTraits<F>::kShape;
  kernels.unpack_int8 = &UnpackInt8Panel<F>;
#if NIBBLE_AVX_VNNI
  kernels.unpack_quads = &UnpackInt8Panel<F, false>;
#endif
  kernels.crossover = CrossoverOf<F>();
#ifdef NIBBLE_MAY_HAVE_TILES
  kernels.multiply_bf16 = &MultiplyBf16Panel<F>;
#endif
  return kernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SRC_COMPUTE_KERNELS_INL_H_
