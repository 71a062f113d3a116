// SPDX-License-Identifier: MIT
// Quantizer of ternary formats: levels -1, 0 and 1 under one scale per block or
// per row.
//
// Given the weights that are not 0, the best scale is sum w |x| / sum w over
// them, and it reduces the error by (sum w |x|)^2 / sum w. For any scale those
// are the weights beyond a threshold, half the scale: so thresholds are tried.
#if defined(NIBBLE_SEARCH_TERNARY_SEARCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_TERNARY_SEARCH_INL_H_
#undef NIBBLE_SEARCH_TERNARY_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_TERNARY_SEARCH_INL_H_
#endif

#include "nibble/search/half_scale.h"
#include "nibble/search/levels-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/scale_fit-inl.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L>
class TernarySearch {
 public:
  using V = typename L::V;
  using Levels = LinearLevels<L, -1, 1>;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  static constexpr bool kPerRow = F::kRowHeader != 0;
  static constexpr int kAtOnce = 4;  // thresholds that share their loads
  static_assert(F::kBlock == kSub, "a block has one scale");

  void Allocate(Arena&, size_t) {}

  // Thresholds from 0.15 to 5 times the mean magnitude. kGradient has nothing
  // to follow: it is kDefault. kExhaustive takes every magnitude of a block for
  // a threshold, and is then exact; of a row, 256.
  void Prepare(Search search) {
    thresholds_ = 20;
    ratio_ = 1.203f;
    if (search == Search::kFast) {
      thresholds_ = 8;
      ratio_ = 1.65f;
    } else if (search == Search::kExhaustive) {
      thresholds_ = 256;
      ratio_ = 1.0139f;
    }
    every_ = search == Search::kExhaustive && !kPerRow;
  }

  // False if a scale is beyond fp16; `col` is then its first column.
  bool Run(const Slice<F, L>& slice, uint8_t* row, uint8_t* blocks,
           size_t* col) {
    if constexpr (kPerRow) {
      alignas(64) float scale[L::kLanes];
      L::Store(BestScale(Tiles{&slice, 0, slice.tiles}), scale);
      if (!StoreRowScale<F>(scale, slice.unit[0], slice.inverse[0], row)) {
        *col = 0;
        return false;
      }
      for (size_t t = 0; t < slice.tiles; ++t) {
        PackTile(slice, t, L::Set(scale[0]), nullptr, blocks);
      }
    } else {
      for (size_t t = 0; t < slice.tiles; ++t) {
        alignas(64) float scale[L::kLanes];
        uint16_t half[L::kLanes];
        const size_t first = t * L::kLanes;
        const size_t live = std::min(L::kLanes, slice.subs - first);
        L::Store(BestScale(Tiles{&slice, t, t + 1}), scale);
        const size_t bad = RoundScales(scale, slice.unit + first,
                                       slice.inverse + first, live, half);
        if (bad != live) {
          *col = (first + bad) * kSub;
          return false;
        }
        PackTile(slice, t, L::Load(scale), half, blocks);
      }
    }
    return true;
  }

 private:
  // What shares a scale: the blocks of a tile, each lane for itself, or all
  // tiles of a row.
  struct Tiles {
    const Slice<F, L>* slice;
    size_t begin, end;
  };

  // Adds up what terms(|x|, w, sums) adds to kN sums per lane: over a block, or
  // in a fixed order over the row.
  template <int kN, class Terms>
  static HWY_INLINE void Total(const Tiles& tiles, const Terms& terms,
                               V* sums) {
    [[maybe_unused]] FixedSum<L> fixed[kN];
    for (int k = 0; k < kN; ++k) sums[k] = L::Zero();
    for (size_t t = tiles.begin; t < tiles.end; ++t) {
      const float *x = tiles.slice->X(t), *w = tiles.slice->W(t);
      V sum[kN];  // GCC keeps it in registers, unlike sums
      for (int k = 0; k < kN; ++k) sum[k] = L::Zero();
      for (size_t i = 0; i < kTile; i += L::kLanes) {
        terms(L::Abs(L::Load(x + i)), L::Load(w + i), sum);
      }
      for (int k = 0; k < kN; ++k) {
        if constexpr (kPerRow) {
          fixed[k].Add(t, sum[k]);
        } else {
          sums[k] = sum[k];
        }
      }
    }
    if constexpr (kPerRow) {
      for (int k = 0; k < kN; ++k) sums[k] = L::Set(fixed[k].Total());
    }
  }

  // Offers the scales of kN thresholds.
  template <int kN>
  static HWY_INLINE void Try(const Tiles& tiles, const V* threshold,
                             ScaleFit<L>& best) {
    V sums[2 * kN];
    Total<2 * kN>(
        tiles,
        [&](V a, V w, V* s) HWY_ATTR {
          const V wa = L::Mul(w, a);
          for (int k = 0; k < kN; ++k) {
            const auto kept = L::Ge(a, threshold[k]);
            s[2 * k] = L::AddWhere(kept, s[2 * k], wa);
            s[2 * k + 1] = L::AddWhere(kept, s[2 * k + 1], w);
          }
        },
        sums);
    for (int k = 0; k < kN; ++k) {
      best.Offer(sums[2 * k], sums[2 * k + 1], L::Zero());
    }
  }

  static HWY_INLINE V Largest(const Tiles& tiles) {
    V largest = L::Zero();
    for (size_t t = tiles.begin; t < tiles.end; ++t) {
      const float* x = tiles.slice->X(t);
      for (size_t i = 0; i < kTile; i += L::kLanes) {
        largest = L::Max(largest, L::Abs(L::Load(x + i)));
      }
    }
    if constexpr (!kPerRow) return largest;
    alignas(64) float lanes[L::kLanes];
    L::Store(largest, lanes);
    return L::Set(*std::max_element(lanes, lanes + L::kLanes));
  }

  // sum w (|x| - s q)^2, q the nearest level, for two scales.
  static HWY_INLINE void Errors(const Tiles& tiles, const V* scale, V* error) {
    const V half[2] = {L::Mul(scale[0], L::Set(0.5f)),
                       L::Mul(scale[1], L::Set(0.5f))};
    Total<2>(
        tiles,
        [&](V a, V w, V* s) HWY_ATTR {
          for (int k = 0; k < 2; ++k) {
            const auto kept = L::Ge(a, half[k]);
            const V r = L::Sub(a, L::IfElse0(kept, scale[k]));
            s[k] = L::AddMul(s[k], L::Mul(w, r), r);
          }
        },
        error);
  }

  V BestScale(const Tiles& tiles) const {
    const V largest = Largest(tiles);
    ScaleFit<L> best;
    best.Start();
    const V tiny = L::Set(1e-30f);  // not the zeros, nor the empty lanes
    Try<1>(tiles, &tiny, best);
    const V mean = L::Div(best.sx, NotZero(best.sq));
    float factor = 0.15f;
    for (int k = 0; k < thresholds_; k += kAtOnce) {
      V threshold[kAtOnce];
      for (V& t : threshold) {
        t = L::Mul(mean, L::Set(factor));
        factor *= ratio_;
      }
      Try<kAtOnce>(tiles, threshold, best);
    }
    if (every_) TryMagnitudes(tiles, best);
    for (int i = 0; i < 2; ++i) {  // at the threshold that belongs to the scale
      const V half =
          L::Mul(L::Div(best.sx, NotZero(best.sq)), L::Set(0.5f));
      Try<1>(tiles, &half, best);
    }
    // Weights that are ternary already are stored as they are: their sums have
    // roundings, their largest magnitude has none.
    const V scale[2] = {L::Div(best.sx, NotZero(best.sq)), largest};
    V error[2];
    Errors(tiles, scale, error);
    return L::If(L::Lt(error[0], error[1]), scale[0], scale[1]);
  }

  static HWY_INLINE void TryMagnitudes(const Tiles& tiles, ScaleFit<L>& best) {
    const float* x = tiles.slice->X(tiles.begin);
    for (size_t i = 0; i < kTile; i += kAtOnce * L::kLanes) {
      V threshold[kAtOnce];
      for (int k = 0; k < kAtOnce; ++k) {
        threshold[k] = L::Abs(L::Load(x + i + k * L::kLanes));
      }
      Try<kAtOnce>(tiles, threshold, best);
    }
  }

  static HWY_INLINE V NotZero(V v) {
    return L::If(L::Ne(v, L::Zero()), v, L::Set(1.0f));
  }

  static void PackTile(const Slice<F, L>& slice, size_t t, V scale,
                       const uint16_t* half, uint8_t* blocks) {
    const size_t first = t * L::kLanes;
    const size_t live = std::min(L::kLanes, slice.subs - first);
    const V inverse = InverseOrZero<L>(scale);
    const float* x = slice.X(t);
    alignas(64) int32_t codes[kTile];
    uint8_t bytes[kTile];
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      L::StoreI(Levels::Code(L::Mul(L::Load(x + i), inverse)), codes + i);
    }
    CodesToBytes<L>(codes, kSub, bytes);
    for (size_t lane = 0; lane < live; ++lane) {
      BlockNumbers n;
      n.d = half == nullptr ? 0 : half[lane];
      n.codes = bytes + lane * kSub;
      PackBlock<F>(n, blocks + (first + lane) * sizeof(typename F::Block));
    }
  }

  int thresholds_ = 0;
  float ratio_ = 0.0f;
  bool every_ = false;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_TERNARY_SEARCH_INL_H_
