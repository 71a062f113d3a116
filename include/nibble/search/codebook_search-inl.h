// SPDX-License-Identifier: MIT
// Quantizer of grid formats: groups of weights from a codebook, sub-block scales
// that are small integers under one scale. The stages of two_level_search, with
// the exact search of the grid in place of nearest levels:
//   1  free fit of every sub-block, as if all levels could combine
//   2  the same search on the sub-block scales, weighted by their curvatures
//   3  neighbouring multipliers, each with the best points and signs
//   4  least-squares refit of the common scale, rounded to what is stored
#if defined(NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
#undef NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
#endif

#include "nibble/search/codebook_fit-inl.h"
#include "nibble/search/codebook_scan-inl.h"
#include "nibble/search/common_scale-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// What the codes and signs of a grid format are made of.
template <class Codes>
struct GridOf {
  static constexpr bool kIsGrid = false;
};
template <int kBits, class G, auto kM>
struct GridOf<formats::Grid8<kBits, G, kM>> {
  static constexpr bool kIsGrid = true;
  using Grid = G;
};
template <class Signs>
inline constexpr bool kHasParity = false;
template <int kShift, auto kM>
inline constexpr bool kHasParity<formats::ParitySigns<kShift, kM>> = true;

template <class F, class L>
class CodebookSearch {
 public:
  using V = typename L::V;
  using I = typename L::I;
  using Grid = typename GridOf<typename F::Codes>::Grid;
  using Book = Codebook<Grid>;
  using Rule = ScaleRule<F, L>;
  static constexpr bool kParity = kHasParity<typename F::Signs>;
  using Fit = CodebookFit<Grid, L, kParity, F::kSub>;
  using Find = CodebookScan<Grid, L, kParity>;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  static constexpr size_t kSubs = F::kBlock / kSub;
  static constexpr size_t kDim = Book::kDim, kGroups = kSub / kDim;
  static_assert(kDim == 8, "signs of 8 weights over two points of 4 need a "
                           "choice over both");

  void Allocate(Arena& arena, size_t cols) {
    const size_t subs = Slice<F, L>::Padded(cols) / kSub;
    scale_ = arena.Take<float>(subs);
    curvature_ = arena.Take<float>(subs);
    multiplier_ = arena.Take<float>(subs);
    sxm_ = arena.Take<float>(subs);
    sqm_ = arena.Take<float>(subs);
    code_ = arena.Take<int32_t>(subs * kGroups);
    sign_ = arena.Take<int32_t>(subs * kGroups);
    common_.Allocate(arena, subs);
    scan_.Allocate(arena);
  }

  // Grids have no gradient rule: kGradient is kDefault.
  void Prepare(Search search) {
    switch (search) {
      case Search::kFast:
        plan_ = {0.6f, 1.1f, 8, 1};
        break;
      case Search::kExhaustive:
        plan_ = {0.5f, 1.2f, 24, 7};
        break;
      default:
        plan_ = {0.5f, 1.1f, 12, 3};
    }
  }

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
  // A multiplier with the points that suit it best.
  struct Choice {
    V error, multiplier;
    I code[kGroups];

    HWY_INLINE void Offer(const Choice& other) {
      const auto better = L::Lt(other.error, error);
      error = L::If(better, other.error, error);
      multiplier = L::If(better, other.multiplier, multiplier);
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
    Choice best = Try(groups, d, nearest);
    V m = nearest;
    for (int k = 1; k < plan_.exact; ++k) {
      m = L::AddMul(m, toward, L::Set(static_cast<float>(k)));
      toward = L::Neg(toward);
      best.Offer(Try(groups, d, Rule::Clamp(m)));
    }
    L::Store(best.multiplier, multiplier_ + b);
    Finish(slice, t, best);
  }

  HWY_INLINE Choice Try(const typename Find::Group* groups, V d, V m) {
    const V a = L::Mul(d, m), inverse = InverseOrZero<L>(a);
    Choice choice;
    choice.multiplier = m;
    V score = L::Zero();
    for (size_t g = 0; g < kGroups; ++g) {
      const auto found = scan_.Find(groups[g], inverse);
      score = L::Add(score, found.score);
      choice.code[g] = found.code;
    }
    choice.error = L::Mul(L::Mul(a, a), score);  // less sum w x^2
    return choice;
  }

  // Codes and signs of the chosen points, and the sums for the refit.
  HWY_INLINE void Finish(const Slice<F, L>& slice, size_t t,
                         const Choice& choice) {
    V sx = L::Zero(), sq = L::Zero();
    for (size_t g = 0; g < kGroups; ++g) {
      const size_t at = g * kDim * L::kLanes;
      const size_t out = (t * kGroups + g) * L::kLanes;
      L::StoreI(choice.code[g], code_ + out);
      FinishGroup(slice.X(t) + at, slice.W(t) + at, choice.code[g],
                  sign_ + out, sx, sq);
    }
    const V m = choice.multiplier;
    L::Store(L::Mul(sx, m), sxm_ + t * L::kLanes);
    L::Store(L::Mul(L::Mul(sq, m), m), sqm_ + t * L::kLanes);
  }

  static HWY_INLINE void FinishGroup(const float* x, const float* w, I code,
                                     int32_t* sign, V& sx, V& sq) {
    const int32_t* words = Book::Get().words();
    const I h1 = L::AndI(code, L::SetI((1 << Book::kHalfBits) - 1));
    I word = L::GatherI(words, h1);
    I mask = L::SetI(0), which = L::SetI(0);
    auto odd = L::False();
    V least = L::Set(1e30f);
    for (size_t k = 0; k < kDim; ++k) {
      if (k == kDim / 2) {
        word = L::GatherI(words, L::template ShrI<Book::kHalfBits>(code));
      }
      const V q = L::ToFloat(L::AndI(word, L::SetI(255)));
      word = L::template ShrI<8>(word);
      const V xk = L::Load(x + k * L::kLanes);
      const V wq = L::Mul(L::Load(w + k * L::kLanes), q);
      const V gain = L::Mul(wq, L::Abs(xk));
      const auto negative = L::Lt(xk, L::Zero());
      const I bit = L::SetI(1 << k);
      mask = L::OrI(mask, L::IfI(negative, bit, L::SetI(0)));
      sx = L::Add(sx, gain);
      sq = L::AddMul(sq, wq, q);
      if constexpr (kParity) {
        odd = L::Xor(odd, negative);
        const auto less = L::Lt(gain, least);
        least = L::If(less, gain, least);
        which = L::IfI(less, bit, which);
      }
    }
    if constexpr (kParity) {  // the sign that costs least turns
      sx = L::Sub(sx, L::IfElse0(odd, L::Add(least, least)));
      mask = L::XorI(mask, L::IfI(odd, which, L::SetI(0)));
    }
    L::StoreI(mask, sign);
  }

  void PackOne(size_t block, uint8_t* blocks) {
    uint8_t scales[kSubs], signs[kSubs * kGroups];
    uint16_t points[kSubs * kGroups];
    for (size_t s = 0; s < kSubs; ++s) {
      const size_t b = block * kSubs + s;
      scales[s] = Rule::Code(multiplier_[b]);
      const size_t tile = b / L::kLanes, lane = b % L::kLanes;
      for (size_t g = 0; g < kGroups; ++g) {
        const size_t at = (tile * kGroups + g) * L::kLanes + lane;
        points[s * kGroups + g] = Book::Get().Point(code_[at]);
        signs[s * kGroups + g] = static_cast<uint8_t>(sign_[at]);
      }
    }
    BlockNumbers n;
    n.d = common_.Half(block);
    n.scales = scales;
    n.points = points;
    n.signs = signs;
    PackGridBlock<F>(n, blocks + block * sizeof(typename F::Block));
  }

  CodebookPlan plan_{};
  float *scale_ = nullptr, *curvature_ = nullptr, *multiplier_ = nullptr;
  float *sxm_ = nullptr, *sqm_ = nullptr;
  int32_t *code_ = nullptr, *sign_ = nullptr;  // [tile][group][lane]
  CommonScale<F, L> common_;
  Find scan_;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_CODEBOOK_SEARCH_INL_H_
