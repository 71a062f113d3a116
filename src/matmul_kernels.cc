// SPDX-License-Identifier: MIT
// Instantiates the micro-kernels, once for all formats.
#include "src/matmul_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/matmul_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "src/inline.h"  // before Highway
#include "hwy/highway.h"

#include "nibble/simd/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <PanelMath kMath>
constexpr void AddKernels(MatmulKernels& k) {
  auto& row = k.multiply[static_cast<size_t>(kMath)];
  row[0][0] = &MultiplyInt8Panel<kMath, 32, false>;
  row[0][1] = &MultiplyInt8Panel<kMath, 32, true>;
  row[1][0] = &MultiplyInt8Panel<kMath, 16, false>;
  row[1][1] = &MultiplyInt8Panel<kMath, 16, true>;
}

constexpr MatmulKernels MakeMatmulKernels() {
  MatmulKernels k = {};
  k.panel_rows = kPanelRows;
  k.panel_cols = kPanelCols;
  if constexpr (kHasQuads) {
    AddKernels<PanelMath::kQuads>(k);
  } else {
    AddKernels<PanelMath::kPairs8>(k);
    AddKernels<PanelMath::kPairs4>(k);
    AddKernels<PanelMath::kPairs2>(k);
    AddKernels<PanelMath::kPairs1>(k);
    AddKernels<PanelMath::kPlanes>(k);
  }
  return k;
}

const MatmulKernels* MatmulKernelsOfTarget() {
  static constexpr MatmulKernels kKernels = MakeMatmulKernels();
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
