// SPDX-License-Identifier: MIT
// Quantizer of formats whose scales come from a short list of powers of two or
// small floats (formats/scales.h): the list is tried.
//
// 4-bit floats at half a scale have all the levels up to 6 of those at the whole
// scale, so only an octave of scales that clip nothing can be best; below it,
// every octave clips twice as much. Three such octaves instead of one: the same
// error to six digits on heavy-tailed rows.
#if defined(NIBBLE_SEARCH_CODED_SCALE_SEARCH_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_CODED_SCALE_SEARCH_INL_H_
#undef NIBBLE_SEARCH_CODED_SCALE_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_CODED_SCALE_SEARCH_INL_H_
#endif

#include <algorithm>

#include "nibble/search/level_fit-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L>
class CodedScaleSearch {
 public:
  using V = typename L::V;
  using I = typename L::I;
  using Fit = LevelFit<F, L>;
  using Levels = typename Fit::Levels;
  using Kind = typename formats::ScaleOf<F>::type;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  static constexpr size_t kSubs = F::kBlock / kSub;
  static_assert(kSubs == Kind::kCount, "a scale per sub-block");

  void Allocate(Arena& arena, size_t cols) {
    code_ = arena.Take<uint8_t>(Slice<F, L>::Padded(cols) / kSub);
    scale_ = arena.Take<int32_t>(Kind::kMaxCode + 1);
  }

  // kGradient has nothing to follow: it is kDefault.
  void Prepare(Search search) {
    constexpr int kOctave = Kind::kPerOctave;
    below_ = kOctave;
    above_ = kOctave - 1;
    if (search == Search::kExhaustive) below_ = 3 * kOctave;
    if (search == Search::kFast) {
      below_ = (kOctave + 1) / 2;
      above_ = (kOctave - 1) / 2;
    }
    for (uint32_t code = 0; code <= Kind::kMaxCode; ++code) {
      scale_[code] = static_cast<int32_t>(BitsOf(Kind::Decode(code)));
    }
  }

  // False if a block is beyond the largest scale; `col` is then its first
  // column.
  bool Run(const Slice<F, L>& slice, uint8_t* /*row*/, uint8_t* blocks,
           size_t* col) {
    for (size_t t = 0; t < slice.tiles; ++t) {
      const size_t bad = RunTile(slice, t, blocks);
      if (bad != slice.subs) {
        *col = bad * kSub;
        return false;
      }
    }
    return true;
  }

 private:
  // Returns the first sub-block that does not fit, or slice.subs.
  size_t RunTile(const Slice<F, L>& slice, size_t t, uint8_t* blocks) {
    const size_t first = t * L::kLanes;
    alignas(64) float largest[L::kLanes];
    alignas(64) int32_t lowest[L::kLanes] = {};
    L::Store(L::Abs(Fit::Extreme(slice.X(t))), largest);
    for (size_t i = 0; i < L::kLanes && first + i < slice.subs; ++i) {
      if (largest[i] < kNegligible) continue;
      const float fits = largest[i] / Levels::kMax * slice.unit[first + i];
      const uint32_t code = Kind::AtLeast(fits);
      if (code > Kind::kMaxCode) return first + i;
      lowest[i] = std::max(static_cast<int>(code) - below_, 0);
    }
    const V inverse_unit = L::Load(slice.inverse + first);
    const I best = BestCodes(slice.X(t), slice.W(t), inverse_unit,
                             L::LoadI(lowest));
    alignas(64) int32_t best_codes[L::kLanes], codes[kTile];
    L::StoreI(best, best_codes);
    for (size_t i = 0; i < L::kLanes; ++i) {
      code_[first + i] = static_cast<uint8_t>(best_codes[i]);
    }
    const V inverse = InverseOrZero<L>(ScaleAt(best, inverse_unit));
    Fit::Encode(slice.X(t), slice.W(t), inverse, L::Zero(), codes);
    codes_.Add(t, codes, slice.subs,
               [&](size_t block, const uint8_t* bytes) HWY_ATTR {
                 BlockNumbers n;
                 n.coded = code_ + block * kSubs;
                 n.codes = bytes;
                 PackBlock<F>(n, blocks + block * sizeof(typename F::Block));
               });
    return slice.subs;
  }

  // Scales in units of x; 0 if nothing in x has that size.
  HWY_INLINE V ScaleAt(I code, V inverse_unit) const {
    const V a = L::Mul(L::FromBits(L::GatherI(scale_, code)), inverse_unit);
    return L::IfElse0(L::Ge(a, L::Set(kNegligible / 64.0f)), a);
  }

  // The codes from `lowest` on with the least error.
  HWY_INLINE I BestCodes(const float* x, const float* w, V inverse_unit,
                         I lowest) const {
    V best = L::Set(3e38f);
    I best_code = lowest;
    for (int k = 0; k <= below_ + above_; ++k) {
      const I code = L::MinI(L::AddI(lowest, L::SetI(k)),
                             L::SetI(Kind::kMaxCode));
      const V a = ScaleAt(code, inverse_unit);
      V sx, sq;
      Fit::Sums(x, w, InverseOrZero<L>(a), L::Zero(), sx, sq);
      // error - sum w x^2 = a^2 sq - 2 a sx
      const V error = L::Mul(a, L::Sub(L::Mul(a, sq), L::Add(sx, sx)));
      const auto better = L::Lt(error, best);
      best = L::If(better, error, best);
      best_code = L::IfI(better, code, best_code);
    }
    return best_code;
  }

  int below_ = 0, above_ = 0;
  uint8_t* code_ = nullptr;    // per sub-block
  int32_t* scale_ = nullptr;   // bits of the scale of every code
  BlockCodes<F, L> codes_;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_CODED_SCALE_SEARCH_INL_H_
