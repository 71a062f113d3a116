// SPDX-License-Identifier: MIT
// bf16 panels for AMX, generic over a format.
#if defined(NIBBLE_SIMD_BF16_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_BF16_PANEL_INL_H_
#undef NIBBLE_SIMD_BF16_PANEL_INL_H_
#else
#define NIBBLE_SIMD_BF16_PANEL_INL_H_
#endif

#include <cstring>

#include "nibble/simd/level_table-inl.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/panel.h"
#include "nibble/simd/prefetch.h"
#include "nibble/simd/raised_codes-inl.h"
#include "nibble/simd/scales-inl.h"
#include "nibble/simd/tiles-inl.h"

#ifdef NIBBLE_MAY_HAVE_TILES

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// A chunk of 256 weights of one row on its way to a bf16 panel, 64 weights (two
// cache lines) at a time, so that the work can be spread over a tile loop.
template <class F>
class Bf16Chunk {
  using Block = typename F::Block;
  using Table = LevelTable<typename F::Codes>;
  using Scales = ChunkScales<F>;
  static constexpr size_t kGroup = Scales::Windows::kGroup;
  static constexpr bool kHasSigns = formats::kIsPresent<typename F::Signs>;
  static constexpr bool kUseTable = Table::kHas && !kHasSigns;
  static constexpr size_t kBytes = kChunk / F::kBlock * sizeof(Block);

  using DF = hn::CappedTag<float, 16>;
  using D16 = hn::CappedTag<uint16_t, 32>;
  using DBF = hn::Rebind<hwy::bfloat16_t, D16>;
  using D8 = hn::CappedTag<uint8_t, 32>;
  using VF = hn::Vec<DF>;
  using D64 = hn::CappedTag<uint8_t, 64>;

 public:
  // What units need in registers.
  struct Nothing {};
  using Constants = hwy::If<kUseTable, Nothing, RaisedCodes<F>>;

  // Bf16Feed::ahead.
  static ptrdiff_t Ahead(const PanelSource& from, const PanelSource& to) {
    const ptrdiff_t chunks = static_cast<ptrdiff_t>(to.col0 / kChunk) -
                             static_cast<ptrdiff_t>(from.col0 / kChunk);
    return to.row0 - from.row0 + chunks * static_cast<ptrdiff_t>(kBytes);
  }

  HWY_INLINE Bf16Chunk(const Bf16Feed& feed, size_t index) {
    const size_t per_row = feed.RowChunks();  // 1 or 2
    const size_t r = index / per_row, c = index % per_row;
    const uint8_t* row = feed.source.Row(r);
    const uint8_t* p =
        row + F::kRowHeader + (feed.source.col0 / kChunk + c) * kBytes;
    to_ = feed.out + r * kBf16BlockCols + c * kChunk;
    // The same place in the panel after; harmless beyond the matrix.
    Prefetch<CacheLevel::kL2>(p + feed.ahead, kBytes);
    if constexpr (F::kBlock < kChunk) {
      const size_t left = feed.source.cols - c * kChunk;
      if (left < kChunk) {  // missing blocks: zeros, which are not used
        memset(tail_, 0, kBytes);
        memcpy(tail_, p, left / F::kBlock * sizeof(Block));
        p = tail_;
      }
    }
    x_ = reinterpret_cast<const Block*>(p);
    scales_.Decode(x_, F::kFactor * RowScale<F>(row));
    if constexpr (kHasSigns)
      signs_ = SignBits(typename F::Signs(), x_, buffer_);
    if constexpr (!kUseTable) DecodeExcess();
  }

  // Weights [kE, kE + 64).
  template <size_t kE>
  HWY_INLINE void Unit(const Constants& constants) const {
    uint16_t* HWY_RESTRICT to = to_ + kE;
    if constexpr (!kUseTable) {
      AnyLines<kE>(constants, to);
    } else if constexpr (kGroup == 16) {
      LineOfTwo<kE>(to);
      LineOfTwo<kE + 32>(to + 32);
    } else {
      TwoLines<kE>(to);
    }
  }
  HWY_INLINE void All() const {
    const Constants constants{};
    Unit<0>(constants);
    Unit<64>(constants);
    Unit<128>(constants);
    Unit<192>(constants);
  }

 private:
  // scale * (level + offset) - min of group g, of sixteen levels.
  HWY_INLINE VF Weights(size_t g, VF level) const {
    const DF df;
    if constexpr (Scales::kHasShift) {
      level = hn::Add(level, hn::Set(df, scales_.offset[g]));
    } else if constexpr (F::kZero != 0) {
      level = hn::Add(level, hn::Set(df, static_cast<float>(-F::kZero)));
    }
    const VF scale = hn::Set(df, scales_.scale[g]);
    if constexpr (Scales::kHasMin) {
      return hn::MulSub(level, scale, hn::Set(df, scales_.min[g]));
    } else {
      return hn::Mul(level, scale);
    }
  }

  static HWY_INLINE void Store(hn::Vec<D16> v, uint16_t* HWY_RESTRICT to) {
    hn::Store(v, D16(), to);
  }
  static HWY_INLINE hn::Vec<D16> Round(VF low, VF high) {
    return hn::BitCast(D16(), hn::OrderedDemote2To(DBF(), low, high));
  }

  // -- Sixteen levels or fewer: two groups share one table of 32 weights. Two
  // multiplies, one conversion and two lookups per 64 weights, against ten
  // cycles per 32 for the general way (prototype, Sapphire Rapids: N = 8 tokens
  // in 1.50 instead of 1.96 ms).
  HWY_INLINE hn::Vec<D16> Entries(size_t a, size_t b) const {
    static constexpr LevelFloats<Table> kLevels;
    const VF level = hn::Load(DF(), kLevels.values);
    return Round(Weights(a, level), Weights(b, level));
  }
  template <size_t kE>
  HWY_INLINE hn::Vec<D16> Indices() const {
    return hn::PromoteTo(
        D16(), Simd<D8>::template Eval<kE>(typename Table::Index(), x_));
  }
  static HWY_INLINE hn::Vec<D16> Lookup(hn::Vec<D16> table, hn::Vec<D16> i) {
    const D16 d16;
    return hn::TableLookupLanes(table, hn::IndicesFromVec(d16, i));
  }
  // One line whose halves have a group each.
  template <size_t kE>
  HWY_INLINE void LineOfTwo(uint16_t* HWY_RESTRICT to) const {
    const D16 d16;
    const auto second = hn::And(hn::Iota(d16, 0), hn::Set(d16, uint16_t{16}));
    Store(Lookup(Entries(kE / 16, kE / 16 + 1), hn::Or(Indices<kE>(), second)),
          to);
  }
  // Two lines, each within a group.
  template <size_t kE>
  HWY_INLINE void TwoLines(uint16_t* HWY_RESTRICT to) const {
    const auto table = Entries(kE / 32, kE / 32 + 1);
    const auto second = hn::Set(D16(), uint16_t{16});
    Store(Lookup(table, Indices<kE>()), to);
    Store(Lookup(table, hn::Or(Indices<kE + 32>(), second)), to + 32);
  }

  // -- Any codes: 64 at once, integers to floats, scale * code - excess.
  template <size_t kE>
  HWY_INLINE void AnyLines(const RaisedCodes<F>& any,
                           uint16_t* HWY_RESTRICT to) const {
    const D64 d64;
    const auto codes = Simd<D64>::template Eval<kE>(typename F::Codes(), x_);
    hn::Vec<D64> raised;
    if constexpr (kHasSigns) {
      raised = any.Raise(codes, hn::LoadMaskBits(d64, signs_ + kE / 8));
    } else {
      raised = any.Raise(codes);
    }
    const auto weights = [&](size_t e, VF code) HWY_ATTR {
      const DF df;
      return hn::MulSub(code, hn::Set(df, scales_.scale[e / kGroup]),
                        hn::Set(df, excess_[e / kGroup]));
    };
    Store(Round(weights(kE, any.template Floats<0>(raised)),
                weights(kE + 16, any.template Floats<1>(raised))),
          to);
    Store(Round(weights(kE + 32, any.template Floats<2>(raised)),
                weights(kE + 48, any.template Floats<3>(raised))),
          to + 32);
  }
  // scale * (what is added to the codes - their offset) + min of every group.
  template <size_t kFirst = 0>
  HWY_INLINE void DecodeExcess() {
    using Windows = typename Scales::Windows;
    const typename Windows::DS ds;
    constexpr float kAdded = Constants::kAdded;
    auto above = hn::Set(ds, kAdded + F::kZero);
    if constexpr (Scales::kHasShift) {
      above =
          hn::Sub(hn::Set(ds, kAdded), hn::Load(ds, scales_.offset + kFirst));
    }
    auto excess = hn::Mul(above, hn::Load(ds, scales_.scale + kFirst));
    if constexpr (Scales::kHasMin) {
      excess = hn::Add(excess, hn::Load(ds, scales_.min + kFirst));
    }
    hn::Store(excess, ds, excess_ + kFirst);
    constexpr size_t kNext = kFirst + Windows::kWindow;
    if constexpr (kNext < Scales::kGroups) DecodeExcess<kNext>();
  }

  const Block* HWY_RESTRICT x_;
  uint16_t* HWY_RESTRICT to_;
  Scales scales_;
  HWY_ALIGN float excess_[kUseTable ? 1 : Scales::kGroups];
  const uint8_t* HWY_RESTRICT signs_ = nullptr;
  HWY_ALIGN uint8_t buffer_[kHasSigns ? kChunk / 8 + 8 : 1];
  HWY_ALIGN uint8_t tail_[F::kBlock < kChunk ? kBytes : 1];
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // AMX may be there

#endif  // NIBBLE_SIMD_BF16_PANEL_INL_H_
