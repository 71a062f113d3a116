// SPDX-License-Identifier: MIT
// Quantizer of grid formats: groups of weights from a codebook, sub-block
// scales that are small integers under one scale. The stages of
// two_level_search, with the exact search of the grid in place of nearest
// levels:
//   1  free fit of every sub-block, as if all levels could combine
//   2  the same search on the sub-block scales, weighted by their curvatures
//   3  neighbouring multipliers, each with the best points and signs
//   4  least-squares refit of the common scale, rounded to what is stored
#if defined(NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
#undef NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
#endif

#include "nibble/search/codebook_fit-inl.h"
#include "nibble/search/codebook_plan.h"
#include "nibble/search/codebook_scan-inl.h"
#include "nibble/search/common_scale-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L>
class CodebookSearch {
 public:
  using V = typename L::V;
  using I = typename L::I;
  using Groups = GroupsOf<F>;
  using Book = Codebook<typename Groups::Grid>;
  using Rule = ScaleRule<F, L>;
  using Fit = CodebookFit<F, L>;
  using Find = CodebookScan<typename Groups::Grid, L, Groups::kRule, F::kZero>;
  static constexpr bool kInLevels = Groups::kInLevels;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  static constexpr size_t kSubs = F::kBlock / kSub;
  static constexpr size_t kDim = Groups::kDim, kGroups = kSub / kDim;
  static constexpr size_t kEights = kSub / 8;  // signs go in bytes

  void Allocate(Arena& arena, size_t cols) {
    const size_t subs = Slice<F, L>::Padded(cols) / kSub;
    scale_ = arena.Take<float>(subs);
    curvature_ = arena.Take<float>(subs);
    shifts_ = arena.Take<float>(subs);
    multiplier_ = arena.Take<float>(subs);
    sxm_ = arena.Take<float>(subs);
    sqm_ = arena.Take<float>(subs);
    code_ = arena.Take<int32_t>(subs * kGroups);
    sign_ = arena.Take<int32_t>(subs * kEights);
    common_.Allocate(arena, subs);
    scan_.Allocate(arena);
  }

  void Prepare(Search search) {
    plan_ = CodebookPlanFor(search, Book::kLevels.count, kInLevels);
  }

  // A second pass of stage 3 from the scales of the chosen points is not worth
  // its time: IQ2_XXS 0.2939 -> 0.2936, IQ3_XXS 0.1478 -> 0.1474.
  bool Run(const Slice<F, L>& slice, uint8_t* row, uint8_t* blocks,
           size_t* col) {
    for (size_t t = 0; t < slice.tiles; ++t) FitTile(slice, t);
    common_.Fit(slice, scale_, curvature_);
    for (size_t t = 0; t < slice.tiles; ++t) ChooseCodes(slice, t);
    common_.Refit(slice, sxm_, sqm_);
    const size_t bad = common_.RoundAndStore(slice, row);
    if (bad != slice.subs) {
      *col = bad * kSub;
      return false;
    }
    for (size_t b = 0; b < slice.subs / kSubs; ++b) PackOne(b, blocks);
    return true;
  }

 private:
  // A multiplier with the points (and shifts) that suit it best.
  struct Choice {
    V error, multiplier, shifts;
    I code[kGroups];

    Choice() = default;

    HWY_INLINE void Offer(const Choice& other) {
      const auto better = L::Lt(other.error, error);
      error = L::If(better, other.error, error);
      multiplier = L::If(better, other.multiplier, multiplier);
      shifts = L::If(better, other.shifts, shifts);
      for (size_t g = 0; g < kGroups; ++g) {
        code[g] = L::IfI(better, other.code[g], code[g]);
      }
    }
  };

  void FitTile(const Slice<F, L>& slice, size_t t) {
    Fit fit;
    fit.Run(slice.X(t), slice.W(t), plan_);
    L::Store(fit.scale, scale_ + t * L::kLanes);
    L::Store(fit.curvature, curvature_ + t * L::kLanes);
    L::Store(fit.shifts, shifts_ + t * L::kLanes);
  }

  // What a shift code says about group g: how much its levels are raised.
  static HWY_INLINE V ShiftOf(V shifts, size_t g) {
    if constexpr (Groups::kShifts <= 1) {
      return L::Mul(shifts, L::Set(Groups::ShiftStep()));
    } else {
      const int bit = 1 << (g * kDim / Groups::kShifted);
      const V set = L::ToFloat(L::AndI(L::ToInt(shifts), L::SetI(bit)));
      return L::Mul(set, L::Set(Groups::ShiftStep() / static_cast<float>(bit)));
    }
  }

  void ChooseCodes(const Slice<F, L>& slice, size_t t) {
    const size_t b = t * L::kLanes;
    alignas(64) float y[kTile];
    typename Find::Group groups[kGroups];
    for (size_t g = 0; g < kGroups; ++g) {
      const size_t at = g * kDim * L::kLanes;
      groups[g].Load(slice.X(t) + at, slice.W(t) + at, y + at);
    }
    const V d = common_.At(t);
    const V ideal = L::Mul(L::Load(scale_ + b), InverseOrZero<L>(d));
    const V nearest = Rule::Near(ideal);
    // The nearest, the next nearest (beyond the remainder), and so on.
    const V step = L::Set(Rule::kStep);
    V toward = L::If(L::Ge(ideal, nearest), step, L::Neg(step));
    Choice best = TryAll(groups, d, nearest, L::Load(shifts_ + b));
    V m = nearest;
    for (int k = 1; k < plan_.exact; ++k) {
      m = L::AddMul(m, toward, L::Set(static_cast<float>(k)));
      toward = L::Neg(toward);
      best.Offer(TryAll(groups, d, Rule::Clamp(m), L::Load(shifts_ + b)));
    }
    L::Store(best.multiplier, multiplier_ + b);
    L::Store(best.shifts, shifts_ + b);
    Finish(slice, t, best);
  }

  // The best points at multiplier m with the given shifts, or with any.
  HWY_INLINE Choice TryAll(typename Find::Group* groups, V d, V m, V shifts) {
    Choice best = Try(groups, d, m, shifts);
    if constexpr (Groups::kShifts != 0) {
      for (int code = 0; plan_.all_shifts && code < 1 << Groups::kShifts;
           ++code) {
        best.Offer(Try(groups, d, m, L::Set(static_cast<float>(code))));
      }
    }
    return best;
  }

  HWY_INLINE Choice Try(typename Find::Group* groups, V d, V m, V shifts) {
    const V a = L::Mul(d, m), inverse = InverseOrZero<L>(a);
    for (size_t g = 0; g < kGroups; ++g) {
      if constexpr (kInLevels) groups[g].shift = ShiftOf(shifts, g);
    }
    typename Find::Found found[kGroups];
    scan_.template FindAll<kGroups>(groups, inverse, found);
    Choice choice;
    choice.multiplier = m;
    choice.shifts = shifts;
    V score = L::Zero();
    for (size_t g = 0; g < kGroups; ++g) {
      score = L::Add(score, found[g].score);
      choice.code[g] = found[g].code;
    }
    choice.error = L::Mul(L::Mul(a, a), score);  // less sum w x^2
    return choice;
  }

  // Codes and signs of the chosen points, and the sums for the refit.
  HWY_INLINE void Finish(const Slice<F, L>& slice, size_t t,
                         const Choice& choice) {
    V sx = L::Zero(), sq = L::Zero();
    for (size_t g = 0; g < kGroups; ++g) {
      L::StoreI(choice.code[g], code_ + (t * kGroups + g) * L::kLanes);
    }
    for (size_t e = 0; e < kEights; ++e) {
      const size_t at = e * 8 * L::kLanes;
      FinishEight(slice.X(t) + at, slice.W(t) + at, choice.code + e * 8 / kDim,
                  ShiftOf(choice.shifts, e),
                  sign_ + (t * kEights + e) * L::kLanes, sx, sq);
    }
    const V m = choice.multiplier;
    L::Store(L::Mul(sx, m), sxm_ + t * L::kLanes);
    L::Store(L::Mul(L::Mul(sq, m), m), sqm_ + t * L::kLanes);
  }

  // Eight weights: one point of eight, or two of four.
  static HWY_INLINE void FinishEight(const float* x, const float* w,
                                     const I* code, V shift, int32_t* sign,
                                     V& sx, V& sq) {
    const int32_t* words = Book::Get().words();
    const V offset = L::Sub(shift, L::Set(static_cast<float>(F::kZero)));
    I word = L::SetI(0), mask = L::SetI(0), which = L::SetI(0);
    auto odd = L::False();
    V least = L::Set(1e30f);
    for (size_t k = 0; k < 8; ++k) {
      const I points = code[k / kDim];
      if (k % kDim == 0) {
        word = L::GatherI(words,
                          L::AndI(points, L::SetI((1 << Book::kHalfBits) - 1)));
      } else if (k % (kDim / 2) == 0) {
        word = L::GatherI(words, L::template ShrI<Book::kHalfBits>(points));
      }
      V q = L::ToFloat(L::AndI(word, L::SetI(255)));
      word = L::template ShrI<8>(word);
      const V xk = L::Load(x + k * L::kLanes);
      const V wk = L::Load(w + k * L::kLanes);
      if constexpr (kInLevels) {
        q = L::Add(q, offset);
        const V wq = L::Mul(wk, q);
        sx = L::AddMul(sx, wq, xk);
        sq = L::AddMul(sq, wq, q);
      } else {
        const V wq = L::Mul(wk, q), gain = L::Mul(wq, L::Abs(xk));
        const auto negative = L::Lt(xk, L::Zero());
        const I bit = L::SetI(1 << k);
        mask = L::OrI(mask, L::IfI(negative, bit, L::SetI(0)));
        sx = L::Add(sx, gain);
        sq = L::AddMul(sq, wq, q);
        odd = L::Xor(odd, negative);
        const auto less = L::Lt(gain, least);
        least = L::If(less, gain, least);
        which = L::IfI(less, bit, which);
      }
    }
    if constexpr (Find::kFlips) {  // the sign that costs least turns
      sx = L::Sub(sx, L::IfElse0(odd, L::Add(least, least)));
      mask = L::XorI(mask, L::IfI(odd, which, L::SetI(0)));
    }
    L::StoreI(mask, sign);
  }

  void PackOne(size_t block, uint8_t* blocks) {
    uint8_t scales[kSubs], signs[kSubs * kEights], shifts[kSubs * kGroups];
    uint16_t points[kSubs * kGroups];
    for (size_t s = 0; s < kSubs; ++s) {
      const size_t b = block * kSubs + s;
      scales[s] = Rule::Code(multiplier_[b]);
      const size_t tile = b / L::kLanes, lane = b % L::kLanes;
      for (size_t g = 0; g < kGroups; ++g) {
        const size_t at = (tile * kGroups + g) * L::kLanes + lane;
        points[s * kGroups + g] = Book::Get().Point(code_[at]);
      }
      for (size_t e = 0; e < kEights; ++e) {
        const size_t at = (tile * kEights + e) * L::kLanes + lane;
        signs[s * kEights + e] = static_cast<uint8_t>(sign_[at]);
      }
      const int bits = static_cast<int>(shifts_[b]);
      for (size_t g = 0; g < Groups::kShifts; ++g) {
        shifts[s * Groups::kShifts + g] = static_cast<uint8_t>(bits >> g & 1);
      }
    }
    BlockNumbers n;
    n.d = common_.Half(block);
    n.scales = scales;
    n.points = points;
    n.signs = signs;
    n.shifts = shifts;
    PackGridBlock<F>(n, blocks + block * sizeof(typename F::Block));
  }

  CodebookPlan plan_{};
  float *scale_ = nullptr, *curvature_ = nullptr, *multiplier_ = nullptr;
  float* shifts_ = nullptr;  // shift codes
  float *sxm_ = nullptr, *sqm_ = nullptr;
  int32_t* code_ = nullptr;  // [tile][group][lane]
  int32_t* sign_ = nullptr;  // [tile][eight][lane]
  CommonScale<F, L> common_;
  Find scan_;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
