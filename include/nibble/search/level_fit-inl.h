// SPDX-License-Identifier: MIT
// The free fit: for each sub-block the scale that, with the nearest levels,
// minimises the weighted error. One sub-block per lane.
#if defined(NIBBLE_SEARCH_LEVEL_FIT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_LEVEL_FIT_INL_H_
#undef NIBBLE_SEARCH_LEVEL_FIT_INL_H_
#else
#define NIBBLE_SEARCH_LEVEL_FIT_INL_H_
#endif

#include <cmath>

#include "nibble/search/joint_codes-inl.h"
#include "nibble/search/levels-inl.h"
#include "nibble/search/plan.h"
#include "nibble/search/refine-inl.h"
#include "nibble/search/scale_fit-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Blocks whose largest magnitude is below this share of the unit count as zero:
// an fp16 scale beside the unit could not hold theirs.
inline constexpr float kNegligible = 8.6736174e-19f;  // 2^-60

template <class F, class L>
struct LevelFit {
  using V = typename L::V;
  using Levels = typename LevelsOf<L, F, typename F::Codes>::type;
  using Joint = JointCodes<F, L>;
  static constexpr size_t kSub = F::kSub;
  static constexpr int kShifts =
      formats::kIsPresent<typename F::ShiftCodes> ? 2 : 1;

  V scale;      // in units of x; 0 for a zero block
  V shift;      // 0 or 1: which line of a shifted table
  V curvature;  // d2(error) / d(scale)2 / 2 = sum w q^2: weight of the scale

  LevelFit() = default;

  // x, w: [kSub][kLanes].
  HWY_INLINE void Run(const float* x, const float* w, const LevelPlan& plan) {
    const V extreme = Extreme(x);
    if (plan.IsRounding()) {
      scale = L::Mul(L::Abs(extreme), L::Set(1.0f / Levels::kMax));
      shift = curvature = L::Zero();
      return;
    }
    const auto live = L::Ge(L::Abs(extreme), L::Set(kNegligible));
    const V inverse = L::IfElse0(live, InverseOrZero<L>(extreme));
    alignas(64) float y[kSub * L::kLanes];
    for (size_t i = 0; i < kSub * L::kLanes; i += L::kLanes) {
      L::Store(L::Mul(L::Load(x + i), inverse), y + i);
    }
    ScaleFit<L> best;
    best.Start();
    Scan(y, w, plan, best);
    scale = L::IfElse0(live, L::Mul(extreme, L::Div(best.sx, best.sq)));
    // Symmetric levels fit either sign: positive is the convention.
    if constexpr (Levels::kMin == -Levels::kMax) scale = L::Abs(scale);
    shift = L::IfElse0(live, best.shift);
    curvature = L::IfElse0(live, best.sq);
  }

  // The element of largest magnitude, with its sign; the positive one on ties.
  static HWY_INLINE V Extreme(const float* x) {
    V most = L::Load(x), least = most;
    for (size_t i = L::kLanes; i < kSub * L::kLanes; i += L::kLanes) {
      const V v = L::Load(x + i);
      most = L::Max(most, v);
      least = L::Min(least, v);
    }
    return L::If(L::Ge(most, L::Neg(least)), most, least);
  }

  // Offers `best` the fits at kN inverse scales c, with table line `line`.
  template <int kN, bool kInside>
  static HWY_INLINE void Try(const float* HWY_RESTRICT y,
                             const float* HWY_RESTRICT w, const V* c, int line,
                             ScaleFit<L>& best) {
    V sx[kN], sq[kN];
    const V shift = L::Set(static_cast<float>(line * F::kShift));
    if constexpr (Joint::kJoint) {
      for (int k = 0; k < kN; ++k) {
        Joint::Sums(y, w, c[k], shift, sx[k], sq[k]);
      }
    } else {
      NearestSums<kN, kInside>(y, w, c, shift, sx, sq);
    }
    for (int k = 0; k < kN; ++k) {
      best.Offer(sx[k], sq[k], L::Set(static_cast<float>(line)));
    }
  }

  // sum w x q and sum w q^2 with the best levels q of x * inverse.
  static HWY_INLINE void Sums(const float* x, const float* w, V inverse,
                              V shift, V& sx, V& sq) {
    if constexpr (Joint::kJoint) {
      Joint::Sums(x, w, inverse, shift, sx, sq);
    } else {
      NearestSums<1, false>(x, w, &inverse, shift, &sx, &sq);
    }
  }
  // The codes of those levels, [kSub][kLanes].
  static HWY_INLINE void Encode(const float* x, const float* w, V inverse,
                                V shift, int32_t* codes) {
    if constexpr (Joint::kJoint) {
      Joint::Encode(x, w, inverse, shift, codes);
    } else {
      for (size_t i = 0; i < kSub * L::kLanes; i += L::kLanes) {
        V z = L::Mul(L::Load(x + i), inverse);
        if constexpr (kShifts == 2) z = L::Sub(z, shift);
        L::StoreI(Levels::Code(z), codes + i);
      }
    }
  }

  // Level nearest to z on the table line that is `shift` higher.
  template <bool kInside>
  static HWY_INLINE V Nearest(V z, V shift) {
    if constexpr (kShifts == 2) z = L::Sub(z, shift);
    V q;
    if constexpr (kInside) {
      q = Levels::NearInside(z);
    } else {
      q = Levels::Near(z);
    }
    return kShifts == 2 ? L::Add(q, shift) : q;
  }

 private:
  // Sums at kN inverse scales c.
  template <int kN, bool kInside>
  static HWY_INLINE void NearestSums(const float* HWY_RESTRICT y,
                                     const float* HWY_RESTRICT w, const V* c,
                                     V shift, V* sx, V* sq) {
    for (int k = 0; k < kN; ++k) sx[k] = sq[k] = L::Zero();
    for (size_t i = 0; i < kSub * L::kLanes; i += L::kLanes) {
      const V yi = L::Load(y + i), wi = L::Load(w + i);
      HWY_UNROLL(4)
      for (int k = 0; k < kN; ++k) {
        const V q = Nearest<kInside>(L::Mul(yi, c[k]), shift);
        const V t = L::Mul(wi, q);
        sx[k] = L::AddMul(sx[k], t, yi);
        sq[k] = L::AddMul(sq[k], t, q);
      }
    }
  }

  // Candidates share their loads; more than this many would spill.
  using Refiner = Refine<L, Levels, kSub * L::kLanes>;
  static constexpr bool kTable =
      formats::TableOf<typename F::Codes>::kSize != 0;
  static constexpr int kAtOnce =
      Levels::kCount == 2 ? 1 : kTable && Levels::kCount > 4 ? 2 : 4;

  static HWY_INLINE void Scan(const float* y, const float* w,
                              const LevelPlan& plan, ScaleFit<L>& best) {
    Side(y, w, Levels::kMin, plan.around_min, plan, plan.lo, best);
    Side(y, w, Levels::kMax, plan.around_max, plan, plan.lo + plan.high, best);
    for (int i = 0; i < plan.refits; ++i) {
      const V c = L::Div(best.sq, L::If(L::Ne(best.sx, L::Zero()), best.sx,
                                        L::Set(1.0f)));
      for (int line = 0; line < kShifts; ++line) {
        Try<1, false>(y, w, &c, line, best);
      }
    }
    if (plan.method == LevelPlan::kBreakpoints) {
      TryBreakpoints(y, w, best);
    } else if (plan.method == LevelPlan::kGradient && !Joint::kJoint) {
      Refiner::Gradient(
          y, w, L::Mul(best.shift, L::Set(static_cast<float>(F::kShift))),
          best);
    }
  }

  static HWY_INLINE void TryBreakpoints(const float* y, const float* w,
                                        ScaleFit<L>& best) {
    for (int line = 0; line < kShifts; ++line) {
      const V shift = L::Set(static_cast<float>(line * F::kShift));
      for (const float sign : {-1.0f, 1.0f}) {
        const V c = Refiner::BestBreakpoint(y, w, sign, shift);
        Try<1, false>(y, w, &c, line, best);
      }
    }
  }

  // `count` inverse scales that map the extreme to `target` times 1 + lo ..
  // 1 + lo + the plan's width.
  static HWY_INLINE void Side(const float* y, const float* w, float target,
                              int count, const LevelPlan& plan, float lo,
                              ScaleFit<L>& best) {
    const float step =
        count > 1 ? (plan.hi - plan.lo) / static_cast<float>(count - 1) : 0.0f;
    for (int k = 0; k < count; k += kAtOnce) {
      V c[kAtOnce];
      float largest = 0.0f;
      for (int j = 0; j < kAtOnce; ++j) {
        const int i = k + j < count ? k + j : count - 1;
        const float relative =
            1.0f + (lo + step * static_cast<float>(i));
        c[j] = L::Set(target * relative);
        largest = largest < relative ? relative : largest;
      }
      // |z| is largest at the extreme; linear levels are always clamped above.
      const float reach = largest * std::abs(target);
      const bool below = target == Levels::kMin || kTable;
      for (int line = 0; line < kShifts; ++line) {
        if (below && reach <= Levels::kReach) {
          Try<kAtOnce, true>(y, w, c, line, best);
        } else {
          Try<kAtOnce, false>(y, w, c, line, best);
        }
      }
    }
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_LEVEL_FIT_INL_H_
