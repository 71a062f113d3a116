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
template <class F, class L, class Node = typename F::ScaleCodes>
struct ScaleRule {
  using V = typename L::V;
  static constexpr int kBits = formats::Width<Node>::value;
  static constexpr bool kSigned = formats::IsSigned<Node>::value;
  static constexpr int kLo = kSigned ? -(1 << (kBits - 1)) : 0;
  static constexpr int kHi = (kSigned ? 1 << (kBits - 1) : 1 << kBits) - 1;
  static constexpr float kStep = F::kScaleStep, kBase = F::kScaleBase;
  static constexpr float kMin = kStep * kLo + kBase, kMax = kStep * kHi + kBase;

  static constexpr int kCount = kHi - kLo + 1;
  static constexpr float Value(int i) {
    return kStep * static_cast<float>(kLo + i) + kBase;
  }

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

// Multipliers from a table, ascending.
template <class F, class L, uint64_t kLow, uint64_t kHigh, class E>
struct ScaleRule<F, L, formats::Lut16<kLow, kHigh, E>> {
  using V = typename L::V;
  static_assert(F::kScaleStep == 1 && F::kScaleBase == 0, "the table alone");
  static constexpr int kCount = 16;
  static constexpr float Value(int i) {
    const uint64_t word = i < 8 ? kLow : kHigh;
    return static_cast<float>(static_cast<int8_t>(word >> (8 * (i & 7))));
  }
  static constexpr float kMin = Value(0), kMax = Value(kCount - 1);

  static HWY_INLINE V Near(V v) {
    V nearest = L::Set(kMin);
    for (int i = 1; i < kCount; ++i) {
      const V middle = L::Set(0.5f * (Value(i - 1) + Value(i)));
      nearest = L::If(L::Gt(v, middle), L::Set(Value(i)), nearest);
    }
    return nearest;
  }
  static HWY_INLINE V Clamp(V m) {
    return L::Max(L::Min(m, L::Set(kMax)), L::Set(kMin));
  }
  static uint8_t Code(float multiplier) {
    int i = 0;
    while (i < kCount - 1 && Value(i) < multiplier) ++i;
    return static_cast<uint8_t>(i);
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_SCALE_RULE_INL_H_
