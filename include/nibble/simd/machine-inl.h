// SPDX-License-Identifier: MIT
// The SIMD machine: evaluates a Codes type to a vector of bytes. With dot-inl.h
// the only place that knows bit tricks and differences between targets.
#if defined(NIBBLE_SIMD_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_MACHINE_INL_H_
#undef NIBBLE_SIMD_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/order.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Where the bytes and bits of positions [kE, kE + n) of a chunk are: all known
// at compile time. `kAt` is the bit the field shall end up at.
template <class FieldNode, class Order, size_t kE, int kAt = 0>
struct FieldMap;
template <int kBits, int kRun, auto kM, class O, class Order, size_t kE,
          int kAt>
struct FieldMap<formats::Field<kBits, kRun, kM, O>, Order, kE, kAt> {
  using P = formats::FieldPos<kBits, kRun, O>;
  static constexpr size_t kElems = formats::MemberBytes(kM) * P::kPer;
  static constexpr size_t Element(size_t i) { return Order::Logical(kE + i); }
  static constexpr size_t Block() { return Element(0) / kElems; }
  static constexpr size_t First() { return P::Byte(Element(0) % kElems); }
  // Distinct for distinct blocks: 8-bit codes would otherwise look contiguous
  // across block borders.
  static constexpr size_t Byte(size_t i) {
    return Element(i) / kElems * 65536 + P::Byte(Element(i) % kElems);
  }
  static constexpr int Right(size_t i) {
    return P::Shift(Element(i) % kElems) - kAt;
  }
  // Do the bytes of n lanes repeat, one after the other, every `period` lanes?
  static constexpr bool Repeats(size_t n, size_t period) {
    for (size_t i = 0; i < n; ++i) {
      if (Byte(i) != Byte(0) + i % period) return false;
    }
    return true;
  }
  static constexpr bool OneBlock(size_t n) {
    return Element(0) / kElems == Element(n - 1) / kElems;
  }
  static constexpr bool UniformShift(size_t n) {
    for (size_t i = 0; i < n; ++i) {
      if (Right(i) != Right(0)) return false;
    }
    return true;
  }
  static constexpr bool AllRight(size_t n) {
    for (size_t i = 0; i < n; ++i) {
      if (Right(i) < 0) return false;
    }
    return true;
  }
};

// Rotations to the right, one per 32-bit lane (four neighbours share a shift).
template <class Map>
struct LaneShifts {
  alignas(64) uint32_t right[16] = {};
  constexpr LaneShifts() {
    for (size_t i = 0; i < 16; ++i) {
      right[i] = static_cast<uint32_t>(Map::Right(4 * i)) & 31;
    }
  }
};

// Shifts to the right of the fields of elements kG, kG + 1, ...
template <class Pos, size_t kG, int kPer, class T>
struct RecordShifts {
  alignas(64) hwy::MakeUnsigned<T> right[16] = {};
  constexpr RecordShifts() {
    for (size_t i = 0; i < 16; ++i) {
      right[i] = static_cast<hwy::MakeUnsigned<T>>(Pos::Shift(kG + i));
    }
  }
};

#undef NIBBLE_LOOKUP_INLINE
#if HWY_TARGET == HWY_SSE2
#define NIBBLE_LOOKUP_INLINE HWY_NOINLINE
#else
#define NIBBLE_LOOKUP_INLINE HWY_INLINE
#endif

// Evaluates positions [kE, kE + lanes) of the 256-weight chunk that starts at
// block x (several small blocks, or one of 256), in the element order `Order`.
// kBias flips the top bit of signed codes: code + 128, for unsigned multiplies.
template <class D8, class Order = LogicalOrder>
struct Simd {
  using V = hn::Vec<D8>;
  static constexpr size_t kN = HWY_MAX_LANES_D(D8);

  // -- Fields: the bytes that hold the positions, shared bytes repeated.
  template <class F, size_t kE, auto kM, class D, class X>
  static HWY_INLINE hn::Vec<D> Raw(D d, const X* HWY_RESTRICT x) {
    using Map = FieldMap<F, Order, kE>;
    constexpr size_t n = HWY_MAX_LANES_D(D);
    const uint8_t* HWY_RESTRICT p = (x[Map::Block()].*kM) + Map::First();
    if constexpr (Map::Repeats(n, n)) {
      return hn::LoadU(d, p);
    } else if constexpr (Map::Repeats(n, 8)) {
      const hn::Repartition<uint64_t, D> d64;
      return hn::BitCast(d, hn::Set(d64, formats::Load64(p)));
    } else if constexpr (Map::Repeats(n, 16)) {
      return hn::LoadDup128(d, p);
    } else {
      static_assert(n > 16, "fields must be contiguous within 16 bytes");
      const hn::Half<D> dh;
      const auto lo = Raw<F, kE, kM>(dh, x);
      if constexpr (Map::Repeats(n, n / 2)) {
        return hn::Combine(d, lo, lo);
      } else {
        return hn::Combine(d, Raw<F, kE + n / 2, kM>(dh, x), lo);
      }
    }
  }

  // -- Field bits moved to bit kAt, neighbours not yet masked off.
  template <size_t kE, int kAt, int kBits, int kRun, auto kM, class O, class X>
  static HWY_INLINE V Moved(formats::Field<kBits, kRun, kM, O>,
                            const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    using Map = FieldMap<F, Order, kE, kAt>;
    return Shifted<Map>(Raw<F, kE, kM>(D8(), x));
  }
  template <class Map>
  static HWY_INLINE V Shifted(V raw) {
    const D8 d8;
    const hn::Repartition<uint32_t, D8> d32;
    const auto v = hn::BitCast(d32, raw);
    if constexpr (Map::UniformShift(kN)) {
      constexpr int kRight = Map::Right(0);
      if constexpr (kRight > 0) {
        return hn::BitCast(d8, hn::ShiftRight<kRight>(v));
      } else if constexpr (kRight < 0) {
        return hn::BitCast(d8, hn::ShiftLeft<-kRight>(v));
      } else {
        return hn::BitCast(d8, v);
      }
    } else {
      static constexpr LaneShifts<Map> kShifts;
      const auto right = hn::Load(d32, kShifts.right);
      if constexpr (Map::AllRight(kN)) {
        return hn::BitCast(d8, hn::Shr(v, right));
      } else {
        return hn::BitCast(d8, hn::Ror(v, right));
      }
    }
  }

  // -- One stored bit per element, in element order (Q5_0's high bits).
  template <size_t kE, int kAt, auto kM, class D, class X>
  static HWY_INLINE hn::Vec<D> ExpandBits(D d, const X* HWY_RESTRICT x) {
    using Map = FieldMap<formats::Field<1, 1, kM>, Order, kE>;
    static_assert(std::is_same<Order, LogicalOrder>::value,
                  "bits are in element order");
    constexpr size_t n = HWY_MAX_LANES_D(D);
    if constexpr (Map::OneBlock(n)) {
      const auto mask =
          hn::LoadMaskBits(d, (x[Map::Block()].*kM) + Map::First());
      return hn::IfThenElseZero(mask, hn::Set(d, uint8_t{1} << kAt));
    } else {
      const hn::Half<D> dh;
      return hn::Combine(d, ExpandBits<kE + n / 2, kAt, kM>(dh, x),
                         ExpandBits<kE, kAt, kM>(dh, x));
    }
  }

  // -- Two stored bits per element, in element order (Q2_0): a byte per 32-bit
  // lane, whose fields shifts and masks move to bytes of their own.
  template <size_t kE, int kAt, auto kM, class X>
  static HWY_INLINE V ExpandPairs(const X* HWY_RESTRICT x) {
    using Map = FieldMap<formats::Field<2, 1, kM>, Order, kE>;
    static_assert(std::is_same<Order, LogicalOrder>::value,
                  "sequential fields are in element order");
    static_assert(Map::OneBlock(kN), "a vector lies in one block");
    const hn::Repartition<uint32_t, D8> d32;
    const hn::Rebind<uint8_t, decltype(d32)> bytes;
    const uint8_t* HWY_RESTRICT p = (x[Map::Block()].*kM) + Map::First();
    auto v = hn::PromoteTo(d32, hn::LoadU(bytes, p));
    v = hn::And(hn::Or(v, hn::ShiftLeft<12>(v)), hn::Set(d32, 0x000F000Fu));
    v = hn::And(hn::Or(v, hn::ShiftLeft<6>(v)), hn::Set(d32, 0x03030303u));
    return hn::BitCast(D8(), hn::ShiftLeft<kAt>(v));
  }

  template <size_t kE, int kAt = 0, bool kBias = false, int kBits, int kRun,
            auto kM, class O, class X>
  static HWY_INLINE V Eval(formats::Field<kBits, kRun, kM, O> f,
                           const X* HWY_RESTRICT x) {
    if constexpr (kRun == 1 && kBits == 2) {
      return ExpandPairs<kE, kAt, kM>(x);
    } else if constexpr (kRun == 1) {
      static_assert(kBits == 1, "wider sequential fields have no case yet");
      return ExpandBits<kE, kAt, kM>(D8(), x);
    } else {
      const V v = Moved<kE, kAt>(f, x);
      if constexpr (kBits == 8) {
        return v;
      } else {
        constexpr int kMask = ((1 << kBits) - 1) << kAt;
        return hn::And(v, hn::Set(D8(), static_cast<uint8_t>(kMask)));
      }
    }
  }
  template <size_t kE, int kAt = 0, bool kBias = false, int k, class E, class X>
  static HWY_INLINE V Eval(formats::Shl<k, E>, const X* HWY_RESTRICT x) {
    return Eval<kE, kAt + k>(E(), x);
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class A, class B,
            class X>
  static HWY_INLINE V Eval(formats::Or<A, B>, const X* HWY_RESTRICT x) {
    return OrNext<kE, kAt>(Eval<kE, kAt>(A(), x), B(), x);
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class E, class X>
  static HWY_INLINE V Eval(formats::Signed<E>, const X* HWY_RESTRICT x) {
    const V v = Eval<kE>(E(), x);
    if constexpr (kBias) {
      return hn::Xor(v, hn::Set(D8(), uint8_t{0x80}));
    } else {
      return v;
    }
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class E,
            uint64_t... kWords, class X>
  static HWY_INLINE V Eval(formats::Lut<E, kWords...>,
                           const X* HWY_RESTRICT x) {
    using Entries = formats::LutEntries<kWords...>;
    return Lookup<Entries, kBias>(Eval<kE>(E(), x));
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Index,
            class X>
  static HWY_INLINE V Eval(formats::GridPoints<Grid, Index>,
                           const X* HWY_RESTRICT x) {
    static_assert(kAt == 0 && std::is_same<Order, LogicalOrder>::value,
                  "grid points are whole bytes in element order");
    return GridBytes<Grid, Index, kE / sizeof(typename Grid::Point)>(D8(), x);
  }
  template <size_t kE, int kAt = 0, bool kBias = false, int kGroup, class E,
            class X>
  static HWY_INLINE V Eval(formats::Each<kGroup, E>, const X* HWY_RESTRICT x) {
    static_assert(kGroup == 8 && formats::Width<E>::value == 1,
                  "a bit per 64-bit lane");
    return EachBytes<E, kE / kGroup, kAt>(D8(), x);
  }
  template <size_t kE, int kAt = 0, bool kBias = false, int kBits, int kRun,
            auto kM, class O, class X>
  static HWY_INLINE V Eval(formats::Gray<formats::Field<kBits, kRun, kM, O>>,
                           const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    const D8 d8;
    const hn::Repartition<uint16_t, D8> d16;
    const auto w = hn::And(hn::BitCast(d16, Raw<F, kE, kM>(d8, x)),
                           hn::Set(d16, uint16_t{0xFFFE}));
    const auto plain = hn::BitCast(d8, hn::Xor(w, hn::ShiftRight<1>(w)));
    constexpr int kMask = ((1 << kBits) - 1) << kAt;
    return hn::And(Shifted<FieldMap<F, Order, kE, kAt>>(plain),
                   hn::Set(d8, static_cast<uint8_t>(kMask)));
  }
  // Half a vector of indices, looked up twice: both halves of the pairs.
  template <size_t kE, int kAt = 0, bool kBias = false, class Grid,
            class Index, class X>
  static HWY_INLINE V Eval(formats::PairLut<Grid, Index>,
                           const X* HWY_RESTRICT x) {
    static_assert(std::is_same<Order, LogicalOrder>::value,
                  "pairs are in element order");
    const D8 d8;
    const hn::Repartition<uint16_t, D8> d16;
    using DH = hn::Rebind<uint8_t, decltype(d16)>;
    const auto index = Simd<DH>::template Eval<kE / 2>(Index(), x);
    const auto first = PairMember<Grid, kBias ? 0x80 : 0>(DH(), index, 0);
    const auto second = PairMember<Grid, kBias ? 0x80 : 0>(DH(), index, 1);
    return hn::BitCast(
        d8, hn::Or(hn::PromoteTo(d16, first),
                   hn::ShiftLeft<8>(hn::PromoteTo(d16, second))));
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class Layout, auto kM,
            class X>
  static HWY_INLINE V Eval(formats::Base3<Layout, kM>,
                           const X* HWY_RESTRICT x) {
    static_assert(std::is_same<Order, LogicalOrder>::value,
                  "digits are in element order");
    return Digits<kE, Layout, kM>(D8(), x);
  }
  template <size_t kE, int kAt = 0, bool kBias = false, int kGroup, class Index,
            bool kMagnitude, class X>
  static HWY_INLINE V Eval(formats::Trellis<kGroup, Index, kMagnitude>,
                           const X* HWY_RESTRICT x) {
    static_assert(kAt == 0 && std::is_same<Order, LogicalOrder>::value,
                  "whole bytes in element order");
    static_assert(!(kMagnitude && kBias), "magnitudes have no bias");
    return TrellisBytes<kE, kGroup, Index, kMagnitude, kBias>(x);
  }

 private:
  // Members of pairs: sixteen-entry lookups of either half of the grid.
  template <class Grid, uint8_t kFlip>
  struct PairTables {
    alignas(16) uint8_t member[2][2][16] = {};  // [member][index / 16][index]
    constexpr PairTables() {
      for (uint32_t i = 0; i < 32; ++i) {
        for (int m = 0; m < 2; ++m) {
          member[m][i / 16][i % 16] =
              static_cast<uint8_t>((Grid::kPairs[i] >> (8 * m)) ^ kFlip);
        }
      }
    }
  };
  template <class Grid, uint8_t kFlip, class DH>
  static HWY_INLINE hn::Vec<DH> PairMember(DH dh, hn::Vec<DH> index, int m) {
    static constexpr PairTables<Grid, kFlip> kTables;
    const hn::CappedTag<uint8_t, 16> d16;
    // Tables may be longer than half a vector.
    const auto table = [&](int half) HWY_ATTR {
      if constexpr (HWY_MAX_LANES_D(DH) >= 16) {
        return hn::LoadDup128(dh, kTables.member[m][half]);
      } else {
        return hn::Load(d16, kTables.member[m][half]);
      }
    };
    const auto low_bits = hn::And(index, hn::Set(dh, uint8_t{15}));
    const auto upper = hn::Gt(index, hn::Set(dh, uint8_t{15}));
    return hn::IfThenElse(upper, hn::TableLookupBytes(table(1), low_bits),
                          hn::TableLookupBytes(table(0), low_bits));
  }

  // Where the bytes of sixteen digits are in the sixteen bytes that are loaded
  // for them, and what moves each digit to the top.
  template <class Layout, size_t kFirst, size_t kBytes>
  struct DigitMap {
    static constexpr size_t kLast = kBytes < 16 ? 0 : kBytes - 16;
    static constexpr size_t kFrom =
        Layout::Byte(kFirst) < kLast ? Layout::Byte(kFirst) : kLast;
    alignas(16) uint8_t index[16] = {};
    alignas(16) uint16_t even[8] = {}, odd[8] = {};
    constexpr DigitMap() {
      for (size_t i = 0; i < 16; ++i) {
        index[i] = static_cast<uint8_t>(Layout::Byte(kFirst + i) - kFrom);
        (i % 2 == 0 ? even : odd)[i / 2] = static_cast<uint16_t>(
            formats::PowerOf3(Layout::Digit(kFirst + i)));
      }
    }
  };
  template <size_t kE, class Layout, auto kM, class D, class X>
  static HWY_INLINE hn::Vec<D> Digits(D d, const X* HWY_RESTRICT x) {
    constexpr size_t n = HWY_MAX_LANES_D(D);
    if constexpr (n > 16) {
      const hn::Half<D> dh;
      return hn::Combine(d, Digits<kE + n / 2, Layout, kM>(dh, x),
                         Digits<kE, Layout, kM>(dh, x));
    } else {
      static_assert(n == 16, "sixteen digits at a time");
      constexpr size_t kBytes = formats::MemberBytes(kM);
      using Map = DigitMap<Layout, kE % Layout::kElements, kBytes>;
      static constexpr Map kMap;
      const hn::Repartition<uint16_t, D> d16;
      const uint8_t* p = x[kE / Layout::kElements].*kM;
      const auto v = hn::BitCast(
          d16, hn::TableLookupBytes(DigitBytes<kBytes>(d, p + Map::kFrom),
                                    hn::Load(d, kMap.index)));
      // (byte * power mod 256) * 3 / 256, even and odd bytes apart.
      const auto low = hn::Set(d16, uint16_t{255});
      const auto three = hn::Set(d16, uint16_t{3});
      const auto digit = [&](auto byte, const uint16_t* power) HWY_ATTR {
        const auto moved =
            hn::And(hn::Mul(byte, hn::Load(d16, power)), low);
        return hn::Mul(moved, three);
      };
      const auto even = hn::ShiftRight<8>(digit(hn::And(v, low), kMap.even));
      const auto odd = digit(hn::ShiftRight<8>(v), kMap.odd);
      return hn::BitCast(d, hn::Or(even, hn::AndNot(low, odd)));
    }
  }
  // Sixteen bytes at p, or the kBytes that there are.
  template <size_t kBytes, class D>
  static HWY_INLINE hn::Vec<D> DigitBytes(D d, const uint8_t* p) {
    if constexpr (kBytes >= 16) {
      return hn::LoadU(d, p);
    } else {
      static_assert(kBytes >= 8, "two overlapping words");
      const hn::Repartition<uint64_t, D> d64;
      const uint64_t high =
          formats::Load64(p + kBytes - 8) >> (8 * (16 - kBytes));
      return hn::BitCast(
          d, hn::Dup128VecFromValues(d64, formats::Load64(p), high));
    }
  }

  // -- Trellis codes: a seed in every 32-bit lane, times its power of K. Vector k
  // of four has weights 4 k .. 4 k + 3 of every 16, so that packing in blocks of
  // 128 bits puts all in order.

  // The seeds of weights kE .. in 16-bit parts; a block has those of its four
  // groups of 4, or the two (and two neighbours) of its groups of 8.
  template <size_t kE, int kGroup, class Index, class D, class X>
  static HWY_INLINE hn::Vec<D> Seeds(D d64, const X* HWY_RESTRICT x) {
    constexpr size_t n = HWY_MAX_LANES_D(D), kFirst = kE / kGroup / 4 * 4;
    if constexpr (n == 2 || (n == 4 && kGroup == 8)) {
      return hn::Set(d64, formats::Quad16::Eval(Index(), *x, kFirst));
    } else {
      const hn::Half<D> dh;
      return hn::Combine(d64, Seeds<kE + 4 * n, kGroup, Index>(dh, x),
                         Seeds<kE, kGroup, Index>(dh, x));
    }
  }
  // For vector kK: which bytes of the seeds go where, and the powers.
  template <size_t kE, int kGroup, size_t kK>
  struct TrellisLanes {
    alignas(64) uint8_t bytes[64] = {};
    alignas(64) uint32_t power[16] = {};
    constexpr TrellisLanes() {
      for (size_t lane = 0; lane < 16; ++lane) {
        const size_t e = kE + lane / 4 * 16 + 4 * kK + lane % 4;
        const size_t part = e / kGroup % 4;
        bytes[4 * lane] = static_cast<uint8_t>(2 * part);
        bytes[4 * lane + 1] = static_cast<uint8_t>(2 * part + 1);
        bytes[4 * lane + 2] = bytes[4 * lane + 3] = 0x80;  // zero
        power[lane] = formats::TrellisGenerator::Power(e % kGroup + 1);
      }
    }
  };
  // Sums of pairs of bytes, 0 .. 126, of vector kK.
  template <size_t kE, int kGroup, size_t kK, class V64>
  static HWY_INLINE hn::Vec<hn::Repartition<int16_t, D8>> TrellisPairs(
      V64 seeds) {
    using T = formats::TrellisGenerator;
    static constexpr TrellisLanes<kE, kGroup, kK> kLanes;
    const D8 d8;
    const hn::Repartition<uint32_t, D8> d32;
    const hn::Repartition<int16_t, D8> d16;
    const auto seed = hn::BitCast(
        d32, hn::TableLookupBytesOr0(hn::BitCast(d8, seeds),
                                     hn::Load(d8, kLanes.bytes)));
    const auto grown = hn::Mul(hn::Add(seed, hn::Set(d32, T::kFirst)),
                               hn::Load(d32, kLanes.power));
    const auto six = hn::And(grown, hn::Set(d32, T::kMask));
    return hn::SatWidenMulPairwiseAdd(
        d16, hn::BitCast(d8, six), hn::Set(hn::RebindToSigned<D8>(), 1));
  }
  template <size_t kE, int kGroup, class Index, bool kMagnitude, bool kBias,
            class X>
  static HWY_INLINE V TrellisBytes(const X* HWY_RESTRICT x) {
    const D8 d8;
    const hn::RebindToSigned<D8> di8;
    const hn::Repartition<int16_t, D8> d16;
    const auto ones = hn::Set(di8, 1);
    const auto seeds = Seeds<kE, kGroup, Index>(
        hn::Repartition<uint64_t, D8>(), x);
    const auto low = hn::ReorderDemote2To(
        d8, TrellisPairs<kE, kGroup, 0>(seeds),
        TrellisPairs<kE, kGroup, 1>(seeds));
    const auto high = hn::ReorderDemote2To(
        d8, TrellisPairs<kE, kGroup, 2>(seeds),
        TrellisPairs<kE, kGroup, 3>(seeds));
    const V sums = hn::ReorderDemote2To(
        d8, hn::SatWidenMulPairwiseAdd(d16, low, ones),
        hn::SatWidenMulPairwiseAdd(d16, high, ones));
    constexpr int kShift =
        (kBias ? 128 : 0) - formats::TrellisGenerator::kZero;
    const V v = hn::Add(sums, hn::Set(d8, static_cast<uint8_t>(kShift)));
    if constexpr (kMagnitude) {
      return hn::BitCast(d8, hn::Abs(hn::BitCast(di8, v)));
    } else {
      return v;
    }
  }

  // The second operand's mask and the Or are one ternary-logic instruction.
  template <size_t kE, int kAt, int k, int kBits, int kRun, auto kM, class O,
            class X>
  static HWY_INLINE V OrNext(V low,
                             formats::Shl<k, formats::Field<kBits, kRun, kM, O>>,
                             const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    if constexpr (kRun == 1) {
      return hn::Or(low, Eval<kE, kAt + k>(F(), x));
    } else {
      constexpr int kMask = ((1 << kBits) - 1) << (kAt + k);
      return hn::OrAnd(low, Moved<kE, kAt + k>(F(), x),
                       hn::Set(D8(), static_cast<uint8_t>(kMask)));
    }
  }

  // Entries [16 kPart, 16 kPart + 16) of a table, repeated to the whole vector.
  template <class Entries, bool kBias, int kPart>
  static HWY_INLINE V TablePart() {
    constexpr uint64_t kFlip = kBias ? 0x8080808080808080ull : 0;
    constexpr int kLast = Entries::kSize / 8 - 1;
    alignas(16) static constexpr uint64_t kTable[2] = {
        Entries::Word(2 * kPart) ^ kFlip,
        Entries::Word(HWY_MIN(2 * kPart + 1, kLast)) ^ kFlip};
    const hn::Repartition<uint64_t, D8> d64;
    return hn::BitCast(D8(), hn::LoadDup128(d64, kTable));
  }
  // Where `index` has bit kBit set, b, else a.
  template <int kBit>
  static HWY_INLINE V Choose(V index, V a, V b) {
    const hn::Repartition<uint16_t, D8> d16;
    const hn::Repartition<int8_t, D8> di8;
    const auto sign = hn::BitCast(  // the bit becomes that of the byte's sign
        di8, hn::ShiftLeft<7 - kBit>(hn::BitCast(d16, index)));
    return hn::BitCast(D8(),
                       hn::IfNegativeThenElse(sign, hn::BitCast(di8, b),
                                              hn::BitCast(di8, a)));
  }
  // Tables of 16 take one lookup; longer ones a lookup per 16, merged by the
  // upper bits of the index, where no instruction spans them. SSE2 has none at
  // all: sixteen loads, which unrolled kernels call (inlined they made 50 of the
  // 55 KB of a panel's unpacking).
  template <class Entries, bool kBias>
  static NIBBLE_LOOKUP_INLINE V Lookup(V index) {
    if constexpr (Entries::kSize <= 16) {
      return hn::TableLookupBytes(TablePart<Entries, kBias, 0>(), index);
    } else if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL) {
      return Lookup64<Entries, kBias>(index);
    } else {
      // x86 looks at the low four bits; other machines want no more.
      const V low = HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3
                        ? index
                        : hn::And(index, hn::Set(D8(), uint8_t{15}));
      const V a = TwoParts<Entries, kBias, 0>(index, low);
      if constexpr (Entries::kSize == 32) {
        return a;
      } else {
        return Choose<5>(index, a, TwoParts<Entries, kBias, 2>(index, low));
      }
    }
  }
  // One instruction (VBMI), in whole registers whatever the vector.
  template <class Entries>
  struct Table64 {
    alignas(64) uint8_t bytes[64] = {};
    explicit constexpr Table64(int flip) {
      for (int i = 0; i < 64; ++i) {
        bytes[i] =
            static_cast<uint8_t>(Entries::At(i % Entries::kSize) ^ flip);
      }
    }
  };
  template <class Entries, bool kBias>
  static HWY_INLINE V Lookup64(V index) {
    static constexpr Table64<Entries> kTable{kBias ? 0x80 : 0};
    const hn::CappedTag<uint8_t, 64> d64;
    const auto wide = hn::IndicesFromVec(
        d64, hn::ZeroExtendResizeBitCast(d64, D8(), index));
    return hn::ResizeBitCast(
        D8(), hn::TableLookupLanes(hn::Load(d64, kTable.bytes), wide));
  }
  template <class Entries, bool kBias, int kPart>
  static HWY_INLINE V TwoParts(V index, V low) {
    return Choose<4>(
        index, hn::TableLookupBytes(TablePart<Entries, kBias, kPart>(), low),
        hn::TableLookupBytes(TablePart<Entries, kBias, kPart + 1>(), low));
  }

  template <size_t kE, int kAt, class B, class X>
  static HWY_INLINE V OrNext(V low, B, const X* HWY_RESTRICT x) {
    return hn::Or(low, Eval<kE, kAt>(B(), x));
  }

  // -- Numbers of whole groups. AVX-512 computes a vector of them and gathers;
  // elsewhere scalar loads and inserts are faster (prototype: AVX2 14.0 -> 15.3
  // Gweights/s, but AVX3_DL 27 -> 20).
  static constexpr bool kGathers = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;

  template <class Node, class X>
  static HWY_INLINE uint64_t Number(const X& x, size_t group) {
    return formats::Quad::Number(Node(), x, group);
  }

  // The points of groups kG, kG + 1, ...
  template <class Grid, class Index, size_t kG, class D, class X>
  static HWY_INLINE hn::Vec<D> GridBytes(D d, const X* HWY_RESTRICT x) {
    using Point = typename Grid::Point;
    constexpr size_t n = HWY_MAX_LANES_D(D), kDim = sizeof(Point);
    const Point* HWY_RESTRICT grid = Grid::Host();
    if constexpr (kGathers) {
      const hn::Repartition<hwy::MakeSigned<Point>, D> di;
      return hn::BitCast(
          d, hn::GatherIndex(
                 di, reinterpret_cast<const hwy::MakeSigned<Point>*>(grid),
                 Numbers<kG>(di, Index(), x)));
    } else if constexpr (n == 16) {
      const hn::Repartition<uint64_t, D> d64;
      const auto eight = [&](size_t g) HWY_ATTR {
        const uint64_t point = grid[Number<Index>(*x, g)];
        if constexpr (kDim == 8) return point;
        return point | (uint64_t{grid[Number<Index>(*x, g + 1)]} << 32);
      };
      return hn::BitCast(
          d, hn::Dup128VecFromValues(d64, eight(kG), eight(kG + 8 / kDim)));
    } else {
      static_assert(n > 16, "grids need whole 16-byte vectors");
      const hn::Half<D> dh;
      return hn::Combine(d,
                         GridBytes<Grid, Index, kG + n / 2 / kDim>(dh, x),
                         GridBytes<Grid, Index, kG>(dh, x));
    }
  }

  // The bits of groups of eight kG, kG + 1, ..., in all their bytes.
  template <class E, size_t kG, int kAt, class D, class X>
  static HWY_INLINE hn::Vec<D> EachBytes(D d, const X* HWY_RESTRICT x) {
    constexpr size_t n = HWY_MAX_LANES_D(D);
    constexpr uint64_t kOnes = 0x0101010101010101ull << kAt;
    const hn::Repartition<uint64_t, D> d64;
    if constexpr (kGathers) {
      const hn::RebindToSigned<decltype(d64)> di;
      const auto all = hn::Neg(Numbers<kG>(di, E(), x));
      return hn::And(hn::BitCast(d, all), hn::BitCast(d, hn::Set(d64, kOnes)));
    } else if constexpr (n == 16) {
      return hn::BitCast(
          d, hn::Dup128VecFromValues(d64, kOnes * Number<E>(*x, kG),
                                     kOnes * Number<E>(*x, kG + 1)));
    } else {
      static_assert(n > 16, "a group is half of a 16-byte vector");
      const hn::Half<D> dh;
      return hn::Combine(d, EachBytes<E, kG + n / 16, kAt>(dh, x),
                         EachBytes<E, kG, kAt>(dh, x));
    }
  }

  // Elements [kG, kG + lanes) of a description of group numbers.
  template <size_t kG, class DI, int kRun, auto kM, class O, class X>
  static HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Field<8, kRun, kM, O>,
                                        const X* HWY_RESTRICT x) {
    const hn::Rebind<uint8_t, DI> d8;
    return hn::PromoteTo(di, hn::LoadU(d8, (x->*kM) + kG));
  }
  template <size_t kG, class DI, int kBits, auto kM, class O, class X>
  static HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Field<kBits, 1, kM, O>,
                                        const X* HWY_RESTRICT x) {
    return Numbers<kG>(
        di, formats::RecordField<kBits, 0, 8 / kBits, kBits, 1, kM>(), x);
  }
  template <size_t kG, class DI, int kBits, int kFirst, int kPer, int kPitch,
            int kRecord, auto kM, class X>
  static HWY_INLINE hn::Vec<DI> Numbers(
      DI di, formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>,
      const X* HWY_RESTRICT x) {
    using P = formats::RecordPos<kBits, kFirst, kPer, kPitch, kRecord>;
    constexpr size_t n = HWY_MAX_LANES_D(DI);
    const hn::RebindToUnsigned<DI> du;
    const auto mask = hn::Set(di, static_cast<int>(P::kMask));
    if constexpr (kPer == 1 && kRecord == 2) {
      const hn::Rebind<uint16_t, DI> d16;
      const auto word = hn::LoadU(
          d16, reinterpret_cast<const uint16_t*>((x->*kM) + P::Byte(kG)));
      return hn::And(
          hn::ShiftRight<P::Shift(0)>(hn::PromoteTo(di, word)), mask);
    } else {  // a record's word in every lane that takes a field of it
      static constexpr RecordShifts<P, kG, kPer, hn::TFromD<DI>> kShifts;
      HWY_ALIGN hn::TFromD<DI> words[n];
      for (size_t i = 0; i < n; ++i) {
        words[i] = static_cast<hn::TFromD<DI>>(
            P::template Load<1>((x->*kM) + P::Byte(kG + i)));
      }
      const auto word = hn::BitCast(du, hn::Load(di, words));
      return hn::And(
          hn::BitCast(di, hn::Shr(word, hn::Load(du, kShifts.right))), mask);
    }
  }
  template <size_t kG, class DI, int k, class E, class X>
  static HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Shl<k, E>,
                                        const X* HWY_RESTRICT x) {
    return hn::ShiftLeft<k>(Numbers<kG>(di, E(), x));
  }
  template <size_t kG, class DI, class A, class B, class X>
  static HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Or<A, B>,
                                        const X* HWY_RESTRICT x) {
    return hn::Or(Numbers<kG>(di, A(), x), Numbers<kG>(di, B(), x));
  }
  template <size_t kG, class DI, int kBits, class E, class X>
  static HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Inverted<kBits, E>,
                                        const X* HWY_RESTRICT x) {
    return hn::Xor(Numbers<kG>(di, E(), x), hn::Set(di, (1 << kBits) - 1));
  }
};

// Sign bits of a block, one bit per element: either in place or put together in
// `buffer` (kBlock / 8 bytes).
template <int kRun, auto kM, class X>
HWY_INLINE const uint8_t* SignBits(
    formats::FreeSigns<formats::Field<8, kRun, kM>>,
    const X* HWY_RESTRICT x, uint8_t* HWY_RESTRICT /*buffer*/) {
  return x->*kM;
}

// The parity of the low seven bits of every byte (or 16-bit word) of v, as the
// bit above them. By folding, since PopulationCount is slow below AVX3_DL; what
// comes over from the neighbours does not reach bit 0.
template <class D, class V>
HWY_INLINE V EighthSigns(D d, V v, hn::TFromD<D> ones) {
  auto p = hn::Xor(v, hn::ShiftRight<4>(v));
  p = hn::Xor(p, hn::ShiftRight<2>(p));
  p = hn::Xor(p, hn::ShiftRight<1>(p));
  return hn::ShiftLeft<7>(hn::And(p, hn::Set(d, ones)));
}

// Seven bits at kFirst of every 16-bit word.
template <int kFirst, auto kM, class X>
HWY_INLINE const uint8_t* SignBits(
    formats::ParitySigns<formats::WordField<7, kFirst, kM>>,
    const X* HWY_RESTRICT x, uint8_t* HWY_RESTRICT buffer) {
  constexpr size_t kWords = formats::MemberBytes(kM) / 2;
  const hn::CappedTag<uint16_t, 32> d16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  for (size_t i = 0; i < kWords; i += hn::Lanes(d16)) {
    const auto w = hn::LoadU(
        d16, reinterpret_cast<const uint16_t*>(static_cast<const uint8_t*>(
                 x->*kM)) + i);
    const auto seven =
        hn::And(hn::ShiftRight<kFirst>(w), hn::Set(d16, uint16_t{127}));
    const auto all = hn::Or(seven, EighthSigns(d16, seven, 1));
    hn::StoreU(hn::TruncateTo(d8, all), d8, buffer + i);
  }
  return buffer;
}

// A bit of every byte per run of as many weights as there are bytes.
template <auto kM, class X>
HWY_INLINE const uint8_t* SignBits(
    formats::FreeSigns<formats::BitPlanes<kM>>, const X* HWY_RESTRICT x,
    uint8_t* HWY_RESTRICT buffer) {
  constexpr size_t kBytes = formats::MemberBytes(kM);
  const hn::CappedTag<uint8_t, kBytes> d8;
  for (size_t i = 0; i < kBytes; i += hn::Lanes(d8)) {
    auto v = hn::LoadU(d8, (x->*kM) + i);
    for (size_t bit = 0; bit < 8; ++bit) {
      const auto set = hn::TestBit(v, hn::Set(d8, uint8_t{1}));
      hn::StoreMaskBits(d8, set, buffer + (bit * kBytes + i) / 8);
      v = hn::ShiftRight<1>(v);
    }
  }
  return buffer;
}

// Four times seven bits in a 32-bit word of every record.
template <int kFirst, int kRecord, auto kM, class X>
HWY_INLINE const uint8_t* SignBits(
    formats::ParitySigns<formats::RecordField<7, kFirst, 4, 7, kRecord, kM>>,
    const X* HWY_RESTRICT x, uint8_t* HWY_RESTRICT buffer) {
  static_assert(kFirst % 32 == 0 && kRecord % 4 == 0, "one word per record");
  constexpr size_t kRecords = formats::MemberBytes(kM) / kRecord;
  const hn::CappedTag<uint32_t, kRecords> d32;
  const auto byte = [&](auto v, int i) HWY_ATTR {
    return hn::And(v, hn::Set(d32, 127u << (8 * i)));
  };
  HWY_ALIGN uint32_t words[kRecords];
  for (size_t r = 0; r < kRecords; ++r) {
    words[r] = formats::Load32((x->*kM) + r * kRecord + kFirst / 8);
  }
  for (size_t r = 0; r < kRecords; r += hn::Lanes(d32)) {
    const auto w = hn::Load(d32, words + r);
    const auto seven = hn::Or(
        hn::Or(byte(w, 0), byte(hn::ShiftLeft<1>(w), 1)),
        hn::Or(byte(hn::ShiftLeft<2>(w), 2), byte(hn::ShiftLeft<3>(w), 3)));
    const auto all = hn::Or(seven, EighthSigns(d32, seven, 0x01010101u));
    hn::StoreU(all, d32, reinterpret_cast<uint32_t*>(buffer) + r);
  }
  return buffer;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_MACHINE_INL_H_
