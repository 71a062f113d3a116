// SPDX-License-Identifier: MIT
// The SIMD machine in PointOrder, for grids of points of eight weights with
// signs: 64 points at a time, those of two blocks, are looked up in registers.
//
// A grid of up to four levels has two bits for a weight, so a point is two
// bytes of four weights, and a table of 64 of those bytes is one lookup. Two
// weights and their signs are then the index of a table of signed weights. What
// is done per point costs an eighth of what is done per weight; a gather of
// eight points takes 4.1 cycles, about what all of this takes for as many
// weights. Signs in the codes leave nothing of them to be done for every token.
// Matvec from memory, one core of Emerald Rapids, Gweights/s: IQ2_XXS 31.5 ->
// 43.5, IQ2_XS 31.5 -> 35.5; 8 tokens, GFLOPS: 187 -> 238, 156 -> 193.
#if defined(NIBBLE_SIMD_POINT_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_POINT_MACHINE_INL_H_
#undef NIBBLE_SIMD_POINT_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_POINT_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/lane_signs-inl.h"
#include "nibble/simd/order.h"
#include "nibble/simd/scale_codes-inl.h"

// No functions, so no attributes of a target (clang would miss them).
namespace nibble {
namespace HWY_NAMESPACE {

// Grids of which the machine has a case: two bytes of a block name a point and
// seven of its signs. Tables of 1024 points (IQ2_S) take as long as gathers.
template <class Codes>
inline constexpr bool kWantsPoints = false;
template <class Grid, int kBits, int kFirst, int kPer, int kPitch, int kRecord,
          auto kM>
inline constexpr bool kWantsPoints<formats::GridPoints<
    Grid, formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>>> =
    sizeof(typename Grid::Point) == 8 && Grid::kPoints <= 512 &&
    formats::MemberBytes(kM) == 64;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if NIBBLE_LANE_ORDER

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The points of a grid, two bits to a weight: the rank of its level.
template <class Grid>
struct PointTables {
  static constexpr uint8_t Level(size_t point, size_t weight) {
    return static_cast<uint8_t>(Grid::Host()[point] >> (8 * weight));
  }
  // half[h][i]: weights 4 h .. 4 h + 3 of point i.
  alignas(64) uint8_t half[2][Grid::kPoints] = {};
  int zero = 0;  // the highest level
  // `zero` and the signed weight of bits 0 and 1 with the sign in bit 4, or of
  // bits 2 and 3 with bit 5.
  alignas(64) uint8_t weight[2][64] = {};
  constexpr PointTables() {
    bool has[256] = {};
    for (size_t i = 0; i < 8 * Grid::kPoints; ++i) has[Level(i / 8, i % 8)] = 1;
    uint8_t rank[256] = {}, level[4] = {};
    size_t levels = 0;
    for (size_t v = 0; v < 256; ++v) {
      if (!has[v]) continue;
      rank[v] = static_cast<uint8_t>(levels);
      level[levels++] = static_cast<uint8_t>(v);  // no constant beyond four
    }
    zero = level[levels - 1];
    for (size_t i = 0; i < 8 * Grid::kPoints; ++i) {
      uint8_t& byte = half[i % 8 / 4][i / 8];
      byte = static_cast<uint8_t>(byte | rank[Level(i / 8, i % 8)]
                                             << (2 * (i % 4)));
    }
    for (size_t i = 0; i < 128; ++i) {
      const size_t w = i / 64, bits = i % 64;
      const int v = level[bits >> (2 * w) & 3];
      const bool negative = bits >> (4 + w) & 1;
      weight[w][bits] = static_cast<uint8_t>(zero + (negative ? -v : v));
    }
  }
};

// Where bit kFrom of the numbers of a node is, and those above it, when half of
// the 64 bytes of two blocks are in 64-bit lanes: those of points 8 q .. 8 q +
// 7 of the first block in lane 2 q, of the second one in lane 2 q + 1. The half
// is every other unit of kUnit bytes, from unit kPart on.
template <class Source, size_t kFrom>
struct PointBits {
  static_assert(Source::kBytes == 64, "two bytes of a point");
  static constexpr size_t Byte(size_t g) { return (Source::At(g) + kFrom) / 8; }
  static constexpr bool OnePart(size_t unit) {
    for (size_t g = 0; g < 32; ++g) {
      if (Byte(g) / unit % 2 != Byte(0) / unit % 2) return false;
    }
    return true;
  }
  static constexpr size_t kUnit = OnePart(1) ? 1 : 4;
  static_assert(OnePart(kUnit), "a half has the bits of all points");
  static constexpr size_t kPart = Byte(0) / kUnit % 2;
  // Which bit of its lane the number of point g has first.
  static constexpr size_t InLane(size_t g) {
    const size_t byte = Byte(g) % 16;
    return 8 * (byte / (2 * kUnit) * kUnit + byte % kUnit) +
           (Source::At(g) + kFrom) % 8;
  }
  static constexpr bool InPlace() {
    for (size_t g = 0; g < 32; ++g) {
      if (InLane(g) != g % 8 * 8 + InLane(0)) return false;
    }
    return InLane(0) < 8;
  }
  // Bytes begin at this bit, or after a shift of each its own at bit 0.
  static constexpr int kShift = InPlace() ? static_cast<int>(InLane(0)) : 0;
  alignas(64) uint8_t from[64] = {};
  constexpr PointBits() {
    for (size_t i = 0; i < 64; ++i) {
      from[i] = static_cast<uint8_t>(InLane(i / 16 * 8 + i % 8));
    }
  }
};

// As LaneMachine, for positions [64 kJ, 64 kJ + 64): weights kJ and kJ + 4 of
// every point with their signs, plus F::kMaxCode.
struct PointMachine {
  using D8 = hn::ScalableTag<uint8_t>;
  using DI8 = hn::RebindToSigned<D8>;
  using D16 = hn::Repartition<uint16_t, D8>;
  using DI16 = hn::RebindToSigned<D16>;
  using V = hn::Vec<D8>;
  using M = hn::Mask<D8>;
  static_assert(HWY_MAX_LANES_D(D8) == 64, "points of two blocks");

  // Indices of signed weights: those of vectors 0 and 1, and of 2 and 3.
  struct Chunk {
    V pair[2];
  };
  template <class F>
  struct Span {
    using X = typename F::Block;
    static constexpr size_t kChunks = 2;
    Chunk chunk[kChunks];
    // Those of one or two blocks from x on.
    HWY_INLINE void Prepare(const X* HWY_RESTRICT x, size_t count) {
      Pairs<typename F::Signs, F::kMaxCode>(typename F::Codes(), x,
                                            x + (count - 1), chunk);
    }
  };

  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Index>
  static HWY_INLINE V Eval(formats::GridPoints<Grid, Index>,
                           const Chunk& chunk) {
    constexpr size_t kJ = kE / 64;
    return Lookup(kTables<Grid>.weight[kJ % 2], chunk.pair[kJ / 2]);
  }

 private:
  template <class Grid>
  static constexpr PointTables<Grid> kTables{};

  static HWY_INLINE V Lookup(const uint8_t* HWY_RESTRICT table, V index) {
    return V{_mm512_permutexvar_epi8(index.raw, _mm512_load_si512(table))};
  }

  template <class Signs, int kMaxCode, class Grid, class Index, class X>
  static HWY_INLINE void Pairs(formats::GridPoints<Grid, Index>,
                               const X* HWY_RESTRICT x0,
                               const X* HWY_RESTRICT x1, Chunk* chunk) {
    static_assert(kTables<Grid>.zero == kMaxCode, "zero is at F::kMaxCode");
    const V signs = EightSigns(Signs(), x0, x1);
    const V low = PointsOf<Grid, 0>(Index(), x0, x1);
    const V high = PointsOf<Grid, 1>(Index(), x0, x1);
    Interleave(WithSigns(low, Shifted<4>(signs)), WithSigns(high, signs),
               chunk[0].pair[0], chunk[1].pair[0]);
    Interleave(WithSigns(Shifted<-4>(low), Shifted<2>(signs)),
               WithSigns(Shifted<-4>(high), Shifted<-2>(signs)),
               chunk[0].pair[1], chunk[1].pair[1]);
  }
  // The first block's are in the lower lane of two.
  static HWY_INLINE void Interleave(V low, V high, V& first, V& second) {
    first = hn::InterleaveLower(D8(), low, high);
    second = hn::InterleaveUpper(D8(), low, high);
  }
  // Two weights in bits 0 to 3, their signs in bits 4 and 5, anything above.
  static HWY_INLINE V WithSigns(V weights, V signs) {
    return hn::BitwiseIfThenElse(hn::Set(D8(), uint8_t{15}), weights, signs);
  }
  // Bits that leave a byte go where nothing is read.
  template <int kLeft>
  static HWY_INLINE V Shifted(V v) {
    const auto words = hn::BitCast(D16(), v);
    if constexpr (kLeft > 0) {
      return hn::BitCast(D8(), hn::ShiftLeft<kLeft>(words));
    } else {
      return hn::BitCast(D8(), hn::ShiftRight<-kLeft>(words));
    }
  }

  // -- Points.

  template <class Grid, size_t kHalf, class Index, class X>
  static HWY_INLINE V PointsOf(Index index, const X* HWY_RESTRICT x0,
                               const X* HWY_RESTRICT x1) {
    constexpr size_t kTables64 = Grid::kPoints / 64;
    const V low = LowBits(index, x0, x1);
    return Entry<kTables64>(kTables<Grid>.half[kHalf], low, index, x0, x1);
  }
  // Of kCount tables of 64 bytes.
  template <size_t kCount, class Index, class X>
  static HWY_INLINE V Entry(const uint8_t* HWY_RESTRICT table, V low,
                            Index index, const X* HWY_RESTRICT x0,
                            const X* HWY_RESTRICT x1) {
    constexpr size_t kHalf = kCount / 2;
    constexpr size_t kBit = 6 + hwy::CeilLog2(kHalf);
    const M upper = HasBit<kBit>(index, x0, x1);
    if constexpr (kCount == 2) {
      return V{_mm512_mask_permutexvar_epi8(Lookup(table, low).raw, upper.raw,
                                            low.raw,
                                            _mm512_load_si512(table + 64))};
    } else {
      return hn::IfThenElse(
          upper, Entry<kHalf>(table + 64 * kHalf, low, index, x0, x1),
          Entry<kHalf>(table, low, index, x0, x1));
    }
  }
  template <class Node, class X>
  static HWY_INLINE V LowBits(Node, const X* HWY_RESTRICT x0,
                              const X* HWY_RESTRICT x1) {
    using Bits = PointBits<NumberBits<Node>, 0>;
    static_assert(Bits::kShift == 0, "bits of an index");
    return Bytes<NumberBits<Node>::kMember, Bits>(x0, x1);
  }
  template <size_t kBit, class Node, class X>
  static HWY_INLINE M HasBit(Node, const X* HWY_RESTRICT x0,
                             const X* HWY_RESTRICT x1) {
    using Bits = PointBits<NumberBits<Node>, kBit / 8 * 8>;
    constexpr int kAt = Bits::kShift + static_cast<int>(kBit % 8);
    static_assert(kAt < 8, "in the byte");
    const V v = Bytes<NumberBits<Node>::kMember, Bits>(x0, x1);
    if constexpr (kAt == 7) {
      return hn::RebindMask(D8(), hn::MaskFromVec(hn::BitCast(DI8(), v)));
    } else {
      return hn::TestBit(v, hn::Set(D8(), static_cast<uint8_t>(1 << kAt)));
    }
  }

  // -- Signs of a point in its byte.

  template <class Seven, class X>
  static HWY_INLINE V EightSigns(formats::ParitySigns<Seven>,
                                 const X* HWY_RESTRICT x0,
                                 const X* HWY_RESTRICT x1) {
    using Bits = PointBits<NumberBits<Seven>, 0>;
    static_assert(NumberBits<Seven>::kBits == 7 && Bits::kShift <= 1,
                  "seven bits of a byte");
    const V seven = Bytes<NumberBits<Seven>::kMember, Bits>(x0, x1);
    return V{_mm512_gf2p8affine_epi64_epi8(
        seven.raw, _mm512_set1_epi64(kEighthIsSum * (1 << Bits::kShift)), 0)};
  }

  // -- Bytes of points.

  template <auto kM, class Bits, class X>
  static HWY_INLINE V Bytes(const X* HWY_RESTRICT x0,
                            const X* HWY_RESTRICT x1) {
    const V v = HalfOf<Bits::kUnit, Bits::kPart>(hn::LoadU(D8(), x0->*kM),
                                                 hn::LoadU(D8(), x1->*kM));
    if constexpr (Bits::InPlace()) {
      return v;
    } else {
      static constexpr Bits kBits;
      return V{
          _mm512_multishift_epi64_epi8(_mm512_load_si512(kBits.from), v.raw)};
    }
  }
  // Every other unit of both, those of v0 in the lower lane of two.
  template <size_t kUnit, size_t kPart>
  static HWY_INLINE V HalfOf(V v0, V v1) {
    if constexpr (kUnit == 4) {
      const __m512 a = _mm512_castsi512_ps(v0.raw);
      const __m512 b = _mm512_castsi512_ps(v1.raw);
      constexpr int kWords = kPart == 0 ? 0x88 : 0xDD;
      return V{_mm512_castps_si512(_mm512_shuffle_ps(a, b, kWords))};
    } else {
      return hn::ReorderDemote2To(D8(), ByteOfWord<kPart>(v0),
                                  ByteOfWord<kPart>(v1));
    }
  }
  template <size_t kPart>
  static HWY_INLINE hn::Vec<DI16> ByteOfWord(V v) {
    const D16 d16;
    const auto words = hn::BitCast(d16, v);
    return hn::BitCast(DI16(), kPart == 0
                                   ? hn::And(words, hn::Set(d16, uint16_t{255}))
                                   : hn::ShiftRight<8>(words));
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_LANE_ORDER

#endif  // NIBBLE_SIMD_POINT_MACHINE_INL_H_
