// SPDX-License-Identifier: MIT
// Sub-block multipliers: which integers a format can store, from its
// description.
#if defined(NIBBLE_SEARCH_SCALE_RULE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_SCALE_RULE_INL_H_
#undef NIBBLE_SEARCH_SCALE_RULE_INL_H_
#else
#define NIBBLE_SEARCH_SCALE_RULE_INL_H_
#endif

#include "nibble/formats/format.h"
#include "nibble/search/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Multipliers kStep * code + kBase for code in [kLo, kHi].
template <class F, class L>
struct ScaleRule {
  using V = typename L::V;
  using Node = typename F::ScaleCodes;
  static constexpr int kBits = formats::Width<Node>::value;
  static constexpr bool kSigned = formats::IsSigned<Node>::value;
  static constexpr int kLo = kSigned ? -(1 << (kBits - 1)) : 0;
  static constexpr int kHi = (kSigned ? 1 << (kBits - 1) : 1 << kBits) - 1;
  static constexpr float kStep = F::kScaleStep, kBase = F::kScaleBase;
  static constexpr float kMin = kStep * kLo + kBase, kMax = kStep * kHi + kBase;

  // The nearest multiplier. |v| may be anything finite.
  static HWY_INLINE V Near(V v) {
    v = Clamp(v);
    const V code = L::Round(L::Mul(L::Sub(v, L::Set(kBase)),
                                   L::Set(1.0f / kStep)));  // a power of two
    return L::Add(L::Mul(code, L::Set(kStep)), L::Set(kBase));
  }
  static HWY_INLINE V Clamp(V m) {
    return L::Max(L::Min(m, L::Set(kMax)), L::Set(kMin));
  }
  static uint8_t Code(float multiplier) {
    const int code = static_cast<int>((multiplier - kBase) * (1.0f / kStep));
    return static_cast<uint8_t>(code);  // signed codes: two's complement
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_SCALE_RULE_INL_H_
