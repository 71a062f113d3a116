// SPDX-License-Identifier: MIT
// The SIMD machine in LaneOrder, for codes that come in groups: grids, pairs,
// ternary digits. Eight lanes of 64 bits, each with weights of its own
// sub-block of 32; numbers of the whole chunk are computed once and shuffled to
// the lanes of a vector.
//
// For targets with VBMI, VNNI, GFNI and BITALG in vectors of 64 bytes. Matvec
// from memory there, one core of Emerald Rapids, Gweights/s: IQ2_KL
// 19.3 -> 38.
#if defined(NIBBLE_SIMD_LANE_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_LANE_MACHINE_INL_H_
#undef NIBBLE_SIMD_LANE_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_LANE_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/lane_signs-inl.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/numbers-inl.h"
#include "nibble/simd/order.h"
#include "nibble/simd/plane_machine-inl.h"
#include "nibble/simd/trellis_machine-inl.h"

namespace nibble {
namespace HWY_NAMESPACE {

// Codes that have a case in LaneMachine, PlaneMachine or TrellisMachine.
template <class Codes>
inline constexpr bool kWantsLanes = formats::GridOf<Codes>::kIsGrid;
template <class Grid, class Index>
inline constexpr bool kWantsLanes<formats::PairLut<Grid, Index>> = true;
template <class Layout, auto kM>
inline constexpr bool kWantsLanes<formats::Base3<Layout, kM>> = true;
template <int kGroup, class Index, bool kMagnitude>
inline constexpr bool kWantsLanes<formats::Trellis<kGroup, Index, kMagnitude>> =
    true;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if NIBBLE_LANE_ORDER

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Number kJ of the four of each 64-bit lane, zero-extended to kBytes and
// repeated.
template <size_t kJ, size_t kBytes>
struct LaneShuffle {
  alignas(64) uint8_t index[64] = {};
  constexpr LaneShuffle() {
    for (size_t i = 0; i < 64; ++i) {
      index[i] = static_cast<uint8_t>(
          i % kBytes < 2 ? i % 16 / 8 * 8 + 2 * kJ + i % kBytes : 0x80);
    }
  }
};

// From which bit on a byte of vector kJ is copied to have number e / kShare at
// bit kAt, e being its element: counted in the eight bytes that its lane looks
// at, the same for all, or one or the other eight of the sixteen that two lanes
// share.
template <class Pos, size_t kJ, size_t kShare, int kAt, size_t kMember>
struct LaneBitShifts {
  static constexpr size_t Number(size_t i) {
    return LaneOrder::Logical(64 * kJ + i) / kShare;
  }
  static constexpr size_t Byte(size_t i) { return Pos::Byte(Number(i)); }
  static constexpr size_t kEight = Byte(0) / 8 * 8;
  static constexpr bool Fits(bool all) {
    for (size_t i = 0; i < 64; ++i) {
      const size_t eight = all ? kEight : i / 16 * 16 + kEight % 16;
      if (Byte(i) / 8 * 8 != eight) return false;
    }
    return all || kMember >= 64;
  }
  static constexpr bool kAll = Fits(true);
  static_assert(kAll || Fits(false), "eight bytes for each lane");
  alignas(64) uint8_t from[64] = {};
  constexpr LaneBitShifts() {
    for (size_t i = 0; i < 64; ++i) {
      const int bit =
          static_cast<int>(8 * (Byte(i) % 8)) + Pos::Shift(Number(i)) - kAt;
      from[i] = static_cast<uint8_t>(bit & 63);
    }
  }
};

// Both members of 32 pairs, looked up by the pair and a bit for the second.
template <class Grid, uint8_t kFlip>
struct LanePairTables {
  alignas(64) uint8_t member[64] = {};
  alignas(64) uint8_t second[64] = {};
  constexpr LanePairTables() {
    for (uint32_t i = 0; i < 64; ++i) {
      member[i] =
          static_cast<uint8_t>((Grid::kPairs[i % 32] >> (i / 32 * 8)) ^ kFlip);
      second[i] = i % 2 * 32;
    }
  }
};

// Which byte of a chunk has the digit of each byte of vector kJ, and what moves
// the digit to the top of a word's upper byte. kPitch bytes from block to
// block.
template <class Layout, size_t kJ, size_t kPitch>
struct LaneDigits {
  alignas(64) uint8_t index[64] = {};
  alignas(64) uint16_t even[32] = {}, odd[32] = {};
  constexpr LaneDigits() {
    for (size_t i = 0; i < 64; ++i) {
      const size_t e = LaneOrder::Logical(64 * kJ + i);
      const size_t in_block = e % Layout::kElements;
      index[i] = static_cast<uint8_t>(e / Layout::kElements * kPitch +
                                      Layout::Byte(in_block));
      const uint32_t power = formats::PowerOf3(Layout::Digit(in_block));
      if (i % 2 == 0) even[i / 2] = static_cast<uint16_t>(256 * power);
      if (i % 2 == 1) odd[i / 2] = static_cast<uint16_t>(power);
    }
  }
};

// As Simd, for positions [64 kJ, 64 kJ + 64) of a block of 256 (of several
// blocks: ternary digits), kE = 64 kJ.
struct LaneMachine {
  using D8 = hn::ScalableTag<uint8_t>;
  using DI8 = hn::RebindToSigned<D8>;
  using D16 = hn::Repartition<uint16_t, D8>;
  using DI16 = hn::Repartition<int16_t, D8>;
  using D64 = hn::Repartition<uint64_t, D8>;
  using V = hn::Vec<D8>;
  static_assert(HWY_MAX_LANES_D(D8) == 64, "eight lanes of eight weights");

  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Index,
            class X>
  static HWY_INLINE V Eval(formats::GridPoints<Grid, Index>,
                           const X* HWY_RESTRICT x) {
    using Point = hwy::MakeSigned<typename Grid::Point>;
    const auto* HWY_RESTRICT grid =
        reinterpret_cast<const Point*>(Grid::Host());
    const hn::Repartition<Point, D8> di;
    static_assert(sizeof(Point) == 8, "a point in each lane");
    const auto index = hn::BitCast(di, Numbers<Index, kE / 64, 8>(x));
    return hn::BitCast(D8(), hn::GatherIndex(di, grid, index));
  }
  // A bit per group of eight, in all its bytes.
  template <size_t kE, int kAt = 0, bool kBias = false, int kShift, class E,
            class Points, class X>
  static HWY_INLINE V
  Eval(formats::Or<formats::Shl<kShift, formats::Each<8, E>>, Points>,
       const X* HWY_RESTRICT x) {
    static_assert(formats::Width<E>::value + kShift <= 8, "in a byte");
    return hn::Or(Numbers<E, kE / 64, 1, kShift>(x), Eval<kE>(Points(), x));
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Index,
            class X>
  static HWY_INLINE V Eval(formats::PairLut<Grid, Index>,
                           const X* HWY_RESTRICT x) {
    constexpr uint8_t kFlip = kBias ? 0x80 : 0;
    static constexpr LanePairTables<Grid, kFlip> kTables;
    const D8 d8;
    const V index =
        Fields<kE / 64, 2>(hn::Load(d8, kTables.second), Index(), x);
    return hn::TableLookupLanes(hn::Load(d8, kTables.member),
                                LowBitIndices(d8, index));
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class Layout, auto kM,
            class X>
  static HWY_INLINE V Eval(formats::Base3<Layout, kM>,
                           const X* HWY_RESTRICT x) {
    constexpr size_t kBytes =
        (kChunk / Layout::kElements - 1) * sizeof(X) + formats::MemberBytes(kM);
    static_assert(kBytes <= 64, "all blocks in a vector");
    static constexpr LaneDigits<Layout, kE / 64, sizeof(X)> kDigits;
    const D8 d8;
    const D16 d16;
    const V bytes = hn::LoadN(d8, x->*kM, kBytes);
    const auto v = hn::BitCast(
        d16,
        hn::TableLookupLanes(bytes, hn::SetTableIndices(d8, kDigits.index)));
    // byte * power mod 256 in the upper byte of a word, times 3 / 256. An even
    // byte moves up, and its neighbour out of the word.
    const auto high = hn::Set(d16, uint16_t{0xFF00});
    const auto even = hn::Mul(v, hn::Load(d16, kDigits.even));
    const auto odd = hn::Mul(hn::And(v, high), hn::Load(d16, kDigits.odd));
    return hn::BitCast(
        d8, hn::OrAnd(hn::MulHigh(even, hn::Set(d16, uint16_t{3})),
                      hn::MulHigh(odd, hn::Set(d16, uint16_t{3 * 256})), high));
  }

 private:
  // Number kJ of every lane's four: all 32 of a block in 16-bit lanes, which
  // the compiler computes once, and a shuffle.
  template <class Node, size_t kJ, size_t kBytes, int kAt = 0, class X>
  static HWY_INLINE V Numbers(const X* HWY_RESTRICT x) {
    const V words =
        hn::BitCast(D8(), NumbersOf<From<0>, kAt>(DI16(), Node(), x));
    if constexpr (kBytes == 8 && kJ % 3 == 0) {
      // The first and the last of four need not take the port of shuffles.
      const D64 d64;
      const auto four = hn::BitCast(d64, words);
      return hn::BitCast(D8(),
                         kJ == 0 ? hn::And(four, hn::Set(d64, uint64_t{0xFFFF}))
                                 : hn::ShiftRight<48>(four));
    } else {
      static constexpr LaneShuffle<kJ, kBytes> kShuffle;
      return hn::TableLookupBytesOr0(words, hn::Load(D8(), kShuffle.index));
    }
  }

  // `bits` and, at bit kAt, number e / kShare of a description for the byte of
  // element e.
  template <size_t kJ, size_t kShare, int kAt = 0, int kBits, int kRun, auto kM,
            class O, class X>
  static HWY_INLINE V Fields(V bits, formats::Field<kBits, kRun, kM, O>,
                             const X* HWY_RESTRICT x) {
    using Shifts = LaneBitShifts<formats::FieldPos<kBits, kRun, O>, kJ, kShare,
                                 kAt, formats::MemberBytes(kM)>;
    static constexpr Shifts kShifts;
    constexpr int kMask = ((1 << kBits) - 1) << kAt;
    const V moved{_mm512_multishift_epi64_epi8(hn::Load(D8(), kShifts.from).raw,
                                               EightBytes<Shifts>(x->*kM).raw)};
    return hn::OrAnd(bits, moved, hn::Set(D8(), static_cast<uint8_t>(kMask)));
  }
  template <size_t kJ, size_t kShare, int kAt = 0, int k, class E, class X>
  static HWY_INLINE V Fields(V bits, formats::Shl<k, E>,
                             const X* HWY_RESTRICT x) {
    return Fields<kJ, kShare, kAt + k>(bits, E(), x);
  }
  template <size_t kJ, size_t kShare, int kAt = 0, class A, class B, class X>
  static HWY_INLINE V Fields(V bits, formats::Or<A, B>,
                             const X* HWY_RESTRICT x) {
    return Fields<kJ, kShare, kAt>(Fields<kJ, kShare, kAt>(bits, A(), x), B(),
                                   x);
  }
  template <class Shifts>
  static HWY_INLINE hn::Vec<D64> EightBytes(
      const uint8_t* HWY_RESTRICT member) {
    const D64 d64;
    if constexpr (Shifts::kAll) {
      return hn::Set(d64, formats::Load64(member + Shifts::kEight));
    } else {
      const auto v = hn::BitCast(d64, hn::LoadU(D8(), member));
      return Shifts::kEight == 0 ? hn::DupEven(v) : hn::DupOdd(v);
    }
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_LANE_ORDER

#endif  // NIBBLE_SIMD_LANE_MACHINE_INL_H_
