// SPDX-License-Identifier: MIT
// Machines that need no SIMD target: Scalar, Quad and Store.
//
// Scalar evaluates one element (the reference; tails; device code), Quad four
// elements in the bytes of a 32-bit word (sub-block scales on the CPU, dp4a
// operands on the GPU), Store puts a code back where Scalar would read it.
#ifndef NIBBLE_FORMATS_MACHINES_H_
#define NIBBLE_FORMATS_MACHINES_H_

#include "nibble/formats/nodes.h"
#include "nibble/formats/trellis.h"

namespace nibble {
namespace formats {

NIBBLE_HD inline uint32_t Repeat8(uint32_t byte) { return byte * 0x01010101u; }

// ---- One element at a time.
struct Scalar {
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD int Eval(Field<kBits, kRun, kM, O>, const B& b, size_t e) {
    using P = FieldPos<kBits, kRun, O>;
    return ((b.*kM)[P::Byte(e)] >> P::Shift(e)) & ((1 << kBits) - 1);
  }
  template <int kBits, int kShift, auto kM, int kFirst, class B>
  static NIBBLE_HD int Eval(Bits<kBits, kShift, kM, kFirst>, const B& b,
                            size_t e) {
    return ((b.*kM)[kFirst + e] >> kShift) & ((1 << kBits) - 1);
  }
  template <int kCount, class A, class C, class B>
  static NIBBLE_HD int Eval(Halves<kCount, A, C>, const B& b, size_t e) {
    return e < kCount ? Eval(A(), b, e) : Eval(C(), b, e - kCount);
  }
  template <int kShift, class E, class B>
  static NIBBLE_HD int Eval(Shl<kShift, E>, const B& b, size_t e) {
    return Eval(E(), b, e) << kShift;
  }
  template <class A, class C, class B>
  static NIBBLE_HD int Eval(Or<A, C>, const B& b, size_t e) {
    return Eval(A(), b, e) | Eval(C(), b, e);
  }
  template <int kValue, class B>
  static NIBBLE_HD int Eval(Constant<kValue>, const B&, size_t) {
    return kValue;
  }
  template <class E, class B>
  static NIBBLE_HD int Eval(Signed<E>, const B& b, size_t e) {
    return static_cast<int8_t>(Eval(E(), b, e));
  }
  template <class E, class S, class B>
  static NIBBLE_HD int Eval(SignedBy<E, S>, const B& b, size_t e) {
    return Eval(E(), b, e) ^ -Eval(S(), b, e);
  }
  template <class E, uint64_t... kWords, class B>
  static NIBBLE_HD int Eval(Lut<E, kWords...>, const B& b, size_t e) {
    return LutEntries<kWords...>::At(Eval(E(), b, e));
  }
  template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
            class B>
  static NIBBLE_HD int Eval(
      RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>, const B& b,
      size_t e) {
    using P = RecordPos<kBits, kFirst, kPer, kPitch, kRecord>;
    const uint32_t word = P::template Load<1>((b.*kM) + P::Byte(e));
    return static_cast<int>((word >> P::Shift(e)) & P::kMask);
  }
  template <int kBits, class E, class B>
  static NIBBLE_HD int Eval(Inverted<kBits, E>, const B& b, size_t e) {
    return Eval(E(), b, e) ^ ((1 << kBits) - 1);
  }
  template <int kGroup, class E, class B>
  static NIBBLE_HD int Eval(Each<kGroup, E>, const B& b, size_t e) {
    return Eval(E(), b, e / kGroup);
  }
  template <class Grid, class Index, class B>
  static NIBBLE_HD int Eval(GridPoints<Grid, Index>, const B& b, size_t e) {
    constexpr size_t kDim = sizeof(typename Grid::Point);
    const int index = Eval(Index(), b, e / kDim);
    const auto point = Grid::At(static_cast<uint32_t>(index));
    return static_cast<int>((point >> (8 * (e % kDim))) & 255);
  }
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD int Eval(Gray<Field<kBits, kRun, kM, O>>, const B& b,
                            size_t e) {
    using P = FieldPos<kBits, kRun, O>;
    const size_t byte = P::Byte(e);
    const uint32_t word = FromGray(Load16((b.*kM) + byte / 2 * 2));
    const size_t shift = 8 * (byte % 2) + static_cast<size_t>(P::Shift(e));
    return static_cast<int>((word >> shift) & ((1u << kBits) - 1));
  }
  template <int kBits, int kShift, auto kM, class B>
  static NIBBLE_HD int Eval(LowBits<kBits, kShift, kM>, const B& b, size_t s) {
    const uint32_t byte = LowByte<1>((b.*kM) + 16 * s);
    return static_cast<int>((byte >> kShift) & ((1u << kBits) - 1));
  }
  template <class Grid, class Index, class B>
  static NIBBLE_HD int Eval(PairLut<Grid, Index>, const B& b, size_t e) {
    const uint32_t pair =
        Grid::Pair(static_cast<uint32_t>(Eval(Index(), b, e / 2)));
    return static_cast<int8_t>(pair >> (8 * (e % 2)));
  }
  template <class Layout, auto kM, class B>
  static NIBBLE_HD int Eval(Base3<Layout, kM>, const B& b, size_t e) {
    const uint32_t byte = (b.*kM)[Layout::Byte(e)];
    const uint32_t fraction = (byte * PowerOf3(Layout::Digit(e))) & 255;
    return static_cast<int>((fraction * 3) >> 8);
  }
  template <int kGroup, class Index, bool kMagnitude, class B>
  static NIBBLE_HD int Eval(Trellis<kGroup, Index, kMagnitude>, const B& b,
                            size_t e) {
    const int index = Eval(Index(), b, e / kGroup);
    const int v = TrellisGenerator::Value(static_cast<uint32_t>(index),
                                          e % kGroup);
    return kMagnitude && v < 0 ? -v : v;
  }
  template <auto kM, class B>
  static NIBBLE_HD int Eval(BitPlanes<kM>, const B& b, size_t g) {
    constexpr size_t kGroups = MemberBytes(kM) / 8;
    int bits = 0;
    for (size_t i = 0; i < 8; ++i) {
      bits |= (((b.*kM)[g % kGroups * 8 + i] >> (g / kGroups)) & 1) << i;
    }
    return bits;
  }

  // Is element e negative?
  template <class B>
  static NIBBLE_HD bool Negative(NoSigns, const B&, size_t) {
    return false;
  }
  template <class Seven, class B>
  static NIBBLE_HD bool Negative(ParitySigns<Seven>, const B& b, size_t e) {
    const int seven = Eval(Seven(), b, e / 8);
    return ((WithParity(static_cast<uint32_t>(seven)) >> (e % 8)) & 1) != 0;
  }
  template <class Eight, class B>
  static NIBBLE_HD bool Negative(FreeSigns<Eight>, const B& b, size_t e) {
    return ((Eval(Eight(), b, e / 8) >> (e % 8)) & 1) != 0;
  }

  // Seven bits and, as bit 7, the bit that makes the count of ones even.
  static NIBBLE_HD uint32_t WithParity(uint32_t seven) {
    uint32_t p = seven ^ (seven >> 4);
    p ^= p >> 2;
    p ^= p >> 1;
    return seven | ((p & 1) << 7);
  }
};

// Bytes of hi:lo (numbered 7 .. 0) chosen by the low four nibbles of `select`,
// all below 8.
NIBBLE_HD inline uint32_t BytePermute(uint32_t lo, uint32_t hi,
                                      uint32_t select) {
#ifdef __CUDA_ARCH__
  return __byte_perm(lo, hi, select);
#else
  const uint64_t bytes = (static_cast<uint64_t>(hi) << 32) | lo;
  uint32_t r = 0;
  for (int i = 0; i < 4; ++i) {
    const int from = static_cast<int>((select >> (4 * i)) & 7);
    r |= (static_cast<uint32_t>(bytes >> (8 * from)) & 255u) << (8 * i);
  }
  return r;
#endif
}

// Bytes of the table `Entries` from its word kFirst on, indexed by the low bits
// of the bytes of `index`: three of them for one word, four for two ...
template <class Entries, int kFirst = 0, int kWords = Entries::kSize / 8>
NIBBLE_HD inline uint32_t LookupBytes(uint32_t index) {
  if constexpr (kWords <= 2) {
    // The indices as nibbles; a permute takes their low three bits, and a third
    // one merges both halves of the table by their high bits.
    uint32_t nibbles = index & 0x0F0F0F0Fu;
    nibbles = (nibbles | (nibbles >> 4)) & 0x00FF00FFu;
    nibbles |= nibbles >> 8;
    const uint32_t low3 = nibbles & 0x7777u;
    constexpr uint64_t kLo = Entries::Word(kFirst);
    constexpr uint64_t kHi = Entries::Word(kFirst + kWords - 1);
    const uint32_t lo = BytePermute(static_cast<uint32_t>(kLo),
                                    static_cast<uint32_t>(kLo >> 32), low3);
    if constexpr (kWords == 1) return lo;
    const uint32_t hi = BytePermute(static_cast<uint32_t>(kHi),
                                    static_cast<uint32_t>(kHi >> 32), low3);
    return BytePermute(lo, hi, ((nibbles >> 1) & 0x4444u) | 0x3210u);
  } else {
    constexpr int kHalf = kWords / 2, kBit = kHalf == 2 ? 4 : 5;
    static_assert(kHalf == 2 || kHalf == 4, "tables have 64 entries at most");
    const uint32_t lo = LookupBytes<Entries, kFirst, kHalf>(index);
    const uint32_t hi = LookupBytes<Entries, kFirst + kHalf, kHalf>(index);
    const uint32_t high = ((index >> kBit) & 0x01010101u) * 255u;
    return lo ^ ((lo ^ hi) & high);
  }
}

// Bits 0..3 to bit 0 of the bytes: the products do not overlap.
NIBBLE_HD inline uint32_t SpreadBits(uint32_t four) {
  return (four * 0x00204081u) & 0x01010101u;
}

// The lowest bits of the four bytes to bits 0..3.
NIBBLE_HD inline uint32_t GatherBits(uint32_t bytes) {
  return ((bytes & 0x01010101u) * 0x10204080u) >> 28;
}

// ---- Elements e .. e + 3 in the bytes of a word; e is a multiple of 4.
//
// kAlign is what the address of the block is a multiple of, and with it the
// offsets inside it of the arrays that are read: see LoadAligned.
template <size_t kAlign>
struct AlignedQuad {
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD uint32_t Eval(Field<kBits, kRun, kM, O>, const B& b,
                                 size_t e) {
    using P = FieldPos<kBits, kRun, O>;
    if constexpr (kRun >= 4) {  // four neighbours share shift and are adjacent
      const uint32_t w =
          LoadAligned<uint32_t, kAlign>((b.*kM) + P::Byte(e)) >> P::Shift(e);
      return w & Repeat8((1u << kBits) - 1);
    } else {
      static_assert(kRun == 1, "runs of 2 would need a case of their own");
      return Spread<kBits>((b.*kM) + P::Byte(e), P::Shift(e));
    }
  }
  template <int kBits, int kShift, auto kM, int kFirst, class B>
  static NIBBLE_HD uint32_t Eval(Bits<kBits, kShift, kM, kFirst>, const B& b,
                                 size_t e) {
    return (LoadAligned<uint32_t, kAlign>((b.*kM) + kFirst + e) >> kShift) &
           Repeat8((1u << kBits) - 1);
  }
  template <int kCount, class A, class C, class B>
  static NIBBLE_HD uint32_t Eval(Halves<kCount, A, C>, const B& b, size_t e) {
    static_assert(kCount % 4 == 0, "a quad lies in one half");
    return e < kCount ? Eval(A(), b, e) : Eval(C(), b, e - kCount);
  }
  template <int kShift, class E, class B>
  static NIBBLE_HD uint32_t Eval(Shl<kShift, E>, const B& b, size_t e) {
    return Eval(E(), b, e) << kShift;
  }
  template <class A, class C, class B>
  static NIBBLE_HD uint32_t Eval(Or<A, C>, const B& b, size_t e) {
    return Eval(A(), b, e) | Eval(C(), b, e);
  }
  template <int kValue, class B>
  static NIBBLE_HD uint32_t Eval(Constant<kValue>, const B&, size_t) {
    return Repeat8(kValue);
  }
  template <class E, class B>
  static NIBBLE_HD uint32_t Eval(Signed<E>, const B& b, size_t e) {
    return Eval(E(), b, e);
  }
  template <class E, class S, class B>
  static NIBBLE_HD uint32_t Eval(SignedBy<E, S>, const B& b, size_t e) {
    return Eval(E(), b, e) ^ (Eval(S(), b, e) * 255u);
  }
  template <class E, uint64_t... kWords, class B>
  static NIBBLE_HD uint32_t Eval(Lut<E, kWords...>, const B& b, size_t e) {
    return LookupBytes<LutEntries<kWords...>>(Eval(E(), b, e));
  }
  template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
            class B>
  static NIBBLE_HD uint32_t Eval(
      RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM> node, const B& b,
      size_t e) {
    static_assert(kBits <= 8, "a code is a byte");
    return Number(node, b, e) | (Number(node, b, e + 1) << 8) |
           (Number(node, b, e + 2) << 16) | (Number(node, b, e + 3) << 24);
  }
  template <int kBits, class E, class B>
  static NIBBLE_HD uint32_t Eval(Inverted<kBits, E>, const B& b, size_t e) {
    return Eval(E(), b, e) ^ Repeat8((1u << kBits) - 1);
  }
  template <int kGroup, class E, class B>
  static NIBBLE_HD uint32_t Eval(Each<kGroup, E>, const B& b, size_t e) {
    static_assert(kGroup % 4 == 0, "a quad lies in one group");
    return Repeat8(Number(E(), b, e / kGroup));
  }
  template <class Grid, class Index, class B>
  static NIBBLE_HD uint32_t Eval(GridPoints<Grid, Index>, const B& b,
                                 size_t e) {
    constexpr size_t kDim = sizeof(typename Grid::Point);
    const auto point = Grid::At(Number(Index(), b, e / kDim));
    return static_cast<uint32_t>(point >> (8 * (e % kDim)));
  }

  template <int kGroup, class Index, bool kMagnitude, class B>
  static NIBBLE_HD uint32_t Eval(Trellis<kGroup, Index, kMagnitude>,
                                 const B& b, size_t e) {
    using T = TrellisGenerator;
    uint32_t x = Number(Index(), b, e / kGroup) + T::kFirst;
    if (e % kGroup != 0) x *= T::Power(4);
    uint32_t quad = 0;
    for (int i = 0; i < 4; ++i) {
      x *= T::kFactor;
      const int v = static_cast<int>(T::Sum(x)) - T::kZero;
      const uint32_t byte =
          static_cast<uint8_t>(kMagnitude && v < 0 ? -v : v);
      quad |= byte << (8 * i);
    }
    return quad;
  }

  // One element, of any width: Scalar with wider loads.
  template <class Node, class B>
  static NIBBLE_HD uint32_t Number(Node node, const B& b, size_t e) {
    return static_cast<uint32_t>(Scalar::Eval(node, b, e));
  }
  template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
            class B>
  static NIBBLE_HD uint32_t Number(
      RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>, const B& b,
      size_t e) {
    using P = RecordPos<kBits, kFirst, kPer, kPitch, kRecord>;
    const uint32_t word = P::template Load<kAlign>((b.*kM) + P::Byte(e));
    return (word >> P::Shift(e)) & P::kMask;
  }
  template <int kShift, class E, class B>
  static NIBBLE_HD uint32_t Number(Shl<kShift, E>, const B& b, size_t e) {
    return Number(E(), b, e) << kShift;
  }
  template <class A, class C, class B>
  static NIBBLE_HD uint32_t Number(Or<A, C>, const B& b, size_t e) {
    return Number(A(), b, e) | Number(C(), b, e);
  }

  template <auto kM, class B>
  static NIBBLE_HD uint32_t Number(BitPlanes<kM>, const B& b, size_t g) {
    constexpr size_t kGroups = MemberBytes(kM) / 8;
    const uint8_t* p = (b.*kM) + g % kGroups * 8;
    const uint32_t low = LoadAligned<uint32_t, kAlign>(p) >> (g / kGroups);
    const uint32_t high =
        LoadAligned<uint32_t, kAlign>(p + 4) >> (g / kGroups);
    return GatherBits(low) | (GatherBits(high) << 4);
  }

  // The signs of elements 8 g .. 8 g + 7, a bit each.
  template <class Seven, class B>
  static NIBBLE_HD uint32_t SignsOf(ParitySigns<Seven>, const B& b, size_t g) {
    return Scalar::WithParity(Number(Seven(), b, g));
  }
  template <class Eight, class B>
  static NIBBLE_HD uint32_t SignsOf(FreeSigns<Eight>, const B& b, size_t g) {
    return Number(Eight(), b, g);
  }
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD uint32_t Eval(Gray<Field<kBits, kRun, kM, O>>, const B& b,
                                 size_t e) {
    using P = FieldPos<kBits, kRun, O>;
    static_assert(kRun % 4 == 0, "two words hold a quad");
    const uint32_t words =
        FromGray(LoadAligned<uint32_t, kAlign>((b.*kM) + P::Byte(e)));
    return (words >> P::Shift(e)) & Repeat8((1u << kBits) - 1);
  }
  template <int kBits, int kShift, auto kM, class B>
  static NIBBLE_HD uint32_t Eval(LowBits<kBits, kShift, kM>, const B& b,
                                 size_t s) {
    uint32_t bytes = 0;
    for (size_t i = 4; i-- > 0;) {
      bytes = (bytes << 8) | LowByte<kAlign>((b.*kM) + 16 * (s + i));
    }
    return (bytes >> kShift) & Repeat8((1u << kBits) - 1);
  }
  template <class Grid, class Index, class B>
  static NIBBLE_HD uint32_t Eval(PairLut<Grid, Index>, const B& b, size_t e) {
    const auto pair = [&](size_t p) {
      return Grid::Pair(static_cast<uint32_t>(Scalar::Eval(Index(), b, p)));
    };
    return pair(e / 2) | (static_cast<uint32_t>(pair(e / 2 + 1)) << 16);
  }
  template <class Layout, auto kM, class B>
  static NIBBLE_HD uint32_t Eval(Base3<Layout, kM> node, const B& b, size_t e) {
    uint32_t four = 0;
    for (size_t i = 4; i-- > 0;) {
      const int digit = Scalar::Eval(node, b, e + i);
      four = (four << 8) | static_cast<uint32_t>(digit);
    }
    return four;
  }

  // 0xFF in the bytes of negative elements, else 0.
  template <class B>
  static NIBBLE_HD uint32_t Negative(NoSigns, const B&, size_t) {
    return 0;
  }
  template <class Signs, class B>
  static NIBBLE_HD uint32_t Negative(Signs signs, const B& b, size_t e) {
    return SpreadBits((SignsOf(signs, b, e / 8) >> (e & 4)) & 15) * 255u;
  }

 private:
  // Four consecutive kBits-wide fields that start at bit `shift` of *p.
  template <int kBits>
  static NIBBLE_HD uint32_t Spread(const uint8_t* p, int shift) {
    if constexpr (kBits == 1) {
      return SpreadBits((static_cast<uint32_t>(*p) >> shift) & 15);
    } else if constexpr (kBits == 2) {
      uint32_t v = *p;
      v = (v | (v << 12)) & 0x000F000Fu;
      return (v | (v << 6)) & 0x03030303u;
    } else {
      static_assert(kBits == 4, "sequential fields are 1, 2 or 4 bits wide");
      uint32_t v = LoadAligned<uint16_t, kAlign>(p);
      v = (v | (v << 8)) & 0x00FF00FFu;
      return (v | (v << 4)) & 0x0F0F0F0Fu;
    }
  }
};
using Quad = AlignedQuad<1>;

// Which element is digit n of byte i; kElements where none is. To go through
// bytes and not through elements halves the time of IQ1_BN: each sum stays in a
// register.
template <class Layout, size_t kBytes>
struct Base3Elements {
  struct Table {
    uint16_t of[kBytes][5] = {};
    constexpr Table() {
      for (auto& digits : of) {
        for (uint16_t& e : digits) e = Layout::kElements;
      }
      for (size_t e = 0; e < Layout::kElements; ++e) {
        of[Layout::Byte(e)][Layout::Digit(e)] = static_cast<uint16_t>(e);
      }
    }
  };
  static constexpr Table kTable{};
};

// ---- The inverse of Scalar: puts codes where Scalar would read them.
//
// Bits are or-ed in (those of Gray words xor-ed: the code is linear), so a block
// starts as zeros. Tables store the index; grids
// store the point's index at the first element of each group.
struct Store {
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD void Put(Field<kBits, kRun, kM, O>, B& b, size_t e,
                            uint32_t code) {
    using P = FieldPos<kBits, kRun, O>;
    OrByte<kBits>((b.*kM)[P::Byte(e)], P::Shift(e), code);
  }
  template <int kBits, int kShift, auto kM, int kFirst, class B>
  static NIBBLE_HD void Put(Bits<kBits, kShift, kM, kFirst>, B& b, size_t e,
                            uint32_t code) {
    OrByte<kBits>((b.*kM)[kFirst + e], kShift, code);
  }
  template <int kCount, class A, class C, class B>
  static NIBBLE_HD void Put(Halves<kCount, A, C>, B& b, size_t e,
                            uint32_t code) {
    if (e < kCount) {
      Put(A(), b, e, code);
    } else {
      Put(C(), b, e - kCount, code);
    }
  }
  template <int kShift, class E, class B>
  static NIBBLE_HD void Put(Shl<kShift, E>, B& b, size_t e, uint32_t code) {
    Put(E(), b, e, code >> kShift);
  }
  template <class A, class C, class B>
  static NIBBLE_HD void Put(Or<A, C>, B& b, size_t e, uint32_t code) {
    Put(A(), b, e, code);
    Put(C(), b, e, code);
  }
  template <int kValue, class B>
  static NIBBLE_HD void Put(Constant<kValue>, B&, size_t, uint32_t) {}
  template <class E, class B>
  static NIBBLE_HD void Put(Signed<E>, B& b, size_t e, uint32_t code) {
    Put(E(), b, e, code);
  }
  template <class E, class S, class B>
  static NIBBLE_HD void Put(SignedBy<E, S>, B& b, size_t e, uint32_t code) {
    const uint32_t sign = (code >> 7) & 1;  // of a byte
    Put(E(), b, e, code ^ (0 - sign));
    Put(S(), b, e, sign);
  }
  template <class E, uint64_t... kWords, class B>
  static NIBBLE_HD void Put(Lut<E, kWords...>, B& b, size_t e,
                            uint32_t index) {
    Put(E(), b, e, index);
  }
  template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
            class B>
  static NIBBLE_HD void Put(
      RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>, B& b, size_t e,
      uint32_t code) {
    using P = RecordPos<kBits, kFirst, kPer, kPitch, kRecord>;
    uint8_t* p = (b.*kM) + P::Byte(e);
    const uint32_t word = (code & P::kMask) << P::Shift(e);
    for (int i = 0; i < P::kWord; ++i) {
      p[i] = static_cast<uint8_t>(p[i] | (word >> (8 * i)));
    }
  }
  // Zeroes the bits of one element.
  template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
            class B>
  static NIBBLE_HD void Clear(
      RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>, B& b, size_t e) {
    using P = RecordPos<kBits, kFirst, kPer, kPitch, kRecord>;
    uint8_t* p = (b.*kM) + P::Byte(e);
    const uint32_t word = ~(P::kMask << P::Shift(e));
    for (int i = 0; i < P::kWord; ++i) {
      p[i] = static_cast<uint8_t>(p[i] & (word >> (8 * i)));
    }
  }
  template <int kBits, class E, class B>
  static NIBBLE_HD void Put(Inverted<kBits, E>, B& b, size_t e, uint32_t code) {
    Put(E(), b, e, code ^ ((1u << kBits) - 1));
  }
  template <class Grid, class Index, class B>
  static NIBBLE_HD void Put(GridPoints<Grid, Index>, B& b, size_t e,
                            uint32_t index) {
    Put(Index(), b, e / sizeof(typename Grid::Point), index);
  }
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD void Put(Gray<Field<kBits, kRun, kM, O>>, B& b, size_t e,
                            uint32_t code) {
    using P = FieldPos<kBits, kRun, O>;
    const size_t byte = P::Byte(e);
    const size_t shift = 8 * (byte % 2) + static_cast<size_t>(P::Shift(e));
    XorWord((b.*kM) + byte / 2 * 2,
            ToGray((code & ((1u << kBits) - 1)) << shift));
  }
  template <int kBits, int kShift, auto kM, class B>
  static NIBBLE_HD void Put(LowBits<kBits, kShift, kM>, B& b, size_t s,
                            uint32_t code) {
    for (size_t i = 0; i < kBits; ++i) {
      XorWord((b.*kM) + 16 * s + 2 * (kShift + i), (code >> i) & 1);
    }
  }
  // The index goes in with the first element of its pair.
  template <class Grid, class Index, class B>
  static NIBBLE_HD void Put(PairLut<Grid, Index>, B& b, size_t e,
                            uint32_t index) {
    if (e % 2 == 0) Put(Index(), b, e / 2, index);
  }
  template <class Layout, auto kM, class B>
  static NIBBLE_HD void Put(Base3<Layout, kM>, B& b, size_t e,
                            uint32_t digit) {
    uint8_t& byte = (b.*kM)[Layout::Byte(e)];
    const uint32_t number =
        byte * 243u / 256u + digit * PowerOf3(4 - Layout::Digit(e));
    byte = static_cast<uint8_t>((256 * number + 242) / 243);
  }
  template <int kGroup, class Index, bool kMagnitude, class B>
  static NIBBLE_HD void Put(Trellis<kGroup, Index, kMagnitude>, B& b, size_t e,
                            uint32_t index) {
    Put(Index(), b, e / kGroup, index);
  }
  // All elements of a group bring the same number.
  template <int kGroup, class E, class B>
  static NIBBLE_HD void Put(Each<kGroup, E>, B& b, size_t e, uint32_t code) {
    Put(E(), b, e / kGroup, code);
  }
  template <auto kM, class B>
  static NIBBLE_HD void Put(BitPlanes<kM>, B& b, size_t g, uint32_t bits) {
    constexpr size_t kGroups = MemberBytes(kM) / 8;
    for (size_t i = 0; i < 8; ++i) {
      OrByte<1>((b.*kM)[g % kGroups * 8 + i], static_cast<int>(g / kGroups),
                bits >> i);
    }
  }
  // All signs of a group of 8 at once: bit k of `mask` set if element e + k < 0.
  template <class Seven, class B>
  static NIBBLE_HD void PutSigns(ParitySigns<Seven>, B& b, size_t e,
                                 uint32_t mask) {
    Put(Seven(), b, e / 8, mask & 127);
  }
  template <class Eight, class B>
  static NIBBLE_HD void PutSigns(FreeSigns<Eight>, B& b, size_t e,
                                 uint32_t mask) {
    Put(Eight(), b, e / 8, mask);
  }
  template <class B>
  static NIBBLE_HD void PutSigns(NoSigns, B&, size_t, uint32_t) {}

  // Codes of a whole block, in element order. Same result as Put for each, in
  // loops over the bytes of a run that compilers turn into vectors.
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_INLINE NIBBLE_HD void PutAll(Field<kBits, kRun, kM, O>, B& b,
                               const uint8_t* codes, int right = 0) {
    using P = FieldPos<kBits, kRun, O>;
    constexpr size_t kBytes = MemberBytes(kM), kPer = P::kPer;
    constexpr uint32_t kMask = (1u << kBits) - 1;
    if constexpr (kBits == 1 && kRun == 1) {
      // Eight bits at once: the multiplication gathers bit 0 of byte i in bit
      // 56 + i (bytewise it costs Q5_0 a fifth of its time).
      for (size_t i = 0; i < kBytes; ++i) {
        const uint64_t eight =
            (Load64(codes + 8 * i) >> right) & 0x0101010101010101ull;
        (b.*kM)[i] = static_cast<uint8_t>(
            (b.*kM)[i] | ((eight * 0x0102040810204080ull) >> 56));
      }
      return;
    }
    for (size_t first = 0; first < kBytes; first += kRun) {
      uint8_t* out = (b.*kM) + first;
      for (size_t f = 0; f < kPer; ++f) {
        const size_t e = (first * kPer) + f * kRun;
        const int shift = P::Shift(e);
        for (int j = 0; j < kRun; ++j) {
          const uint32_t code = (codes[e + j] >> right) & kMask;
          out[j] = static_cast<uint8_t>(out[j] | (code << shift));
        }
      }
    }
  }
  template <int kShift, class E, class B>
  static NIBBLE_INLINE NIBBLE_HD void PutAll(Shl<kShift, E>, B& b, const uint8_t* codes,
                               int right = 0) {
    PutAll(E(), b, codes, right + kShift);
  }
  template <class A, class C, class B>
  static NIBBLE_INLINE NIBBLE_HD void PutAll(Or<A, C>, B& b, const uint8_t* codes,
                               int right = 0) {
    PutAll(A(), b, codes, right);
    PutAll(C(), b, codes, right);
  }
  template <class E, class B>
  static NIBBLE_INLINE NIBBLE_HD void PutAll(Signed<E>, B& b, const uint8_t* codes,
                               int right = 0) {
    PutAll(E(), b, codes, right);
  }
  template <class E, uint64_t... kWords, class B>
  static NIBBLE_INLINE NIBBLE_HD void PutAll(Lut<E, kWords...>, B& b,
                                             const uint8_t* codes,
                                             int right = 0) {
    PutAll(E(), b, codes, right);
  }
  template <class E, class B>
  static NIBBLE_INLINE NIBBLE_HD void PutAll(Gray<E>, B& b,
                                             const uint8_t* codes,
                                             int right = 0) {
    B plain{};
    PutAll(E(), plain, codes, right);
    XorGray(E(), b, plain);
  }
  // codes: the index of a pair with its first element.
  template <class Grid, class Index, class B>
  static NIBBLE_INLINE NIBBLE_HD void PutAll(PairLut<Grid, Index>, B& b,
                                             const uint8_t* codes) {
    uint8_t pairs[Grid::kBlockPairs];
    for (size_t p = 0; p < Grid::kBlockPairs; ++p) pairs[p] = codes[2 * p];
    PutAll(Index(), b, pairs);
  }
  // Not for devices, which cannot index the table.
  template <class Layout, auto kM, class B>
  static NIBBLE_INLINE void PutAll(Base3<Layout, kM>, B& b,
                                   const uint8_t* codes) {
    using Elements = Base3Elements<Layout, MemberBytes(kM)>;
    uint8_t padded[Layout::kElements + 1];  // and a zero
    memcpy(padded, codes, Layout::kElements);
    padded[Layout::kElements] = 0;
    for (size_t i = 0; i < MemberBytes(kM); ++i) {
      uint32_t number = 0;
      for (size_t n = 0; n < 5; ++n) {
        number = 3 * number + padded[Elements::kTable.of[i][n]];
      }
      (b.*kM)[i] = static_cast<uint8_t>((256 * number + 242) / 243);
    }
  }

 private:
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_INLINE NIBBLE_HD void XorGray(Field<kBits, kRun, kM, O>, B& b,
                                              const B& plain) {
    for (size_t i = 0; i < MemberBytes(kM); i += 2) {
      XorWord((b.*kM) + i, ToGray(Load16((plain.*kM) + i)));
    }
  }
  static NIBBLE_HD void XorWord(uint8_t* p, uint32_t v) {
    p[0] = static_cast<uint8_t>(p[0] ^ v);
    p[1] = static_cast<uint8_t>(p[1] ^ (v >> 8));
  }
  template <int kBits>
  static NIBBLE_HD void OrByte(uint8_t& byte, int shift, uint32_t code) {
    const uint32_t v = (code & ((1u << kBits) - 1)) << shift;
    byte = static_cast<uint8_t>(byte | v);
  }
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_MACHINES_H_
