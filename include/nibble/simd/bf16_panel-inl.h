// SPDX-License-Identifier: MIT
// bf16 panels for AMX, generic over a format.
#if defined(NIBBLE_SIMD_BF16_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_BF16_PANEL_INL_H_
#undef NIBBLE_SIMD_BF16_PANEL_INL_H_
#else
#define NIBBLE_SIMD_BF16_PANEL_INL_H_
#endif

#include <cstring>
#include <type_traits>

#include "nibble/simd/machine-inl.h"
#include "nibble/simd/panel.h"
#include "nibble/simd/prefetch.h"
#include "nibble/simd/scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Codes of at most four bits: sixteen levels, looked up by `Index`.
template <class E, bool kFew = (formats::Width<E>::value <= 4)>
struct LevelTable {
  static constexpr bool kHas = false;
};
template <class E>
struct LevelTable<E, true> {
  static constexpr bool kHas = !formats::IsSigned<E>::value;
  using Index = E;
  static constexpr int Level(int i) { return i; }
};
template <class E, uint64_t... kWords>
struct LevelTable<formats::Lut<E, kWords...>, true> {
  static constexpr bool kHas = true;
  using Index = E;
  using Entries = formats::LutEntries<kWords...>;
  static constexpr int Level(int i) { return Entries::At(i % Entries::kSize); }
};

template <class Table>
struct LevelFloats {
  alignas(64) float values[16];
  constexpr LevelFloats() : values() {
    for (int i = 0; i < 16; ++i) {
      values[i] = static_cast<float>(Table::Level(i));
    }
  }
};

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

 public:
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
    scales_.Decode(x_, F::kFactor * formats::Reader<F>::RowScale(row));
    if constexpr (kHasSigns)
      signs_ = SignBits(typename F::Signs(), x_, buffer_);
  }

  // Weights [kE, kE + 64).
  template <size_t kE>
  HWY_INLINE void Unit() const {
    uint16_t* HWY_RESTRICT to = to_ + kE;
    if constexpr (!kUseTable) {
      AnyLines<kE>(to);
    } else if constexpr (kGroup == 16) {
      LineOfTwo<kE>(to);
      LineOfTwo<kE + 32>(to + 32);
    } else {
      TwoLines<kE>(to);
    }
  }
  HWY_INLINE void All() const {
    Unit<0>();
    Unit<64>();
    Unit<128>();
    Unit<192>();
  }

 private:
  // scale * (level + offset) - min of group g
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

  // -- Any codes: 64 at once, then integers to floats.
  template <size_t kE>
  HWY_INLINE void AnyLines(uint16_t* HWY_RESTRICT to) const {
    using T = hwy::If<formats::IsSigned<typename F::Codes>::value || kHasSigns,
                      int8_t, uint8_t>;
    const hn::CappedTag<uint8_t, 64> d64;
    const hn::Rebind<T, decltype(d64)> d8;
    const hn::Half<decltype(d8)> dh;
    auto codes = hn::BitCast(
        d8, Simd<decltype(d64)>::template Eval<kE>(typename F::Codes(), x_));
    if constexpr (kHasSigns) {
      static_assert(F::kMaxCode <= 127, "magnitudes fit a signed byte");
      const auto negative = hn::LoadMaskBits(d8, signs_ + kE / 8);
      codes = hn::MaskedSubOr(codes, negative, hn::Zero(d8), codes);
    }
    Line<kE>(dh, hn::LowerHalf(dh, codes), to);
    Line<kE + 32>(dh, hn::UpperHalf(dh, codes), to + 32);
  }
  template <size_t kE, class DH>
  HWY_INLINE void Line(DH, hn::Vec<DH> codes, uint16_t* HWY_RESTRICT to) const {
    const hn::Half<DH> dq;
    const hn::RebindToSigned<DF> di;
    const DF df;
    const auto low =
        hn::ConvertTo(df, hn::PromoteTo(di, hn::LowerHalf(dq, codes)));
    const auto high =
        hn::ConvertTo(df, hn::PromoteTo(di, hn::UpperHalf(dq, codes)));
    Store(Round(Weights(kE / kGroup, low), Weights((kE + 16) / kGroup, high)),
          to);
  }

  const Block* HWY_RESTRICT x_;
  uint16_t* HWY_RESTRICT to_;
  Scales scales_;
  const uint8_t* HWY_RESTRICT signs_ = nullptr;
  HWY_ALIGN uint8_t buffer_[kHasSigns ? kChunk / 8 + 8 : 1];
  HWY_ALIGN uint8_t tail_[F::kBlock < kChunk ? kBytes : 1];
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_BF16_PANEL_INL_H_
