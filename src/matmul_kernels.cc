// SPDX-License-Identifier: MIT
// Instantiates the micro-kernels, once for all formats.
#include "src/matmul_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/matmul_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "src/inline.h"          // before Highway
#include "hwy/highway.h"

#include "nibble/simd/bf16_results-inl.h"
#include "nibble/simd/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <PanelMath kMath>
constexpr void AddKernels(MatmulKernels& k) {
  auto& row = k.multiply[static_cast<size_t>(kMath)];
  row[2][0] = &MultiplyInt8Panel<kMath, 32, 0>;
  row[2][2] = &MultiplyInt8Panel<kMath, 32, 32>;
  row[1][0] = &MultiplyInt8Panel<kMath, 16, 0>;
  row[1][1] = &MultiplyInt8Panel<kMath, 16, 16>;
  if constexpr (kNativeU8I8) row[2][1] = &MultiplyInt8Panel<kMath, 32, 16>;
}

// What the panels of this target's formats are multiplied with.
template <PanelMath... kMaths>
struct Maths {};
using MathsOfTarget = hwy::If<
    kHasQuads, Maths<PanelMath::kQuads>,
    hwy::If<kSignedPanels,
            Maths<PanelMath::kPairs8, PanelMath::kPairs4, PanelMath::kPairs2,
                  PanelMath::kPairs1>,
            Maths<PanelMath::kPairs8, PanelMath::kPairs4, PanelMath::kPairs2,
                  PanelMath::kPairs1, PanelMath::kPlanes>>>;

template <PanelMath... kMaths>
constexpr MatmulKernels MakeMatmulKernels(Maths<kMaths...>) {
  MatmulKernels k = {};
  k.panel_rows = kPanelRows;
  k.panel_cols = kPanelCols;
  (AddKernels<kMaths>(k), ...);
  if constexpr (kHasExtension) AddKernels<kExtensionMath>(k);
#ifdef NIBBLE_MAY_HAVE_TILES
  k.store_bf16 = &StoreBf16Sums;
#endif
  return k;
}

const MatmulKernels* MatmulKernelsOfTarget() {
  static constexpr MatmulKernels kKernels = MakeMatmulKernels(MathsOfTarget());
  return &kKernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nibble {
HWY_EXPORT(MatmulKernelsOfTarget);
const MatmulKernels& MatmulKernelsInUse() noexcept {
  return *HWY_DYNAMIC_DISPATCH(MatmulKernelsOfTarget)();
}
}  // namespace nibble
#endif  // HWY_ONCE
