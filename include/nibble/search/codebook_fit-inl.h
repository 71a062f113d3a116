// SPDX-License-Identifier: MIT
// The free fit of a grid format: the scale of a sub-block (and the shifts of
// its levels) as if every combination of levels were on the grid.
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

#include "nibble/search/codebook_plan.h"
#include "nibble/search/codebook_scan-inl.h"
#include "nibble/search/level_fit-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class Signs>
inline constexpr bool kHasParity = false;
template <class Seven>
inline constexpr bool kHasParity<formats::ParitySigns<Seven>> = true;

// What a search needs to know of the groups of a format.
template <class F>
struct GroupsOf {
  using G = formats::GridOf<typename F::Codes>;
  using Grid = typename G::Grid;
  static constexpr size_t kDim = G::kDim;
  static constexpr SignRule kRule =
      !formats::kIsPresent<typename F::Signs> ? SignRule::kInLevels
      : !kHasParity<typename F::Signs>        ? SignRule::kFree
      : kDim == 8                             ? SignRule::kEven
                                              : SignRule::kEvenInTwo;
  static constexpr bool kInLevels = kRule == SignRule::kInLevels;

  // Shifts: per sub-block, per group or none. A shift code of a sub-block has
  // one bit for each.
  static constexpr bool kPerSub = formats::kIsPresent<typename F::ShiftCodes>;
  static constexpr bool kPerGroup = formats::kIsPresent<typename G::Shifts>;
  static constexpr size_t kShifted = kPerGroup ? kDim : F::kSub;  // weights
  static constexpr size_t kShifts =
      kPerSub || kPerGroup ? F::kSub / kShifted : 0;
  static constexpr float ShiftStep() {
    if constexpr (kPerGroup) return G::kShiftStep;
    return F::kShift;
  }
};

template <class F, class L>
struct CodebookFit {
  using V = typename L::V;
  using Groups = GroupsOf<F>;
  static constexpr GridLevels kLevels =
      Codebook<typename Groups::Grid>::kLevels;
  static constexpr int kCount = kLevels.count;
  static constexpr size_t kSub = F::kSub, kSigns = 8;

  V scale;      // of the levels; 0 for a zero block
  V curvature;  // sum w q^2: weight of the scale
  V shifts;     // shift code

  CodebookFit() = default;

  HWY_INLINE void Run(const float* x, const float* w,
                      const CodebookPlan& plan) {
    alignas(64) float magnitudes[kSub * L::kLanes];
    const float* y = x;
    if constexpr (!Groups::kInLevels) {
      for (size_t i = 0; i < kSub * L::kLanes; i += kSigns * L::kLanes) {
        Magnitudes(x + i, w + i, magnitudes + i);
      }
      y = magnitudes;
    }
    V most = L::Zero();
    for (size_t i = 0; i < kSub * L::kLanes; i += L::kLanes) {
      most = L::Max(most, L::Abs(L::Load(y + i)));
    }
    const auto live = L::Ge(most, L::Set(kNegligible));
    const V top =
        L::Div(L::Set(Level(kCount - 1)), L::Max(most, L::Set(kNegligible)));
    ScaleFit<L> best;
    best.Start();
    const float step = (plan.hi - plan.lo) / static_cast<float>(plan.free - 1);
    for (int k = 0; k < plan.free; k += 2) {
      const float at = plan.lo + step * static_cast<float>(k);
      Try(y, w, L::Mul(top, L::Set(at)), L::Mul(top, L::Set(at + step)), best);
    }
    scale = L::IfElse0(live, L::Max(L::Div(best.sx, best.sq), L::Zero()));
    curvature = L::IfElse0(live, best.sq);
    shifts = best.shift;
  }

 private:
  static constexpr float Level(int l) {
    return static_cast<float>(kLevels.value[l] - F::kZero);
  }
  static constexpr float kLow = Level(0), kTop = Level(kCount - 1);
  static constexpr float kStep = Level(1) - Level(0);

  // The nearest level. Many are evenly spaced, but perhaps for the top one.
  static HWY_INLINE V Near(V z) {
    if constexpr (kCount <= 4) {
      V q = L::Set(kLow);
      for (int l = 1; l < kCount; ++l) {
        const auto above = L::Gt(z, L::Set(0.5f * (Level(l - 1) + Level(l))));
        q = L::If(above, L::Set(Level(l)), q);
      }
      return q;
    } else {
      static_assert(Level(kCount - 2) == kLow + kStep * (kCount - 2), "even");
      const V l = L::RoundWithin(
          L::Mul(L::Sub(z, L::Set(kLow)), L::Set(1.0f / kStep)), kCount - 1);
      const V q = L::AddMul(L::Set(kLow), l, L::Set(kStep));
      if constexpr (kTop == kLow + kStep * (kCount - 1)) return q;
      return L::If(L::Gt(q, L::Set(Level(kCount - 2))), L::Set(kTop), q);
    }
  }

  // |x| of eight weights. If their signs have odd parity and may not, the one
  // that costs least to turn turns: its magnitude is negative.
  static HWY_INLINE void Magnitudes(const float* x, const float* w, float* y) {
    auto odd = L::False();
    V least = L::Set(1e30f);
    typename L::I which = L::SetI(0);
    for (size_t i = 0; i < kSigns; ++i) {
      const size_t at = i * L::kLanes;
      const V xi = L::Load(x + at), yi = L::Abs(xi);
      L::Store(yi, y + at);
      if constexpr (kHasParity<typename F::Signs>) {
        odd = L::Xor(odd, L::Lt(xi, L::Zero()));
        const V cost = L::Mul(L::Mul(yi, yi), L::Load(w + at));
        const auto less = L::Lt(cost, least);
        least = L::If(less, cost, least);
        which = L::IfI(less, L::SetI(static_cast<int>(i)), which);
      }
    }
    if constexpr (!kHasParity<typename F::Signs>) return;
    const V index = L::If(odd, L::ToFloat(which), L::Set(-1.0f));
    for (size_t i = 0; i < kSigns; ++i) {
      const size_t at = i * L::kLanes;
      const V yi = L::Load(y + at);
      const auto other = L::Ne(index, L::Set(static_cast<float>(i)));
      L::Store(L::If(other, yi, L::Neg(yi)), y + at);
    }
  }

  struct Sums {
    V sx, sq;  // sum w y q, sum w q^2

    Sums() = default;
    HWY_INLINE void Start() { sx = sq = L::Zero(); }
    HWY_INLINE void Add(V y, V w, V q) {
      const V t = L::Mul(w, q);
      sx = L::AddMul(sx, t, y);
      sq = L::AddMul(sq, t, q);
    }
  };

  // Offers the scales 1 / c[0] and 1 / c[1].
  static HWY_INLINE void Try(const float* HWY_RESTRICT y,
                             const float* HWY_RESTRICT w, V c0, V c1,
                             ScaleFit<L>& best) {
    if constexpr (Groups::kShifts != 0) {
      TryShifts(y, w, c0, best);
      TryShifts(y, w, c1, best);
      return;
    }
    Sums a, b;
    a.Start();
    b.Start();
    for (size_t i = 0; i < kSub * L::kLanes; i += L::kLanes) {
      const V yi = L::Load(y + i), wi = L::Load(w + i);
      a.Add(yi, wi, Near(L::Mul(yi, c0)));
      b.Add(yi, wi, Near(L::Mul(yi, c1)));
    }
    best.Offer(a.sx, a.sq, L::Zero());
    best.Offer(b.sx, b.sq, L::Zero());
  }

  // The same with the better of both shifts wherever there is one.
  static HWY_INLINE void TryShifts(const float* HWY_RESTRICT y,
                                   const float* HWY_RESTRICT w, V c,
                                   ScaleFit<L>& best) {
    const V step = L::Set(Groups::ShiftStep());
    V sx = L::Zero(), sq = L::Zero(), code = L::Zero();
    for (size_t g = 0; g < Groups::kShifts; ++g) {
      Sums a, b;
      a.Start();
      b.Start();
      const size_t first = g * Groups::kShifted * L::kLanes;
      for (size_t i = first; i < first + Groups::kShifted * L::kLanes;
           i += L::kLanes) {
        const V yi = L::Load(y + i), wi = L::Load(w + i);
        const V z = L::Mul(yi, c);
        a.Add(yi, wi, Near(z));
        b.Add(yi, wi, L::Add(Near(L::Sub(z, step)), step));
      }
      // The error at this scale is sq - 2 c sx and the same for both.
      const V twice = L::Add(c, c);
      const auto raised =
          L::Lt(L::SubMul(b.sq, twice, b.sx), L::SubMul(a.sq, twice, a.sx));
      sx = L::Add(sx, L::If(raised, b.sx, a.sx));
      sq = L::Add(sq, L::If(raised, b.sq, a.sq));
      code =
          L::Add(code, L::IfElse0(raised, L::Set(static_cast<float>(1 << g))));
    }
    best.Offer(sx, sq, code);
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_CODEBOOK_FIT_INL_H_
