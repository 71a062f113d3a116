// SPDX-License-Identifier: MIT
// Quantizer of formats with one fp16 scale per block of 32: fit, round the
// scale, choose the codes at the rounded scale.
#if defined(NIBBLE_SEARCH_BLOCK_SEARCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_BLOCK_SEARCH_INL_H_
#undef NIBBLE_SEARCH_BLOCK_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_BLOCK_SEARCH_INL_H_
#endif

#include "nibble/search/half_scale.h"
#include "nibble/search/level_fit-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// A tile of codes, [element][lane] integers, and the fp16 numbers of its blocks
// (dmin null where there are no mins) to `live` packed blocks.
template <class F, class L>
HWY_INLINE void PackLanes(const int32_t* codes, const uint16_t* d,
                          const uint16_t* dmin, size_t live, uint8_t* blocks) {
  uint8_t bytes[F::kBlock * L::kLanes];
  CodesToBytes<L>(codes, F::kBlock, bytes);
  for (size_t lane = 0; lane < live; ++lane) {
    BlockNumbers n;
    n.d = d[lane];
    if (dmin != nullptr) n.dmin = dmin[lane];
    n.codes = bytes + lane * F::kBlock;
    PackBlock<F>(n, blocks + lane * sizeof(typename F::Block));
  }
}

template <class F, class L>
class BlockSearch {
 public:
  using V = typename L::V;
  using Fit = LevelFit<F, L>;
  using Levels = typename Fit::Levels;
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;

  void Allocate(Arena&, size_t) {}
  void Prepare(Search search) {
    plan_ = PlanFor(search, Levels::kCount, IsTable());
  }

  bool NeedsWeights() const { return !plan_.IsRounding(); }

  // False if a scale is beyond fp16; `col` is then its first column.
  bool Run(const Slice<F, L>& slice, uint8_t* /*row*/, uint8_t* blocks,
           size_t* col) {
    for (size_t t = 0; t < slice.tiles; ++t) {
      const size_t first = t * L::kLanes;
      const size_t live = std::min(L::kLanes, slice.subs - first);
      Fit fit;
      fit.Run(slice.X(t), slice.W(t), plan_);
      alignas(64) float scale[L::kLanes];
      uint16_t half[L::kLanes];
      L::Store(fit.scale, scale);
      const size_t bad = RoundScales(scale, slice.unit + first,
                                     slice.inverse + first, live, half);
      if (bad != live) {
        *col = (first + bad) * kSub;
        return false;
      }
      PackTile(slice.X(t), L::Load(scale), half, live,
               blocks + first * sizeof(typename F::Block));
    }
    return true;
  }

 private:
  static constexpr bool IsTable() {
    return formats::IsSigned<typename F::Codes>::value && Levels::kCount <= 16;
  }

  static HWY_INLINE void PackTile(const float* x, V scale,
                                  const uint16_t* half, size_t live,
                                  uint8_t* blocks) {
    const V inverse = InverseOrZero<L>(scale);
    alignas(64) int32_t codes[kTile];
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      L::StoreI(Levels::Code(L::Mul(L::Load(x + i), inverse)), codes + i);
    }
    PackLanes<F, L>(codes, half, nullptr, live, blocks);
  }

  LevelPlan plan_{};
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_BLOCK_SEARCH_INL_H_
