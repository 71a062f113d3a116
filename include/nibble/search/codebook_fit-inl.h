// SPDX-License-Identifier: MIT
// The free fit of a grid format: the scale of a sub-block as if every
// combination of levels were on the grid.
//
// Searching the grid itself at several scales is worse: the refitted scale of
// the free levels with one exact search gives a lower error than eight exact
// searches without (IQ2_XS 0.2456 to 0.2457, at five times the speed).
#if defined(NIBBLE_SEARCH_CODEBOOK_FIT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_CODEBOOK_FIT_INL_H_
#undef NIBBLE_SEARCH_CODEBOOK_FIT_INL_H_
#else
#define NIBBLE_SEARCH_CODEBOOK_FIT_INL_H_
#endif

#include "nibble/search/codebook_tables.h"
#include "nibble/search/level_fit-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

struct CodebookPlan {
  float lo, hi;  // free fit: inverse scales that map the largest magnitude to
                 // lo .. hi times the top level
  int free;      // ... this many
  int exact;     // multipliers tried with the exact search
};

template <class Grid, class L, bool kParity, int kSub>
struct CodebookFit {
  using V = typename L::V;
  static constexpr GridLevels kLevels = Codebook<Grid>::kLevels;
  static constexpr int kCount = kLevels.count, kSigns = 8;

  V scale;      // of the levels; 0 for a zero block
  V curvature;  // sum w q^2: weight of the scale

  HWY_INLINE void Run(const float* x, const float* w,
                      const CodebookPlan& plan) {
    alignas(64) float y[kSub * L::kLanes];
    for (int g = 0; g < kSub; g += kSigns) {
      Magnitudes(x + g * L::kLanes, w + g * L::kLanes, y + g * L::kLanes);
    }
    V most = L::Zero(), sum_w = L::Zero(), sum_wy = L::Zero();
    alignas(64) float wy[kSub * L::kLanes];
    for (size_t i = 0; i < kSub * L::kLanes; i += L::kLanes) {
      const V yi = L::Load(y + i), wi = L::Load(w + i), p = L::Mul(wi, yi);
      most = L::Max(most, yi);
      sum_w = L::Add(sum_w, wi);
      sum_wy = L::Add(sum_wy, p);
      L::Store(p, wy + i);
    }
    const auto live = L::Ge(most, L::Set(kNegligible));
    ScaleFit<L> best;
    best.Start();
    const float step = (plan.hi - plan.lo) / static_cast<float>(plan.free - 1);
    for (int k = 0; k < plan.free; k += 2) {
      const V a = L::Mul(most, L::Set(1 / (plan.lo + step * static_cast<float>(k))));
      const V b = L::Mul(
          most, L::Set(1 / (plan.lo + step * static_cast<float>(k + 1))));
      Try(y, w, wy, sum_w, sum_wy, a, b, best);
    }
    scale = L::IfElse0(live, L::Max(L::Div(best.sx, best.sq), L::Zero()));
    curvature = L::IfElse0(live, best.sq);
  }

 private:
  static constexpr float Level(int l) {
    return static_cast<float>(kLevels.value[l]);
  }
  // The share of the top level above which level l is nearest.
  static constexpr float Edge(int l) {
    return 0.5f * (Level(l - 1) + Level(l)) / Level(kCount - 1);
  }

  // |x| of eight weights. If their signs have odd parity and may not, the one
  // that costs least to turn turns: its magnitude is negative.
  static HWY_INLINE void Magnitudes(const float* x, const float* w, float* y) {
    auto odd = L::False();
    V least = L::Set(1e30f);
    typename L::I which = L::SetI(0);
    for (int i = 0; i < kSigns; ++i) {
      const size_t at = static_cast<size_t>(i) * L::kLanes;
      const V xi = L::Load(x + at), yi = L::Abs(xi);
      L::Store(yi, y + at);
      if constexpr (kParity) {
        odd = L::Xor(odd, L::Lt(xi, L::Zero()));
        const V cost = L::Mul(L::Mul(yi, yi), L::Load(w + at));
        const auto less = L::Lt(cost, least);
        least = L::If(less, cost, least);
        which = L::IfI(less, L::SetI(i), which);
      }
    }
    if constexpr (!kParity) return;
    const V index = L::If(odd, L::ToFloat(which), L::Set(-1.0f));
    for (int i = 0; i < kSigns; ++i) {
      const size_t at = static_cast<size_t>(i) * L::kLanes;
      const V yi = L::Load(y + at);
      const auto other = L::Ne(index, L::Set(static_cast<float>(i)));
      L::Store(L::If(other, yi, L::Neg(yi)), y + at);
    }
  }

  // Offers the scales that put `a` and `b` at the top level. Sums by steps: what
  // is above an edge adds the difference between the levels beside it.
  static HWY_INLINE void Try(const float* HWY_RESTRICT y,
                             const float* HWY_RESTRICT w,
                             const float* HWY_RESTRICT wy, V sum_w, V sum_wy,
                             V a, V b, ScaleFit<L>& best) {
    V sx[2], sq[2];
    for (int k = 0; k < 2; ++k) {
      sx[k] = L::Mul(sum_wy, L::Set(Level(0)));
      sq[k] = L::Mul(sum_w, L::Set(Level(0) * Level(0)));
    }
    for (int l = 1; l < kCount; ++l) {
      const V edge[2] = {L::Mul(a, L::Set(Edge(l))),
                         L::Mul(b, L::Set(Edge(l)))};
      V above_wy[2] = {L::Zero(), L::Zero()};
      V above_w[2] = {L::Zero(), L::Zero()};
      for (size_t i = 0; i < kSub * L::kLanes; i += L::kLanes) {
        const V yi = L::Load(y + i), wi = L::Load(w + i);
        const V pi = L::Load(wy + i);
        HWY_UNROLL(2)
        for (int k = 0; k < 2; ++k) {
          const auto above = L::Gt(yi, edge[k]);
          above_wy[k] = L::Add(above_wy[k], L::IfElse0(above, pi));
          above_w[k] = L::Add(above_w[k], L::IfElse0(above, wi));
        }
      }
      const float q = Level(l), p = Level(l - 1);
      for (int k = 0; k < 2; ++k) {
        sx[k] = L::AddMul(sx[k], above_wy[k], L::Set(q - p));
        sq[k] = L::AddMul(sq[k], above_w[k], L::Set(q * q - p * p));
      }
    }
    for (int k = 0; k < 2; ++k) best.Offer(sx[k], sq[k], L::Zero());
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_CODEBOOK_FIT_INL_H_
