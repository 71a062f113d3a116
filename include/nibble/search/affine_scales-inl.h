// SPDX-License-Identifier: MIT
// The two numbers that the sub-blocks of a block share: d for the integer
// scales, dmin for the integer mins.
#if defined(NIBBLE_SEARCH_AFFINE_SCALES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_AFFINE_SCALES_INL_H_
#undef NIBBLE_SEARCH_AFFINE_SCALES_INL_H_
#else
#define NIBBLE_SEARCH_AFFINE_SCALES_INL_H_
#endif

#include "nibble/float16.h"
#include "nibble/search/level_fit-inl.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Sub-block numbers with one block per lane: [kSubs][kLanes].
template <class L, size_t kSubs>
struct BlockLanes {
  alignas(64) float v[kSubs * L::kLanes];

  // Of `live` blocks from block `first`; zeros in the other lanes.
  HWY_INLINE BlockLanes(const float* in, size_t first, size_t live) {
    for (size_t s = 0; s < kSubs; ++s) {
      for (size_t lane = 0; lane < L::kLanes; ++lane) {
        v[s * L::kLanes + lane] =
            lane < live ? in[(first + lane) * kSubs + s] : 0.0f;
      }
    }
  }
  HWY_INLINE typename L::V operator[](size_t s) const {
    return L::Load(v + s * L::kLanes);
  }
};

// The unit u >= 0 for which values ~ u * (0 .. kTop), weighted: the search of
// the free fit again, with the integers as codes.
template <class L, size_t kSubs, int kTop>
HWY_INLINE typename L::V FitUnit(const BlockLanes<L, kSubs>& value,
                                 const BlockLanes<L, kSubs>& weight) {
  using V = typename L::V;
  constexpr int kCandidates = 12;
  V largest = L::Zero();
  for (size_t s = 0; s < kSubs; ++s) largest = L::Max(largest, value[s]);
  const V inverse = InverseOrZero<L>(largest);
  ScaleFit<L> best;
  best.Start();
  for (int k = 0; k < kCandidates; ++k) {
    const V c = L::Mul(
        inverse, L::Set(kTop + 0.5f - 0.25f * static_cast<float>(k)));
    V sx = L::Zero(), sq = L::Zero();
    for (size_t s = 0; s < kSubs; ++s) {
      const V a = value[s];
      const V q = L::Min(L::Round(L::Mul(a, c)), L::Set(kTop));
      const V t = L::Mul(weight[s], q);
      sx = L::AddMul(sx, t, a);
      sq = L::AddMul(sq, t, q);
    }
    best.Offer(sx, sq, L::Zero());
  }
  // No weight at all: the largest value at the end of the range.
  const auto fitted = L::Gt(best.sq, L::Zero());
  const V unit = L::If(fitted,
                       L::Div(best.sx, L::If(fitted, best.sq, L::Set(1.0f))),
                       L::Mul(largest, L::Set(1.0f / kTop)));
  return L::IfElse0(L::Gt(largest, L::Zero()), unit);
}

// What the refit of one sub-block needs, with residual r = x - (decoded x):
// sum w q^2, sum w q, sum w, sum w r q, sum w r, times the integers.
struct RefitSums {
  float *dd, *dm, *mm, *rd, *rm;
};

template <class F, class L>
class AffineScales {
 public:
  using V = typename L::V;
  static constexpr size_t kSubs = F::kBlock / F::kSub;
  using Lanes = BlockLanes<L, kSubs>;
  static constexpr int kTopScale =
      (1 << formats::Width<typename F::ScaleCodes>::value) - 1;
  static constexpr int kTopMin =
      (1 << formats::Width<typename F::MinCodes>::value) - 1;

  void Allocate(Arena& arena, size_t subs) {
    d_ = arena.Take<float>(subs);  // repeated for every sub-block
    dmin_ = arena.Take<float>(subs);
    half_ = arena.Take<uint16_t>(subs / kSubs);
    half_min_ = arena.Take<uint16_t>(subs / kSubs);
  }

  void FitScale(size_t subs, const float* scale, const float* weight) {
    ForBlocks(subs, [&](size_t first, size_t live) HWY_ATTR {
      Put(FitUnit<L, kSubs, kTopScale>(Lanes(scale, first, live),
                                       Lanes(weight, first, live)),
          first, live, d_);
    });
  }
  void FitMin(size_t subs, const float* min, const float* weight) {
    ForBlocks(subs, [&](size_t first, size_t live) HWY_ATTR {
      Put(FitUnit<L, kSubs, kTopMin>(Lanes(min, first, live),
                                     Lanes(weight, first, live)),
          first, live, dmin_);
    });
  }

  // Least squares for d and dmin at given codes and integers, as a correction:
  // with e = change of d, f = change of dmin,
  //   dd e - dm f = rd,   dm e - mm f = rm.
  void Refit(size_t subs, const RefitSums& sums) {
    for (size_t b = 0; b < subs; b += kSubs) {
      const float dd = Total(sums.dd + b), dm = Total(sums.dm + b);
      const float mm = Total(sums.mm + b), rd = Total(sums.rd + b);
      const float rm = Total(sums.rm + b), det = dd * mm - dm * dm;
      float e = 0.0f, f = 0.0f;
      if (det > 1e-5f * dd * mm) {
        e = (rd * mm - rm * dm) / det;
        f = (rd * dm - rm * dd) / det;
      } else if (dd > 0.0f) {  // no mins, or all alike: d alone
        e = rd / dd;
      }
      const float d = d_[b] + e, dmin = dmin_[b] + f;
      // Also when sums too small to divide by gave NaN or infinity.
      if (!(d >= 0.0f && dmin >= 0.0f && d + dmin < 1e30f)) continue;
      std::fill(d_ + b, d_ + b + kSubs, d);
      std::fill(dmin_ + b, dmin_ + b + kSubs, dmin);
    }
  }

  // Rounds to fp16; returns the first sub-block of a block whose d or dmin
  // overflows, or subs.
  template <class S>
  size_t RoundAndStore(const S& slice) {
    coarse_ = false;
    for (size_t b = 0; b < slice.subs; b += kSubs) {
      const size_t block = b / kSubs;
      float d = d_[b], dmin = dmin_[b];
      const float unit = slice.unit[b], inverse = slice.inverse[b];
      if (!RoundUnit(d, unit, inverse, kTopScale, half_[block]) ||
          !RoundUnit(dmin, unit, inverse, kTopMin, half_min_[block])) {
        return b;
      }
      std::fill(d_ + b, d_ + b + kSubs, d);
      std::fill(dmin_ + b, dmin_ + b + kSubs, dmin);
    }
    return slice.subs;
  }
  // Was a number rounded so coarsely (to a subnormal) that other integers suit
  // it better?
  bool coarse() const { return coarse_; }

  HWY_INLINE V D(size_t tile) const { return L::Load(d_ + tile * L::kLanes); }
  HWY_INLINE V Dmin(size_t tile) const {
    return L::Load(dmin_ + tile * L::kLanes);
  }
  uint16_t Half(size_t block) const { return half_[block]; }
  uint16_t HalfMin(size_t block) const { return half_min_[block]; }

 private:
  // Calls body(first block, live blocks) for vectors of blocks.
  template <class Body>
  static HWY_INLINE void ForBlocks(size_t subs, const Body& body) {
    const size_t blocks = subs / kSubs;
    for (size_t first = 0; first < blocks; first += L::kLanes) {
      body(first, std::min(L::kLanes, blocks - first));
    }
  }
  static HWY_INLINE float Total(const float* in) {
    float sum = in[0];
    for (size_t s = 1; s < kSubs; ++s) sum = sum + in[s];
    return sum;
  }
  static HWY_INLINE void Put(V v, size_t first, size_t live, float* out) {
    alignas(64) float each[L::kLanes];
    L::Store(v, each);
    for (size_t i = 0; i < live * kSubs; ++i) {
      out[first * kSubs + i] = each[i / kSubs];
    }
  }

  // A number that vanishes beside 2^-24 becomes 2^-24 if its multiples do not.
  bool RoundUnit(float& value, float unit, float inverse, int top,
                 uint16_t& half) {
    constexpr float kHalfStep = 2.98023224e-8f;  // 2^-25
    const float exact = value * unit;
    half = F32ToF16(exact);
    if (half == 0 && exact * static_cast<float>(top) >= kHalfStep) half = 1;
    if (half >= 0x7C00) return false;
    coarse_ = coarse_ || (half < 0x400 && exact > 0.0f);
    value = F16ToF32(half) * inverse;
    return true;
  }

  bool coarse_ = false;
  float *d_ = nullptr, *dmin_ = nullptr;
  uint16_t *half_ = nullptr, *half_min_ = nullptr;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_AFFINE_SCALES_INL_H_
