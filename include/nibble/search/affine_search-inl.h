// SPDX-License-Identifier: MIT
// Quantizer of super-block formats with integer scales and mins:
//   x = d * scale[s] * q - dmin * min[s].
// The five stages of two_level_search-inl.h with a line in place of a scale:
//   1  free line for every sub-block
//   2  d for its scales, then dmin for the mins that go with the rounded scales
//   3  neighbours of the rounded scale, each with its own min, by exact error
//   4  least-squares refit of d and dmin together, rounded to fp16
//   5  final codes at those
#if defined(NIBBLE_SEARCH_AFFINE_SEARCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_AFFINE_SEARCH_INL_H_
#undef NIBBLE_SEARCH_AFFINE_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_AFFINE_SEARCH_INL_H_
#endif

#include "nibble/search/affine_fit-inl.h"
#include "nibble/search/affine_scales-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L>
class AffineSearch {
 public:
  using V = typename L::V;
  using Fit = AffineFit<L, F::kSub, F::kMaxCode, Offset::kNotPositive>;
  using Scales = AffineScales<F, L>;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  static constexpr size_t kSubs = F::kBlock / kSub;
  static_assert(F::kZero == 0 && F::kFactor == 1.0f && F::kRowHeader == 0 &&
                    F::kScaleStep == 1 && F::kScaleBase == 0 &&
                    F::kMinFactor == 1.0f,
                "scales and mins are plain integers under fp16 units");

  void Allocate(Arena& arena, size_t cols) {
    const size_t subs = Slice<F, L>::Padded(cols) / kSub;
    for (float** p : {&scale_, &curvature_, &weight_, &mean_code_, &mean_,
                      &min_, &scale_code_, &min_code_, &sums_.dd, &sums_.dm, &sums_.mm, &sums_.rd,
                      &sums_.rm}) {
      *p = arena.Take<float>(subs);
    }
    scales_.Allocate(arena, subs);
  }
  void Prepare(Search search) {
    plan_ = AffinePlanFor(search, F::kMaxCode);
    candidates_ = typename Fit::Candidates(plan_);
  }

  // False if d or dmin is beyond fp16; `col` is then the block's first column.
  bool Run(const Slice<F, L>& slice, uint8_t* /*row*/, uint8_t* blocks,
           size_t* col) {
    for (size_t t = 0; t < slice.tiles; ++t) FitTile(slice, t);
    scales_.FitScale(slice.subs, scale_, curvature_);
    for (size_t t = 0; t < slice.tiles; ++t) FollowScale(t);
    scales_.FitMin(slice.subs, min_, weight_);
    for (int pass = 0; pass < plan_.passes; ++pass) {
      for (size_t t = 0; t < slice.tiles; ++t) ChooseIntegers(slice, t);
      scales_.Refit(slice.subs, sums_);
    }
    const size_t bad = scales_.RoundAndStore(slice);
    if (bad != slice.subs) {
      *col = bad * kSub;
      return false;
    }
    if (scales_.coarse()) {
      for (size_t t = 0; t < slice.tiles; ++t) ChooseIntegers(slice, t);
    }
    for (size_t t = 0; t < slice.tiles; ++t) PackTile(slice, t, blocks);
    return true;
  }

 private:
  HWY_NOINLINE void FitTile(const Slice<F, L>& slice, size_t t) {
    const size_t b = t * L::kLanes;
    Fit fit;
    fit.Run(slice.X(t), slice.W(t), plan_, candidates_);
    L::Store(fit.scale, scale_ + b);
    L::Store(fit.curvature(), curvature_ + b);
    L::Store(fit.weight(), weight_ + b);
    L::Store(fit.mean_code(), mean_code_ + b);
    L::Store(fit.mean(), mean_ + b);
  }

  static HWY_INLINE V Within(V v, int top) {
    return L::Max(L::Min(v, L::Set(static_cast<float>(top))), L::Zero());
  }
  // The best min beside a given scale: the line goes through the means.
  HWY_INLINE V MinFor(V scale, size_t b) const {
    return L::Max(L::Sub(L::Mul(scale, L::Load(mean_code_ + b)),
                         L::Load(mean_ + b)),
                  L::Zero());
  }

  void FollowScale(size_t t) {
    const size_t b = t * L::kLanes;
    const V d = scales_.D(t);
    const V m = L::Round(
        Within(L::Mul(L::Load(scale_ + b), InverseOrZero<L>(d)),
               Scales::kTopScale));
    L::Store(MinFor(L::Mul(d, m), b), min_ + b);
  }

  static HWY_INLINE V Code(V above, V inverse) {
    return L::RoundWithin(L::Mul(above, inverse), F::kMaxCode);
  }

  // Integers of one sub-block, and their error sum w (x - y)^2.
  struct Choice {
    V error, scale, min;

    HWY_INLINE void Offer(const Choice& other) {
      const auto better = L::Lt(other.error, error);
      error = L::If(better, other.error, error);
      scale = L::If(better, other.scale, scale);
      min = L::If(better, other.min, min);
    }
  };

  // The error at the nearest codes; then the best min for these codes.
  HWY_NOINLINE Choice Evaluate(const Slice<F, L>& slice, size_t t, V scale,
                             V min) const {
    const float *x = slice.X(t), *w = slice.W(t);
    const V a = L::Mul(scales_.D(t), scale), dmin = scales_.Dmin(t);
    const V m = L::Mul(dmin, min), inverse = InverseOrZero<L>(a);
    V error = L::Zero(), sr = L::Zero();
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V above = L::Add(L::Load(x + i), m);
      const V r = L::SubMul(above, a, Code(above, inverse));
      const V wr = L::Mul(L::Load(w + i), r);
      sr = L::Add(sr, wr);
      error = L::AddMul(error, wr, r);
    }
    const V weight = L::Load(weight_ + t * L::kLanes);
    const V wm = L::Mul(weight, dmin);
    const V better_min = L::Round(Within(
        L::Sub(min, L::Mul(sr, InverseOrZero<L>(wm))), Scales::kTopMin));
    // All residuals move by `by`.
    const V by = L::Mul(L::Sub(better_min, min), dmin);
    error = L::AddMul(error, by, L::AddMul(L::Add(sr, sr), by, weight));
    return {error, scale, better_min};
  }

  // The first of the `count` integers nearest to v.
  static HWY_INLINE V FirstNear(V v, int count) {
    return L::Round(L::Sub(v, L::Set(0.5f * static_cast<float>(count - 1))));
  }

  HWY_NOINLINE void ChooseIntegers(const Slice<F, L>& slice, size_t t) {
    const size_t b = t * L::kLanes;
    const V d = scales_.D(t);
    const V inverse = InverseOrZero<L>(d);
    const V inverse_min = InverseOrZero<L>(scales_.Dmin(t));
    const V first = FirstNear(
        Within(L::Mul(L::Load(scale_ + b), inverse), Scales::kTopScale),
        plan_.scales);
    Choice best{L::Set(1e30f), L::Zero(), L::Zero()};
    for (int i = 0; i < plan_.scales; ++i) {
      const V scale = Within(L::Add(first, L::Set(static_cast<float>(i))),
                             Scales::kTopScale);
      const V first_min = FirstNear(
          Within(L::Mul(MinFor(L::Mul(d, scale), b), inverse_min),
                 Scales::kTopMin),
          plan_.mins);
      for (int j = 0; j < plan_.mins; ++j) {
        const V min = Within(
            L::Add(first_min, L::Set(static_cast<float>(j))), Scales::kTopMin);
        best.Offer(Evaluate(slice, t, scale, min));
      }
    }
    L::Store(best.scale, scale_code_ + b);
    L::Store(best.min, min_code_ + b);
    SumForRefit(slice, t, best.scale, best.min);
  }

  HWY_NOINLINE void SumForRefit(const Slice<F, L>& slice, size_t t, V scale_code,
                   V min_code) {
    const size_t b = t * L::kLanes;
    const float *x = slice.X(t), *w = slice.W(t);
    const V scale = L::Mul(scales_.D(t), scale_code);
    const V min = L::Mul(scales_.Dmin(t), min_code);
    const V inverse = InverseOrZero<L>(scale);
    V sr = L::Zero();
    AffineSums<L> sums;
    sums.Clear();
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V above = L::Add(L::Load(x + i), min), wi = L::Load(w + i);
      const V q = Code(above, inverse);
      const V r = L::SubMul(above, scale, q);
      sums.Add(wi, q, r);
      sr = L::AddMul(sr, wi, r);
    }
    const V ss = L::Mul(scale_code, scale_code);
    const V sm = L::Mul(scale_code, min_code);
    L::Store(L::Mul(ss, sums.qq), sums_.dd + b);
    L::Store(L::Mul(sm, sums.q), sums_.dm + b);
    L::Store(L::Mul(L::Mul(min_code, min_code), L::Load(weight_ + b)),
             sums_.mm + b);
    L::Store(L::Mul(scale_code, sums.yq), sums_.rd + b);
    L::Store(L::Mul(min_code, sr), sums_.rm + b);
  }

  HWY_NOINLINE void PackTile(const Slice<F, L>& slice, size_t t, uint8_t* blocks) {
    const size_t b = t * L::kLanes;
    const V inverse = InverseOrZero<L>(
        L::Mul(scales_.D(t), L::Load(scale_code_ + b)));
    const V min = L::Mul(scales_.Dmin(t), L::Load(min_code_ + b));
    alignas(64) int32_t codes[kTile];
    const float* x = slice.X(t);
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V above = L::Add(L::Load(x + i), min);
      L::StoreI(L::ToInt(Code(above, inverse)), codes + i);
    }
    // Blocks may span tiles (4 lanes) or share one (16 lanes).
    CodesToBytes<L>(codes, kSub, bytes_ + b % kSubs * kSub);
    const size_t end = b + L::kLanes;
    for (size_t block = b / kSubs; (block + 1) * kSubs <= end; ++block) {
      if (block * kSubs >= slice.subs) break;
      if (PackTernary(slice, block, blocks)) continue;
      PackOne(block, bytes_ + (block * kSubs - b / kSubs * kSubs) * kSub,
              blocks);
    }
  }

  void PackOne(size_t block, const uint8_t* codes, uint8_t* blocks) {
    uint8_t scales[kSubs], mins[kSubs];
    for (size_t s = 0; s < kSubs; ++s) {
      scales[s] = static_cast<uint8_t>(scale_code_[block * kSubs + s]);
      mins[s] = static_cast<uint8_t>(min_code_[block * kSubs + s]);
    }
    BlockNumbers n;
    n.d = scales_.Half(block);
    n.dmin = scales_.HalfMin(block);
    n.codes = codes;
    n.scales = scales;
    n.mins = mins;
    PackBlock<F>(n, blocks + block * sizeof(typename F::Block));
  }

  // Blocks of -a, 0 and a alone, as of models trained for three levels, exactly:
  // every integer 1, a in fp16. Their sub-blocks of two levels may as well have
  // scales of a / 2 and a / 3, and no unit holds all of these. Other blocks are
  // told by their first two weights.
  static bool PackTernary(const Slice<F, L>& slice, size_t block,
                          uint8_t* blocks) {
    uint8_t ones[kSubs], codes[F::kBlock];
    float a = 0.0f;
    for (size_t e = 0; e < F::kBlock; ++e) {
      const size_t sub = block * kSubs + e / kSub;
      const float x = slice.X(sub / L::kLanes)[e % kSub * L::kLanes +
                                               sub % L::kLanes];
      if (x != 0.0f && a == 0.0f) a = std::abs(x);
      if (x != 0.0f && std::abs(x) != a) return false;
      codes[e] = x < 0.0f ? 0 : x == 0.0f ? 1 : 2;
    }
    std::fill(ones, ones + kSubs, uint8_t{1});
    BlockNumbers n;
    n.d = n.dmin = F32ToF16(a * slice.unit[block * kSubs]);
    if (n.d == 0 || n.d >= 0x7C00) return false;
    n.codes = codes;
    n.scales = n.mins = ones;
    PackBlock<F>(n, blocks + block * sizeof(typename F::Block));
    return true;
  }

  AffinePlan plan_{};
  typename Fit::Candidates candidates_{plan_};
  // Per sub-block: the free line, and its means.
  float *scale_ = nullptr, *curvature_ = nullptr, *weight_ = nullptr;
  float *mean_code_ = nullptr, *mean_ = nullptr, *min_ = nullptr;
  // Integers, as floats.
  float *scale_code_ = nullptr, *min_code_ = nullptr;
  RefitSums sums_{};
  Scales scales_;
  // Codes of the blocks a tile touches: one block, or the tile if larger.
  static constexpr size_t kBytes = kTile > F::kBlock ? kTile : F::kBlock;
  uint8_t bytes_[kBytes] = {};
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_AFFINE_SEARCH_INL_H_
