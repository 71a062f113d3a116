// SPDX-License-Identifier: MIT
// bf16 panels for AMX: weights, generic over a format, and results.
#if defined(NIBBLE_SIMD_BF16_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_BF16_PANEL_INL_H_
#undef NIBBLE_SIMD_BF16_PANEL_INL_H_
#else
#define NIBBLE_SIMD_BF16_PANEL_INL_H_
#endif

#include <cstring>
#include <type_traits>

#include "hwy/cache_control.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/panel-inl.h"
#include "nibble/simd/panel.h"
#include "nibble/simd/scales-inl.h"
#include "nibble/simd/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// The only target that may have tiles.
inline constexpr bool kMayHaveTiles = HWY_TARGET == HWY_AVX3_SPR;

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

// Unpacks rows 64 weights (two tile rows) at a time, so that the work can be
// spread over the steps of the tile loop.
template <class F>
struct Bf16Unpacker {
  using Block = typename F::Block;
  using Table = LevelTable<typename F::Codes>;
  static constexpr bool kHasSigns = formats::kIsPresent<typename F::Signs>;
  static constexpr bool kUseTable = Table::kHas && !kHasSigns;
  static constexpr bool kHasMin = formats::kIsPresent<typename F::MinCodes>;
  static constexpr bool kHasOffset =
      F::kZero != 0 || formats::kIsPresent<typename F::ShiftCodes>;
  // Blocks of 32 come in pairs.
  static constexpr bool kPairs = F::kBlock == 32;
  static constexpr size_t kScales = kPairs ? 2 : 1;

  using DF = hn::CappedTag<float, 16>;
  using D16 = hn::CappedTag<uint16_t, 32>;
  using DBF = hn::Rebind<hwy::bfloat16_t, D16>;
  using D8 = hn::CappedTag<uint8_t, 32>;
  using VF = hn::Vec<DF>;

  // What is remembered of the block between two calls.
  struct State {
    SubScales<F> sub[kScales];
    HWY_ALIGN uint8_t signs[kScales][F::kBlock / 8 + 8];
  };
  static_assert(sizeof(State) <= sizeof(Bf16Feed::state), "room for the state");

  // scale * (level + offset) - min
  static HWY_INLINE VF Weights(const SubScales<F>& sub, size_t s, VF level) {
    const DF df;
    if constexpr (kHasOffset) {
      level = hn::Add(level, hn::Set(df, sub.offset[s]));
    }
    const VF scale = hn::Set(df, sub.scale[s]);
    if constexpr (kHasMin) {
      return hn::MulSub(level, scale, hn::Set(df, sub.min[s]));
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

  // -- Sixteen levels or fewer: two sub-blocks share one table of 32 weights.
  // Two multiplies, one conversion and two lookups per 64 weights, against ten
  // cycles per 32 for the general way (prototype, Sapphire Rapids: N = 8 tokens
  // in 1.50 instead of 1.96 ms).
  static HWY_INLINE hn::Vec<D16> Entries(const SubScales<F>& a, size_t sa,
                                         const SubScales<F>& b, size_t sb) {
    static constexpr LevelFloats<Table> kLevels;
    const VF level = hn::Load(DF(), kLevels.values);
    return Round(Weights(a, sa, level), Weights(b, sb, level));
  }
  template <size_t kE>
  static HWY_INLINE hn::Vec<D16> Indices(const Block* HWY_RESTRICT x) {
    return hn::PromoteTo(
        D16(), Simd<D8>::template Eval<kE>(typename Table::Index(), x));
  }
  static HWY_INLINE hn::Vec<D16> Lookup(hn::Vec<D16> table, hn::Vec<D16> i) {
    const D16 d16;
    return hn::TableLookupLanes(table, hn::IndicesFromVec(d16, i));
  }
  // One line whose halves have a sub-block each.
  template <size_t kE>
  static HWY_INLINE void LineOfTwo(const Block* HWY_RESTRICT x,
                                   const SubScales<F>& sub,
                                   uint16_t* HWY_RESTRICT to) {
    const D16 d16;
    constexpr size_t s = kE / F::kSub;
    const auto second = hn::And(hn::Iota(d16, 0), hn::Set(d16, uint16_t{16}));
    Store(Lookup(Entries(sub, s, sub, s + 1),
                 hn::Or(Indices<kE>(x), second)),
          to);
  }
  // Lines at kA of x and kB of y, each within a sub-block.
  template <size_t kA, size_t kB>
  static HWY_INLINE void TwoLines(const Block* HWY_RESTRICT x,
                                  const SubScales<F>& a,
                                  const Block* HWY_RESTRICT y,
                                  const SubScales<F>& b,
                                  uint16_t* HWY_RESTRICT to, bool both) {
    const auto table = Entries(a, kA / F::kSub, b, kB / F::kSub);
    Store(Lookup(table, Indices<kA>(x)), to);
    if (!both) return;
    const auto second = hn::Set(D16(), uint16_t{16});
    Store(Lookup(table, hn::Or(Indices<kB>(y), second)),
          to + kBf16LineElements);
  }

  // -- Any codes: integers to floats.
  template <size_t kE>
  static HWY_INLINE void Line(const Block* HWY_RESTRICT x,
                              const SubScales<F>& sub,
                              const uint8_t* HWY_RESTRICT signs,
                              uint16_t* HWY_RESTRICT to) {
    using T = hwy::If<formats::IsSigned<typename F::Codes>::value, int8_t,
                      uint8_t>;
    const hn::Rebind<T, D8> d8;
    const hn::Half<decltype(d8)> dh;
    const auto codes = hn::BitCast(
        d8, Simd<D8>::template Eval<kE>(typename F::Codes(), x));
    const VF low = Floats<kE>(hn::LowerHalf(dh, codes), signs);
    const VF high = Floats<kE + 16>(hn::UpperHalf(dh, codes), signs);
    Store(Round(Weights(sub, kE / F::kSub, low),
                Weights(sub, (kE + 16) / F::kSub, high)),
          to);
  }
  template <size_t kE, class V8>
  static HWY_INLINE VF Floats(V8 codes, const uint8_t* HWY_RESTRICT signs) {
    const DF df;
    const hn::RebindToSigned<DF> di;
    auto level = hn::PromoteTo(di, codes);
    if constexpr (kHasSigns) {
      const auto negative = hn::LoadMaskBits(di, signs + kE / 8);
      level = hn::MaskedSubOr(level, negative, hn::Zero(di), level);
    }
    return hn::ConvertTo(df, level);
  }

  // -- The next 64 weights of a row, or the last 32.
  template <size_t kE>
  static HWY_INLINE void Unit(const Block* HWY_RESTRICT x, const State& state,
                              uint16_t* HWY_RESTRICT to, bool both) {
    constexpr size_t kSecond = kPairs ? 0 : kE + 32;
    const Block* HWY_RESTRICT y = kPairs ? x + 1 : x;
    const SubScales<F>& a = state.sub[0];
    const SubScales<F>& b = state.sub[kScales - 1];
    if constexpr (!kUseTable) {
      Line<kE>(x, a, state.signs[0], to);
      if (both) {
        Line<kSecond>(y, b, state.signs[kScales - 1], to + kBf16LineElements);
      }
    } else if constexpr (F::kSub == 16) {
      static_assert(!kPairs, "blocks of 32 have one scale");
      LineOfTwo<kE>(x, a, to);
      LineOfTwo<kE + 32>(x, a, to + kBf16LineElements);
    } else {
      TwoLines<kE, kSecond>(x, a, y, b, to, both);
    }
  }

  template <size_t kE>
  static HWY_INLINE void UnitAt(size_t e, const Block* HWY_RESTRICT x,
                                const State& state, uint16_t* HWY_RESTRICT to,
                                bool both) {
    if constexpr (kPairs || kE + 64 >= F::kBlock) {
      Unit<kPairs ? 0 : kE>(x, state, to, both);
    } else {
      if (e == kE) return Unit<kE>(x, state, to, both);
      UnitAt<kE + 64>(e, x, state, to, both);
    }
  }

  static HWY_INLINE void Decode(const Block* HWY_RESTRICT x, float row_scale,
                                bool both, State& state) {
    state.sub[0].Decode(x[0], row_scale);
    if (kPairs && both) state.sub[kScales - 1].Decode(x[1], row_scale);
    if constexpr (kHasSigns) {
      static_assert(!kPairs, "signs of small blocks are not decoded");
      const uint8_t* signs =
          SignBits(typename F::Signs(), x, state.signs[0]);
      if (signs != state.signs[0]) {
        memcpy(state.signs[0], signs, F::kBlock / 8);
      }
    }
  }
};

// Unpacks the next 64 weights of the panel.
template <class F>
HWY_NOINLINE void FeedBf16Panel(Bf16Feed& feed) {
  using Unpacker = Bf16Unpacker<F>;
  using Block = typename F::Block;
  auto& state = *reinterpret_cast<typename Unpacker::State*>(feed.state);
  const uint8_t* row = feed.source.Row(feed.row);
  if (feed.col == 0) feed.row_scale = formats::Reader<F>::RowScale(row);
  const auto* x = reinterpret_cast<const Block*>(row + F::kRowHeader) +
                  (feed.source.col0 + feed.col) / F::kBlock;
  const bool both = feed.col + 32 < feed.source.cols;
  const size_t e = feed.col % F::kBlock;
  if (Unpacker::kPairs || e == 0) {
    Unpacker::Decode(x, feed.row_scale, both, state);
    // The same place in the next panel; harmless beyond the matrix.
    const auto* next = reinterpret_cast<const uint8_t*>(x) +
                       kBf16Rows * feed.source.stride_bytes;
    hwy::Prefetch(next);
    if constexpr (sizeof(Block) > 64) hwy::Prefetch(next + 64);
    if constexpr (sizeof(Block) > 128) hwy::Prefetch(next + 128);
  }
  uint16_t* to = feed.out + (feed.col / 32 * kBf16Rows + feed.row) * 32;
  Unpacker::template UnitAt<0>(e, x, state, to, both);
  feed.col += 64;
  if (feed.col >= feed.source.cols) {
    feed.col = 0;
    ++feed.row;
  }
}

// A tile of results [row][token] -> y[token][row], `y_stride` in floats.
inline void StoreTile(const float* HWY_RESTRICT c, size_t rows, size_t tokens,
                      float* HWY_RESTRICT y, size_t y_stride) {
  const hn::CappedTag<float, 16> df;
  HWY_ALIGN float columns[16 * 16];  // [token][row]
  for (size_t t = 0; t < 16; t += hn::Lanes(df)) {
    for (size_t r = 0; r < 16; r += 4) {
      const float* HWY_RESTRICT from = c + r * 16 + t;
      StoreTransposed(df, hn::Load(df, from), hn::Load(df, from + 16),
                      hn::Load(df, from + 32), hn::Load(df, from + 48), t, r,
                      reinterpret_cast<uint8_t*>(columns));
    }
  }
  for (size_t t = 0; t < tokens; ++t) {
    memcpy(y + t * y_stride, columns + 16 * t, rows * sizeof(float));
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_BF16_PANEL_INL_H_
