// SPDX-License-Identifier: MIT
// The scale that sub-block multipliers share: per block of 256, or per row.
#if defined(NIBBLE_SEARCH_COMMON_SCALE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_COMMON_SCALE_INL_H_
#undef NIBBLE_SEARCH_COMMON_SCALE_INL_H_
#else
#define NIBBLE_SEARCH_COMMON_SCALE_INL_H_
#endif

#include "nibble/search/half_scale.h"
#include "nibble/search/scale_fit-inl.h"
#include "nibble/search/scale_rule-inl.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// One fp16 scale per block: lane = block.
template <class F, class L, bool kPerRow = F::kRowHeader != 0>
class CommonScale {
 public:
  using V = typename L::V;
  using Rule = ScaleRule<F, L>;
  static constexpr size_t kSubs = F::kBlock / F::kSub;
  static constexpr int kCandidates = 12;

  void Allocate(Arena& arena, size_t subs) {
    d_ = arena.Take<float>(subs);  // repeated for every sub-block
    half_ = arena.Take<uint16_t>(subs / kSubs + L::kLanes);
  }

  // Stage 2: the d for which scales ~ d * multiplier, weighted.
  void Fit(const Slice<F, L>& slice, const float* scale,
           const float* curvature) {
    ForBlocks(slice, [&](size_t first, size_t live) HWY_ATTR {
      alignas(64) float s[kSubs * L::kLanes], w[kSubs * L::kLanes];
      Gather(scale, first, live, s);
      Gather(curvature, first, live, w);
      return FitBlocks(s, w);
    });
  }

  // Stage 4: d = sum w x (m q) / sum w (m q)^2, kept if there is nothing to fit.
  void Refit(const Slice<F, L>& slice, const float* sxm, const float* sqm) {
    ForBlocks(slice, [&](size_t first, size_t live) HWY_ATTR {
      alignas(64) float a[kSubs * L::kLanes], b[kSubs * L::kLanes];
      alignas(64) float old[kSubs * L::kLanes];
      Gather(sxm, first, live, a);
      Gather(sqm, first, live, b);
      Gather(d_, first, live, old);
      V sa = L::Zero(), sb = L::Zero();
      for (size_t s = 0; s < kSubs * L::kLanes; s += L::kLanes) {
        sa = L::Add(sa, L::Load(a + s));
        sb = L::Add(sb, L::Load(b + s));
      }
      const auto ok = L::Gt(sb, L::Zero());
      return L::If(ok, L::Div(sa, L::If(ok, sb, L::Set(1.0f))), L::Load(old));
    });
  }

  // Rounds to fp16; returns the first sub-block whose scale overflows, or subs.
  size_t RoundAndStore(const Slice<F, L>& slice, uint8_t* /*row*/) {
    for (size_t b = 0; b < slice.subs; b += kSubs) {
      float d = d_[b];
      if (RoundScales(&d, slice.unit + b, slice.inverse + b, 1,
                      half_ + b / kSubs, 1.0f / F::kFactor) == 0) {
        return b;
      }
      std::fill(d_ + b, d_ + b + kSubs, d);
    }
    return slice.subs;
  }

  HWY_INLINE V At(size_t tile) const { return L::Load(d_ + tile * L::kLanes); }
  uint16_t Half(size_t block) const { return half_[block]; }

 private:
  static HWY_INLINE V FitBlocks(const float* s, const float* w) {
    V most = L::Load(s), least = most;
    for (size_t i = L::kLanes; i < kSubs * L::kLanes; i += L::kLanes) {
      most = L::Max(most, L::Load(s + i));
      least = L::Min(least, L::Load(s + i));
    }
    const V extreme = L::If(L::Ge(most, L::Neg(least)), most, least);
    const V inverse = InverseOrZero<L>(extreme);
    ScaleFit<L> best;
    best.Start();
    for (int k = 0; k < kCandidates; ++k) {
      // The extreme goes near the end of the range: with signed multipliers the
      // longer, negative one.
      const float target =
          Rule::kMin < 0 ? Rule::kMin - 0.5f : Rule::kMax + 0.5f;
      const float toward = Rule::kMin < 0 ? 0.25f : -0.25f;
      const V c = L::Mul(
          inverse, L::Set(target + toward * static_cast<float>(k)));
      V sx = L::Zero(), sq = L::Zero();
      for (size_t i = 0; i < kSubs * L::kLanes; i += L::kLanes) {
        const V a = L::Load(s + i);
        const V q = Rule::Near(L::Mul(a, c));
        const V t = L::Mul(L::Load(w + i), q);
        sx = L::AddMul(sx, t, a);
        sq = L::AddMul(sq, t, q);
      }
      best.Offer(sx, sq, L::Zero());
    }
    return L::IfElse0(L::Ne(extreme, L::Zero()), L::Div(best.sx, best.sq));
  }

  // Calls body(first block, live blocks) for vectors of blocks; stores d.
  template <class Body>
  HWY_INLINE void ForBlocks(const Slice<F, L>& slice, const Body& body) {
    const size_t blocks = slice.subs / kSubs;
    for (size_t first = 0; first < blocks; first += L::kLanes) {
      const size_t live = std::min(L::kLanes, blocks - first);
      alignas(64) float d[L::kLanes];
      L::Store(body(first, live), d);
      for (size_t i = 0; i < live * kSubs; ++i) {
        d_[first * kSubs + i] = d[i / kSubs];
      }
    }
  }
  // Per-sub-block numbers of `live` blocks, one block per lane.
  static HWY_INLINE void Gather(const float* in, size_t first, size_t live,
                                float* out) {
    for (size_t s = 0; s < kSubs; ++s) {
      for (size_t lane = 0; lane < L::kLanes; ++lane) {
        out[s * L::kLanes + lane] =
            lane < live ? in[(first + lane) * kSubs + s] : 0.0f;
      }
    }
  }

  float* d_ = nullptr;
  uint16_t* half_ = nullptr;
};

// One scale per row, f32 or fp16: sums over the sub-blocks in a fixed order.
template <class F, class L>
class CommonScale<F, L, true> {
 public:
  using V = typename L::V;
  using Rule = ScaleRule<F, L>;
  static constexpr int kCandidates = 16;

  void Allocate(Arena&, size_t) {}

  // In place of Fit, for searches with a rule of their own.
  void Set(float d) { d_ = d; }
  void Fit(const Slice<F, L>& slice, const float* scale,
           const float* curvature) {
    d_ = 0.0f;
    float extreme = 0.0f;
    for (size_t b = 0; b < slice.subs; ++b) {
      if (std::abs(scale[b]) > std::abs(extreme)) extreme = scale[b];
    }
    float best = -1.0f;
    for (int k = 0; k < kCandidates && extreme != 0.0f; ++k) {
      const float c = Target(k) / extreme;
      FixedSum<L> sx, sq;
      for (size_t t = 0; t < slice.tiles; ++t) {
        const V a = L::Load(scale + t * L::kLanes);
        const V q = Rule::Near(L::Mul(a, L::Set(c)));
        const V w = L::Mul(L::Load(curvature + t * L::kLanes), q);
        sx.Add(t, L::Mul(w, a));
        sq.Add(t, L::Mul(w, q));
      }
      const float x = sx.Total(), q = sq.Total();
      if (q > 0.0f && x * x > best * q) {
        best = x * x / q;
        d_ = x / q;
      }
    }
  }

  void Refit(const Slice<F, L>& slice, const float* sxm, const float* sqm) {
    FixedSum<L> sx, sq;
    for (size_t t = 0; t < slice.tiles; ++t) {
      sx.Add(t, L::Load(sxm + t * L::kLanes));
      sq.Add(t, L::Load(sqm + t * L::kLanes));
    }
    if (sq.Total() > 0.0f) d_ = sx.Total() / sq.Total();
  }

  size_t RoundAndStore(const Slice<F, L>& slice, uint8_t* row) {
    const bool fits = StoreRowScale<F>(&d_, slice.unit[0], slice.inverse[0], row);
    return fits ? slice.subs : 0;
  }

  HWY_INLINE V At(size_t) const { return L::Set(d_); }
  uint16_t Half(size_t) const { return 0; }

 private:
  // The multiplier the extreme goes to: near the end of signed ranges, up to
  // 1.8 times beyond that of others, since in a row of heavy tails few
  // sub-blocks are near the extreme.
  static float Target(int k) {
    if (Rule::kMin < 0) return Rule::kMin - 0.4f + 0.2f * static_cast<float>(k);
    return Rule::kMax * (0.9f + 0.06f * static_cast<float>(k));
  }

  float d_ = 0.0f;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_COMMON_SCALE_INL_H_
