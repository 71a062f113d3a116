// SPDX-License-Identifier: MIT
// Two ways to improve a free fit: the published gradient rule, and every
// breakpoint of the scale.
#if defined(NIBBLE_SEARCH_REFINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_REFINE_INL_H_
#undef NIBBLE_SEARCH_REFINE_INL_H_
#else
#define NIBBLE_SEARCH_REFINE_INL_H_
#endif

#include "nibble/search/levels-inl.h"
#include "nibble/search/scale_fit-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// y, w, q: [kSize / kLanes][kLanes]; levels are those of Levels plus `shift`.
template <class L, class Levels, size_t kSize>
struct Refine {
  using V = typename L::V;
  using M = typename L::M;

  // Sums of the levels in q.
  static HWY_INLINE void Sums(const float* y, const float* w, const float* q,
                              V& sx, V& sq) {
    sx = sq = L::Zero();
    for (size_t i = 0; i < kSize; i += L::kLanes) {
      const V qi = L::Load(q + i);
      const V t = L::Mul(L::Load(w + i), qi);
      sx = L::AddMul(sx, t, L::Load(y + i));
      sq = L::AddMul(sq, t, qi);
    }
  }

  // The gradient rule (ik_llama.cpp PR 295): from the nearest levels at the
  // fitted scale, repeatedly move the one code that reaches its next level first
  // when walking along the gradient of the score, as long as the score rises.
  // For equally spaced levels that is the code with the largest gradient.
  static HWY_INLINE void Gradient(const float* y, const float* w, V shift,
                                  ScaleFit<L>& best) {
    alignas(64) float q[kSize];
    const V c = L::Div(best.sq, NonZero(best.sx));
    for (size_t i = 0; i < kSize; i += L::kLanes) {
      const V z = L::Sub(L::Mul(L::Load(y + i), c), shift);
      L::Store(L::Add(Levels::Near(z), shift), q + i);
    }
    V sx, sq;
    Sums(y, w, q, sx, sq);
    M going = L::Gt(sq, L::Zero());
    best.sx = L::If(going, sx, best.sx);
    best.sq = L::If(going, sq, best.sq);
    const size_t limit = kSize / L::kLanes * (Levels::kCount - 1);
    for (size_t step = 0; step < limit && !L::AllFalse(going); ++step) {
      going = Move(y, w, shift, going, q, best);
    }
    best.score = L::Div(L::Mul(best.sx, best.sx), NonZero(best.sq));
  }

  // All scales at which some code changes, for one orientation (sign of the
  // inverse scale) and one table line: c grows from kFrom to kTo times the
  // lowest level, and the score is taken between breakpoints (llama.cpp PR
  // 12557). Offers the best to `best` as an inverse scale to fit at.
  static HWY_INLINE V BestBreakpoint(const float* y, const float* w, float sign,
                                     V shift) {
    constexpr float kFrom = 0.45f, kTo = 2.5f;
    const float first = -kFrom * Levels::kMin, last = -kTo * Levels::kMin;
    alignas(64) float q[kSize], next[kSize];
    for (size_t i = 0; i < kSize; i += L::kLanes) {
      const V yi = L::Mul(L::Load(y + i), L::Set(sign));
      const V z = L::Sub(L::Mul(yi, L::Set(first)), shift);
      const V qi = L::Add(Levels::Near(z), shift);
      L::Store(qi, q + i);
      L::Store(NextBreakpoint(yi, qi, shift), next + i);
    }
    V score = L::Set(-1.0f), best_c = L::Set(first);
    V sx, sq;
    Sums(y, w, q, sx, sq);
    sx = L::Mul(sx, L::Set(sign));
    for (;;) {
      V c = L::Set(last);
      for (size_t i = 0; i < kSize; i += L::kLanes) {
        c = L::Min(c, L::Load(next + i));
      }
      if (L::AllFalse(L::Lt(c, L::Set(last)))) break;
      Pass(y, w, sign, shift, c, q, next, sx, sq);
      const V s = L::Div(L::Mul(sx, sx), L::Max(sq, L::Set(1e-30f)));
      const M better = L::Gt(s, score);
      score = L::If(better, s, score);
      // Just past the breakpoint: the codes are those the score was taken with.
      best_c = L::If(better, L::Mul(c, L::Set(1.000001f)), best_c);
    }
    return L::Mul(best_c, L::Set(sign));
  }

 private:
  static HWY_INLINE V NonZero(V v) {
    return L::If(L::Ne(v, L::Zero()), v, L::Set(1.0f));
  }

  static HWY_INLINE M Move(const float* y, const float* w, V shift, M going,
                           float* q, ScaleFit<L>& best) {
    const V d = L::Div(best.sx, NonZero(best.sq));
    V shortest = L::Set(3e38f), at = L::Set(-1.0f);
    V old_q = L::Zero(), new_q = L::Zero(), at_w = L::Zero(), at_y = L::Zero();
    for (size_t i = 0; i < kSize; i += L::kLanes) {
      const V yi = L::Load(y + i), wi = L::Load(w + i), qi = L::Load(q + i);
      const V gradient =
          L::Mul(L::Mul(d, wi), L::Sub(yi, L::Mul(d, qi)));
      const M up = L::Gt(gradient, L::Zero());
      const V to = L::Add(Levels::Step(L::Sub(qi, shift), up), shift);
      const V way = L::Div(L::Abs(L::Sub(to, qi)),
                           L::Max(L::Abs(gradient), L::Set(1e-37f)));
      const M can = L::And(L::Ne(to, qi), L::Ne(gradient, L::Zero()));
      const M first = L::And(can, L::Lt(way, shortest));
      shortest = L::If(first, way, shortest);
      at = L::If(first, L::Set(static_cast<float>(i)), at);
      old_q = L::If(first, qi, old_q);
      new_q = L::If(first, to, new_q);
      at_w = L::If(first, wi, at_w);
      at_y = L::If(first, yi, at_y);
    }
    const V delta = L::Sub(new_q, old_q);
    const V sx = L::AddMul(best.sx, L::Mul(at_w, at_y), delta);
    const V sq = L::AddMul(best.sq, at_w,
                           L::Mul(delta, L::Add(new_q, old_q)));
    const M found = L::And(L::Ge(at, L::Zero()), L::Gt(sq, L::Zero()));
    const M rises = L::Gt(L::Mul(L::Mul(sx, sx), best.sq),
                          L::Mul(L::Mul(best.sx, best.sx), sq));
    const M accept = L::And(going, L::And(found, rises));
    best.sx = L::If(accept, sx, best.sx);
    best.sq = L::If(accept, sq, best.sq);
    for (size_t i = 0; i < kSize; i += L::kLanes) {
      const M here =
          L::And(accept, L::Not(L::Ne(at, L::Set(static_cast<float>(i)))));
      L::Store(L::If(here, new_q, L::Load(q + i)), q + i);
    }
    return accept;
  }

  // The c > 0 at which c * y leaves level q; huge if it never does.
  static HWY_INLINE V NextBreakpoint(V y, V q, V shift) {
    const M up = L::Gt(y, L::Zero());
    const V to = L::Add(Levels::Step(L::Sub(q, shift), up), shift);
    const V mid = L::Mul(L::Add(q, to), L::Set(0.5f));
    const M ever = L::And(L::Ne(to, q),
                          L::Gt(L::Abs(y), L::Set(1e-6f)));
    const V c = L::Div(mid, L::If(ever, y, L::Set(1.0f)));
    return L::If(ever, c, L::Set(3e38f));
  }

  // Moves every code whose breakpoint is c.
  static HWY_INLINE void Pass(const float* y, const float* w, float sign,
                              V shift, V c, float* q, float* next, V& sx,
                              V& sq) {
    for (size_t i = 0; i < kSize; i += L::kLanes) {
      const V b = L::Load(next + i);
      const M here = L::Not(L::Gt(b, c));
      if (L::AllFalse(here)) continue;
      const V yi = L::Mul(L::Load(y + i), L::Set(sign));
      const V qi = L::Load(q + i), wi = L::Load(w + i);
      const M up = L::Gt(yi, L::Zero());
      const V to = L::Add(Levels::Step(L::Sub(qi, shift), up), shift);
      const V delta = L::IfElse0(here, L::Sub(to, qi));
      sx = L::AddMul(sx, L::Mul(wi, yi), delta);
      sq = L::AddMul(sq, wi, L::Mul(delta, L::Add(to, qi)));
      const V moved = L::If(here, to, qi);
      L::Store(moved, q + i);
      L::Store(L::If(here, NextBreakpoint(yi, moved, shift), b), next + i);
    }
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_REFINE_INL_H_
