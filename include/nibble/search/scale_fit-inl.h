// SPDX-License-Identifier: MIT
// The incumbent of a scale search.
#if defined(NIBBLE_SEARCH_SCALE_FIT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_SCALE_FIT_INL_H_
#undef NIBBLE_SEARCH_SCALE_FIT_INL_H_
#else
#define NIBBLE_SEARCH_SCALE_FIT_INL_H_
#endif

#include "nibble/search/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// For codes with levels q the best scale is sx / sq (sx = sum w y q, sq = sum
// w q^2), and it reduces the error by score = sx^2 / sq.
template <class L>
struct ScaleFit {
  typename L::V score, sx, sq, shift;

  ScaleFit() = default;

  HWY_INLINE void Start() {
    score = L::Set(-1.0f);
    sx = shift = L::Zero();
    sq = L::Set(1.0f);
  }
  HWY_INLINE void Offer(typename L::V new_sx, typename L::V new_sq,
                        typename L::V new_shift) {
    const auto s = L::Div(L::Mul(new_sx, new_sx),
                          L::Max(new_sq, L::Set(1e-30f)));
    const auto better = L::Gt(s, score);
    score = L::If(better, s, score);
    sx = L::If(better, new_sx, sx);
    sq = L::If(better, new_sq, sq);
    shift = L::If(better, new_shift, shift);
  }
};

// 1 / v, and 0 where v is 0.
template <class L>
HWY_INLINE typename L::V InverseOrZero(typename L::V v) {
  const auto live = L::Ne(v, L::Zero());
  return L::IfElse0(live,
                    L::Div(L::Set(1.0f), L::If(live, v, L::Set(1.0f))));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_SCALE_FIT_INL_H_
