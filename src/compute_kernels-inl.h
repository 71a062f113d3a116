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

template <class F, PanelMath kMath>
constexpr FormatPanels MakePanels() {
  using Traits = PanelTraits<F>;
  constexpr size_t kMinCols = Traits::kHasMin ? Traits::kMinSub : 0;
  return {{kMath, Traits::kSub, kMinCols, Traits::kBias},
          &UnpackInt8Panel<F, CodesOf(kMath)>};
}

template <class F>
constexpr ComputeKernels MakeComputeKernels() {
  ComputeKernels kernels = {};
  kernels.dequantize_row = &DequantizeRow<F>;
  kernels.order = MatvecMachine<typename F::Codes>::Order::kId;
  kernels.matvec = &MatvecRows<F, kTokensAtOnce<F>>;
#if NIBBLE_AVX_VNNI
  using Quads = OnQuads<F>;
  kernels.extension_matvec = &MatvecRows<Quads, kTokensAtOnce<Quads>>;
#endif
  kernels.panels = MakePanels<F, PanelTraits<F>::kMath>();
  if constexpr (kHasExtension) {
    kernels.extension_panels = MakePanels<F, kExtensionMath>();
  }
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
