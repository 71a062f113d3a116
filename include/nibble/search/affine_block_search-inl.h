// SPDX-License-Identifier: MIT
// Quantizer of formats with an fp16 scale and an fp16 offset of either sign per
// block: x = d * q + m. Fit the line, round d, fit m beside the rounded d, round
// it, choose the codes at both.
#if defined(NIBBLE_SEARCH_AFFINE_BLOCK_SEARCH_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_AFFINE_BLOCK_SEARCH_INL_H_
#undef NIBBLE_SEARCH_AFFINE_BLOCK_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_AFFINE_BLOCK_SEARCH_INL_H_
#endif

#include "nibble/search/affine_fit-inl.h"
#include "nibble/search/block_search-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L>
class AffineBlockSearch {
 public:
  using V = typename L::V;
  // The references hold the offset at or below zero; nothing in the format does.
  using Fit = AffineFit<L, F::kSub, F::kMaxCode, Offset::kFree>;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  static_assert(F::kBlock == F::kSub && F::kZero == 0 && F::kFactor == 1.0f &&
                    F::kMinFactor == -1.0f &&
                    formats::IsConstant<typename F::MinCodes>::value,
                "x = d * q + m");

  void Allocate(Arena&, size_t) {}
  void Prepare(Search search) {
    plan_ = FreeOffsetPlanFor(search);
    candidates_ = typename Fit::Candidates(plan_);
  }

  // False if d or m is beyond fp16; `col` is then the block's first column.
  bool Run(const Slice<F, L>& slice, uint8_t* /*row*/, uint8_t* blocks,
           size_t* col) {
    for (size_t t = 0; t < slice.tiles; ++t) {
      const size_t first = t * L::kLanes;
      const size_t live = std::min(L::kLanes, slice.subs - first);
      uint8_t* out = blocks + first * sizeof(typename F::Block);
      const size_t bad = RunTile(slice, t, live, out);
      if (bad != live) {
        *col = (first + bad) * kSub;
        return false;
      }
    }
    return true;
  }

 private:
  static HWY_INLINE V Code(V above, V inverse) {
    return L::RoundWithin(L::Mul(above, inverse), F::kMaxCode);
  }

  // Returns the first block whose numbers overflow, or `live`.
  HWY_NOINLINE size_t RunTile(const Slice<F, L>& slice, size_t t, size_t live,
                              uint8_t* blocks) const {
    const float *x = slice.X(t), *w = slice.W(t);
    const size_t first = t * L::kLanes;
    const float *unit = slice.unit + first, *inverse = slice.inverse + first;
    Fit fit;
    fit.Run(x, w, plan_, candidates_);
    alignas(64) float d[L::kLanes], m[L::kLanes];
    uint16_t half[L::kLanes], half_m[L::kLanes];
    L::Store(fit.scale, d);
    size_t bad = RoundScales(d, unit, inverse, live, half);
    if (bad != live) return bad;
    const V scale = L::Load(d);
    L::Store(OffsetFor(x, w, scale, fit.offset), m);
    HoldInRange(x, unit, inverse, live, m);
    bad = RoundScales(m, unit, inverse, live, half_m);
    if (bad != live) return bad;
    alignas(64) int32_t codes[kTile];
    const V offset = L::Load(m), inverse_scale = InverseOrZero<L>(scale);
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V above = L::Sub(L::Load(x + i), offset);
      L::StoreI(L::ToInt(Code(above, inverse_scale)), codes + i);
    }
    PackLanes<F, L>(codes, half, half_m, live, blocks);
    return live;
  }

  // The best offset for the codes at this line: the mean of what is left.
  static HWY_INLINE V OffsetFor(const float* x, const float* w, V scale,
                                V offset) {
    const V inverse = InverseOrZero<L>(scale);
    V sum = L::Zero(), weight = L::Zero();
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V xi = L::Load(x + i), wi = L::Load(w + i);
      const V q = Code(L::Sub(xi, offset), inverse);
      sum = L::AddMul(sum, wi, L::SubMul(xi, scale, q));
      weight = L::Add(weight, wi);
    }
    return L::Mul(sum, InverseOrZero<L>(weight));
  }

  // The best offset may lie half a code beyond the values: too far where these
  // are the largest of fp16.
  static void HoldInRange(const float* x, const float* unit,
                          const float* inverse, size_t live, float* m) {
    constexpr float kMost = 65504.0f;
    for (size_t lane = 0; lane < live; ++lane) {
      if (std::abs(m[lane] * unit[lane]) <= kMost) continue;
      float largest = 0.0f;
      for (size_t i = lane; i < kTile; i += L::kLanes) {
        largest = std::max(largest, std::abs(x[i]) * unit[lane]);
      }
      if (largest > kMost) continue;
      m[lane] = std::copysign(kMost, m[lane]) * inverse[lane];
    }
  }

  AffinePlan plan_{};
  typename Fit::Candidates candidates_{plan_};
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_AFFINE_BLOCK_SEARCH_INL_H_
