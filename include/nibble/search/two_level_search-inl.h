// SPDX-License-Identifier: MIT
// Quantizer of formats whose sub-block scales are small integers under one scale
// per 256 weights or per row. Five stages:
//   1  free fit of every sub-block
//   2  the same search on the sub-block scales, weighted by their curvatures
//   3  neighbours of the rounded multiplier, by exact error
//   4  least-squares refit of the common scale, rounded to what is stored
//   5  final codes at that scale
#if defined(NIBBLE_SEARCH_TWO_LEVEL_SEARCH_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_TWO_LEVEL_SEARCH_INL_H_
#undef NIBBLE_SEARCH_TWO_LEVEL_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_TWO_LEVEL_SEARCH_INL_H_
#endif

#include "nibble/search/common_scale-inl.h"
#include "nibble/search/half_scale.h"
#include "nibble/search/level_fit-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L>
class TwoLevelSearch {
 public:
  using V = typename L::V;
  using Fit = LevelFit<F, L>;
  using Levels = typename Fit::Levels;
  using Rule = ScaleRule<F, L>;
  using Common = CommonScale<F, L>;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  static constexpr size_t kSubs = F::kBlock / kSub;

  void Allocate(Arena& arena, size_t cols) {
    const size_t subs = Slice<F, L>::Padded(cols) / kSub;
    scale_ = arena.Take<float>(subs);
    curvature_ = arena.Take<float>(subs);
    shift_ = arena.Take<float>(subs);
    multiplier_ = arena.Take<float>(subs);
    sxm_ = arena.Take<float>(subs);
    sqm_ = arena.Take<float>(subs);
    common_.Allocate(arena, subs);
  }
  void Prepare(Search search) {
    plan_ = PlanFor(search, Levels::kCount,
                    formats::IsSigned<typename F::Codes>::value);
  }

  bool Run(const Slice<F, L>& slice, uint8_t* row, uint8_t* blocks,
           size_t* col) {
    for (size_t t = 0; t < slice.tiles; ++t) FitTile(slice, t);
    common_.Fit(slice, scale_, curvature_);
    for (size_t t = 0; t < slice.tiles; ++t) ChooseMultipliers(slice, t);
    common_.Refit(slice, sxm_, sqm_);
    const size_t bad = common_.RoundAndStore(slice, row);
    if (bad != slice.subs) {
      *col = bad * kSub;
      return false;
    }
    for (size_t t = 0; t < slice.tiles; ++t) PackTile(slice, t, blocks);
    return true;
  }

 private:
  void FitTile(const Slice<F, L>& slice, size_t t) {
    Fit fit;
    fit.Run(slice.X(t), slice.W(t), plan_);
    L::Store(fit.scale, scale_ + t * L::kLanes);
    L::Store(fit.shift, shift_ + t * L::kLanes);
    L::Store(fit.curvature, curvature_ + t * L::kLanes);
  }

  void ChooseMultipliers(const Slice<F, L>& slice, size_t t) {
    const size_t b = t * L::kLanes;
    const V d = common_.At(t);
    const V line = L::Load(shift_ + b);
    const V m0 = Rule::Near(L::Mul(L::Load(scale_ + b), InverseOrZero<L>(d)));
    V best = L::Set(1e30f), best_m = m0, best_line = line;
    V best_sx = L::Zero(), best_sq = L::Zero();
    for (int k = -plan_.radius; k <= plan_.radius; ++k) {
      const V m = Rule::Clamp(
          L::Add(m0, L::Set(Rule::kStep * static_cast<float>(k))));
      const V a = L::Mul(d, m), inverse = InverseOrZero<L>(a);
      for (int other = 0; other < (plan_.lines ? Fit::kShifts : 1); ++other) {
        const V g = other != 0 ? L::Sub(L::Set(1.0f), line) : line;
        V sx, sq;
        Fit::Sums(slice.X(t), slice.W(t), inverse,
                  L::Mul(g, L::Set(static_cast<float>(F::kShift))), sx, sq);
        // error - sum w x^2 = a^2 sq - 2 a sx
        const V error = L::Mul(a, L::Sub(L::Mul(a, sq), L::Add(sx, sx)));
        const auto better = L::Lt(error, best);
        best = L::If(better, error, best);
        best_m = L::If(better, m, best_m);
        best_line = L::If(better, g, best_line);
        best_sx = L::If(better, sx, best_sx);
        best_sq = L::If(better, sq, best_sq);
      }
    }
    L::Store(best_m, multiplier_ + b);
    L::Store(best_line, shift_ + b);
    L::Store(L::Mul(best_sx, best_m), sxm_ + b);
    L::Store(L::Mul(L::Mul(best_sq, best_m), best_m), sqm_ + b);
  }

  void PackTile(const Slice<F, L>& slice, size_t t, uint8_t* blocks) {
    const size_t b = t * L::kLanes;
    const V inverse = InverseOrZero<L>(
        L::Mul(common_.At(t), L::Load(multiplier_ + b)));
    const V shift = L::Mul(L::Load(shift_ + b),
                           L::Set(static_cast<float>(F::kShift)));
    alignas(64) int32_t codes[kTile];
    Fit::Encode(slice.X(t), slice.W(t), inverse, shift, codes);
    codes_.Add(t, codes, slice.subs,
               [&](size_t block, const uint8_t* bytes) HWY_ATTR {
                 PackOne(block, bytes, blocks);
               });
  }

  void PackOne(size_t block, const uint8_t* codes, uint8_t* blocks) {
    uint8_t scales[kSubs], shifts[kSubs];
    for (size_t s = 0; s < kSubs; ++s) {
      scales[s] = Rule::Code(multiplier_[block * kSubs + s]);
      shifts[s] = shift_[block * kSubs + s] != 0.0f;
    }
    BlockNumbers n;
    n.d = common_.Half(block);
    n.codes = codes;
    n.scales = scales;
    n.shifts = shifts;
    PackBlock<F>(n, blocks + block * sizeof(typename F::Block));
  }

  LevelPlan plan_{};
  float *scale_ = nullptr, *curvature_ = nullptr, *shift_ = nullptr;
  float *multiplier_ = nullptr, *sxm_ = nullptr, *sqm_ = nullptr;
  Common common_;
  BlockCodes<F, L> codes_;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_TWO_LEVEL_SEARCH_INL_H_
