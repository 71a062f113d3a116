// SPDX-License-Identifier: MIT
// Nodes: where a format's bits lie, as types.
//
// A format's codes, scales, mins and signs are *types* built from these nodes.
// Machines evaluate them: Scalar and Quad (machines.h), Simd
// (simd/machine-inl.h), and the inverse, Store (machines.h). Types and not
// functions, because a function in a header that is included once carries no
// target attribute and compilers then refuse to inline it into SIMD code.
#ifndef NIBBLE_FORMATS_NODES_H_
#define NIBBLE_FORMATS_NODES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#ifdef __CUDACC__
#define NIBBLE_HD __host__ __device__
#else
#define NIBBLE_HD
#endif

// Inlined into SIMD code, these loops are compiled for its target.
#ifdef _MSC_VER
#define NIBBLE_INLINE __forceinline
#else
#define NIBBLE_INLINE inline __attribute__((always_inline))
#endif

namespace nibble {
namespace formats {

// ---- Storage: byte arrays only, so a Block may lie at any address.

// A little-endian 16-bit word (fp16 scales, mostly).
struct Word16 {
  uint8_t bytes[2];
};
// A little-endian word at an address of which only a multiple of kAlign is
// known. Devices have no unaligned loads: what is not promised becomes byte
// loads there, while on a CPU it makes no difference.
template <class Word, size_t kAlign>
NIBBLE_HD inline Word LoadAligned(const void* p) {
#ifdef __CUDA_ARCH__  // nvcc does not always believe the assumption below
  if constexpr (kAlign >= alignof(Word)) return *static_cast<const Word*>(p);
#endif
  constexpr size_t kKnown = kAlign < alignof(Word) ? kAlign : alignof(Word);
  Word v;
  memcpy(&v, __builtin_assume_aligned(p, kKnown), sizeof(v));
  return v;
}
NIBBLE_HD inline uint16_t Load16(const void* p) {
  return LoadAligned<uint16_t, 1>(p);
}
NIBBLE_HD inline uint32_t Load32(const void* p) {
  return LoadAligned<uint32_t, 1>(p);
}
NIBBLE_HD inline uint64_t Load64(const void* p) {
  return LoadAligned<uint64_t, 1>(p);
}

template <class Block, class Member>
constexpr size_t MemberBytes(Member Block::*) {
  return sizeof(Member);
}

// ---- Code nodes. Element e of a node is one small integer.

// Which of the fields of a byte a run uses first, second ...: see Field.
template <int... kOrder>
struct FieldOrder {};
struct InOrder {};

// kBits-wide fields packed run-major: kRun bytes hold 8 / kBits * kRun
// elements; one field of every byte of the run first, then the next field.
// kRun = 1 is plain sequential packing, lowest bits first.
template <int kBits, int kRun, auto kMember, class Order = InOrder>
struct Field {};

// Element e is bits [kShift, kShift + kBits) of byte kFirst + e: for scales that
// share their bytes with something else.
template <int kBits, int kShift, auto kMember, int kFirst = 0>
struct Bits {};

// Elements [0, kCount) are those of A, the rest are those of B (counted from 0).
template <int kCount, class A, class B>
struct Halves {};

// E << kShift.
template <int kShift, class E>
struct Shl {};

// A | B; their bits are disjoint and A holds the lower ones.
template <class A, class B>
struct Or {};

// kValue, whatever the block holds: a min per block that needs no multiplier.
template <int kValue>
struct Constant {};

// The 8-bit pattern of E read as a signed byte.
template <class E>
struct Signed {};

// E, all its bits inverted where the bit Sign is set: a magnitude and a sign as
// a signed byte, v or -v - 1. With a step of 2 and a base of 1 that is
// +-(2 v + 1).
template <class E, class Sign>
struct SignedBy {};

// Eight signed bytes per word, by value: nvcc cannot index a host constexpr
// array. 8, 16, 32 or 64 entries; shorter tables are repeated (LutOf).
template <class E, uint64_t... kWords>
struct Lut {};
template <uint64_t kLo, uint64_t kHi, class E>
using Lut16 = Lut<E, kLo, kHi>;

// Element e is a field of a record of kRecord bytes, of which there are kPer: bits
// [kFirst + kPitch * i, + kBits) of record e / kPer, i = e % kPer, in the record's
// 16- or 32-bit words (a field lies in one of them, the same for all i).
template <int kBits, int kFirst, int kPer, int kPitch, int kRecord,
          auto kMember>
struct RecordField {};
// A field in every 16-bit word.
template <int kBits, int kFirst, auto kMember>
using WordField = RecordField<kBits, kFirst, 1, 0, 2, kMember>;

// kBits-wide numbers E with every bit turned.
template <int kBits, class E>
struct Inverted {};

// Element e is the bit E[e / kGroup]: a bit per group of elements.
template <int kGroup, class E>
struct Each {};

// Several elements at once: element e is byte e % dim of point Index[e / dim] of
// a Grid (formats/grids.h), dim being the bytes of a point, 4 or 8.
template <class Grid, class Index>
struct GridPoints {};

// E, a Field whose bytes are read through a Gray code: every little-endian u16
// word, without its lowest bit, is v ^ (v >> 1). All words of an even number of
// ones have such a form; the lowest bits are free for LowBits.
template <class E>
struct Gray {};

// Element s is bits [kShift, kShift + kBits) of the byte that the lowest bits of
// u16 words 8 s .. 8 s + 7 make.
template <int kBits, int kShift, auto kMember>
struct LowBits {};

// Two elements at once: element p of Index selects a pair, byte e % 2 of which is
// element e = 2 p + 0 or 1, signed. Grid::Pair(index) is a uint16_t.
template <class Grid, class Index>
struct PairLut {};

// Ternary digits, several to a byte: element e is digit Layout::Digit(e), the
// most significant first, of the number I < 243 that byte Layout::Byte(e) of the
// member stores as ceil(256 I / 243). Layout::kElements of them to a block.
template <class Layout, auto kMember>
struct Base3 {};

// kGroup weights at once, grown from the seed Index[e / kGroup] of 16 bits or
// less (formats/trellis.h); kMagnitude: without their signs.
template <int kGroup, class Index, bool kMagnitude = false>
struct Trellis {};

// Eight bits of eight bytes: element g has the bits of 8 g .. 8 g + 7, where bit
// i of the member's bytes are the bits i * (its bytes) and so on.
template <auto kMember>
struct BitPlanes {};

// ---- Sign nodes. Element e is negative if its bit is set.

// Seven[e / 8] are the signs of the first seven of eight elements; the eighth
// makes the number of minus signs even.
template <class Seven>
struct ParitySigns {};
// Eight[e / 8] are the signs of eight elements.
template <class Eight>
struct FreeSigns {};

// No signs of their own.
struct NoSigns {};
// No codes: every sub-block has multiplier 1, no min, no shift.
struct NoCodes {};

// ---- Positions: the arithmetic of Field, usable at compile and at run time.

template <int kBits, int kRun, class Order = InOrder>
struct FieldPos {
  static constexpr size_t kPer = 8 / kBits;
  static NIBBLE_HD constexpr size_t Byte(size_t e) {
    return e / (kRun * kPer) * kRun + e % kRun;
  }
  static NIBBLE_HD constexpr int Shift(size_t e) {
    return kBits * Slot(static_cast<int>(e / kRun % kPer), Order());
  }

 private:
  static NIBBLE_HD constexpr int Slot(int i, InOrder) { return i; }
  template <int a, int b, int c, int d>
  static NIBBLE_HD constexpr int Slot(int i, FieldOrder<a, b, c, d>) {
    return i == 0 ? a : i == 1 ? b : i == 2 ? c : d;
  }
};

// 3^n for n < 5.
NIBBLE_HD constexpr uint32_t PowerOf3(int n) {
  return n == 0 ? 1 : n == 1 ? 3 : n == 2 ? 9 : n == 3 ? 27 : 81;
}

// Two u16 words read as Gray does.
NIBBLE_HD inline uint32_t FromGray(uint32_t two_words) {
  const uint32_t v = two_words & 0xFFFEFFFEu;
  return v ^ ((v >> 1) & 0x7FFF7FFFu);
}
// The inverse for one word of an even number of ones; bit 0 is then 0.
NIBBLE_HD inline uint32_t ToGray(uint32_t word) {
  word ^= word >> 1;
  word ^= word >> 2;
  word ^= word >> 4;
  return word ^ (word >> 8);
}

// The lowest bits of the eight u16 words at p as a byte. The products of each
// half do not overlap.
template <size_t kAlign>
NIBBLE_HD inline uint32_t LowByte(const uint8_t* p) {
  constexpr uint64_t kMask = 0x0001000100010001u, kGather = 0x0001000200040008u;
  const uint64_t low = LoadAligned<uint64_t, kAlign>(p) & kMask;
  const uint64_t high = LoadAligned<uint64_t, kAlign>(p + 8) & kMask;
  return static_cast<uint32_t>(((low * kGather) >> 48) & 15) |
         static_cast<uint32_t>(((high * kGather) >> 44) & 240);
}

template <int kBits, int kFirst, int kPer, int kPitch, int kRecord>
struct RecordPos {
  static constexpr int kWord = kRecord < 4 ? kRecord : 4;  // bytes of a word
  static constexpr int kWordBits = 8 * kWord;
  static_assert(kRecord % kWord == 0, "records of 1, 2 or 4 * n bytes");
  static_assert(kFirst % kWordBits + kPitch * (kPer - 1) + kBits <= kWordBits,
                "all fields lie in one word");
  static constexpr uint32_t kMask = (1u << kBits) - 1;
  static NIBBLE_HD constexpr size_t Byte(size_t e) {
    return e / kPer * kRecord + kFirst / kWordBits * kWord;
  }
  static NIBBLE_HD constexpr int Shift(size_t e) {
    return kFirst % kWordBits + kPitch * static_cast<int>(e % kPer);
  }
  // The word at p, an address with the alignment kAlign.
  template <size_t kAlign>
  static NIBBLE_HD uint32_t Load(const uint8_t* p) {
    if constexpr (kWord == 1) {
      return *p;
    } else if constexpr (kWord == 2) {
      return LoadAligned<uint16_t, kAlign>(p);
    } else {
      return LoadAligned<uint32_t, kAlign>(p);
    }
  }
};

// Eight table entries as a word of a Lut.
constexpr uint64_t PackBytes(const int8_t* t) {
  uint64_t r = 0;
  for (int i = 7; i >= 0; --i) r = (r << 8) | static_cast<uint8_t>(t[i]);
  return r;
}
// The same from entry `first` of a table that repeats itself.
template <size_t kCount>
constexpr uint64_t PackBytes(const int8_t (&t)[kCount], size_t first) {
  uint64_t r = 0;
  for (size_t i = 8; i-- > 0;) {
    r = (r << 8) | static_cast<uint8_t>(t[(first + i) % kCount]);
  }
  return r;
}

// The Lut of an array: LutOf<kTable, E>.
template <const auto& kTable, class E,
          class = std::make_index_sequence<(sizeof(kTable) + 7) / 8>>
struct MakeLut;
template <const auto& kTable, class E, size_t... i>
struct MakeLut<kTable, E, std::index_sequence<i...>> {
  using type = Lut<E, PackBytes(kTable, 8 * i)...>;
};
template <const auto& kTable, class E>
using LutOf = typename MakeLut<kTable, E>::type;

// The entries of a Lut, for code that is not a machine's.
template <uint64_t... kWords>
struct LutEntries {
  static constexpr int kSize = 8 * sizeof...(kWords);
  static NIBBLE_HD constexpr uint64_t Word(int i) {
    const uint64_t words[] = {kWords...};
    return words[i];
  }
  static NIBBLE_HD constexpr int At(int i) {
    return static_cast<int8_t>((Word(i / 8) >> (8 * (i % 8))) & 255);
  }
  // Distinct entries, in ascending order; what follows repeats them.
  static constexpr int Count() {
    int n = 1;
    while (n < kSize && At(n) > At(n - 1)) ++n;
    return n;
  }
  static constexpr int Highest() {
    int highest = At(0);
    for (int i = 1; i < kSize; ++i) highest = At(i) > highest ? At(i) : highest;
    return highest;
  }
  static constexpr int Lowest() {
    int lowest = At(0);
    for (int i = 1; i < kSize; ++i) lowest = At(i) < lowest ? At(i) : lowest;
    return lowest;
  }
  static constexpr int kCount = Count();
  static constexpr int kHighest = Highest();
  static constexpr int kLowest = Lowest();
};

// ---- What a node is made of, for the machines.

template <class E>
struct IsSigned {
  static constexpr bool value = false;
};
template <class E>
struct IsSigned<Signed<E>> {
  static constexpr bool value = true;
};
template <class E, class Sign>
struct IsSigned<SignedBy<E, Sign>> {
  static constexpr bool value = true;
};
template <class Grid, class Index>
struct IsSigned<PairLut<Grid, Index>> {
  static constexpr bool value = true;
};
template <class E, uint64_t... kWords>
struct IsSigned<Lut<E, kWords...>> {
  static constexpr bool value = true;
};

// The entries of a table; kSize = 0 for codes that are none.
template <class E>
struct TableOf {
  static constexpr int kSize = 0, kHighest = 0;
};
template <class E, uint64_t... kWords>
struct TableOf<Lut<E, kWords...>> : LutEntries<kWords...> {};

template <int kGroup, class Index>
struct IsSigned<Trellis<kGroup, Index, false>> {
  static constexpr bool value = true;
};

// What is stored of E: the code in front of tables and before it gets a sign.
template <class E>
struct StoredOf {
  using type = E;
};
template <class E>
struct StoredOf<Signed<E>> : StoredOf<E> {};
template <class E, uint64_t... kWords>
struct StoredOf<Lut<E, kWords...>> : StoredOf<E> {};

template <class E>
struct IsConstant {
  static constexpr bool value = false;
};
template <int kValue>
struct IsConstant<Constant<kValue>> {
  static constexpr bool value = true;
};

// Bits of the stored code of one element.
template <class E>
struct Width;
template <int kBits, int kRun, auto kMember, class Order>
struct Width<Field<kBits, kRun, kMember, Order>> {
  static constexpr int value = kBits;
};
template <int kBits, int kShift, auto kMember, int kFirst>
struct Width<Bits<kBits, kShift, kMember, kFirst>> {
  static constexpr int value = kBits;
};
template <int kCount, class A, class B>
struct Width<Halves<kCount, A, B>> {
  static constexpr int value = Width<A>::value;
};
template <int kShift, class E>
struct Width<Shl<kShift, E>> {
  static constexpr int value = kShift + Width<E>::value;
};
template <class A, class B>
struct Width<Or<A, B>> {
  static constexpr int value = Width<B>::value;
};
template <class E>
struct Width<Signed<E>> : Width<E> {};
template <class E, class Sign>
struct Width<SignedBy<E, Sign>> {
  static constexpr int value = Width<E>::value + 1;
};
template <class E, uint64_t... kWords>
struct Width<Lut<E, kWords...>> : Width<E> {};
template <class E>
struct Width<Gray<E>> : Width<E> {};
template <class Grid, class Index>
struct Width<PairLut<Grid, Index>> : Width<Index> {};
template <class Layout, auto kMember>
struct Width<Base3<Layout, kMember>> {
  static constexpr int value = 2;
};
template <int kBits, int kShift, auto kMember>
struct Width<LowBits<kBits, kShift, kMember>> {
  static constexpr int value = kBits;
};
template <int kBits, int kFirst, int kPer, int kPitch, int kRecord,
          auto kMember>
struct Width<RecordField<kBits, kFirst, kPer, kPitch, kRecord, kMember>> {
  static constexpr int value = kBits;
};
template <int kBits, class E>
struct Width<Inverted<kBits, E>> : Width<E> {};
template <int kGroup, class E>
struct Width<Each<kGroup, E>> : Width<E> {};
template <class Grid, class Index>
struct Width<GridPoints<Grid, Index>> {
  static constexpr int value = 8;
};
template <int kGroup, class Index, bool kMagnitude>
struct Width<Trellis<kGroup, Index, kMagnitude>> {
  static constexpr int value = 8;
};

// The grid of a format's codes, if it has one.
template <class Codes>
struct GridOf {
  static constexpr bool kIsGrid = false;
};
template <class G, class I>
struct GridOf<GridPoints<G, I>> {
  static constexpr bool kIsGrid = true;
  using Grid = G;
  using Points = GridPoints<G, I>;
  using Index = I;
  using Shifts = NoCodes;  // one bit per group, a part of the codes
  static constexpr size_t kDim = sizeof(typename G::Point);
};
template <int kGroup, class I, bool kMagnitude>
struct GridOf<Trellis<kGroup, I, kMagnitude>> {
  static constexpr bool kIsGrid = false;  // but stored in groups all the same
  using Index = I;
  using Shifts = NoCodes;
  static constexpr size_t kDim = kGroup;
};
template <int kShift, int kGroup, class E, class Points>
struct GridOf<Or<Shl<kShift, Each<kGroup, E>>, Points>> : GridOf<Points> {
  using Shifts = E;
  static constexpr int kShiftStep = 1 << kShift;
};

// What a trellis is made of.
template <class Codes>
struct TrellisOf {
  static constexpr bool kIsTrellis = false;
};
template <int kSize, class Index, bool kIsMagnitude>
struct TrellisOf<Trellis<kSize, Index, kIsMagnitude>> {
  static constexpr bool kIsTrellis = true, kMagnitude = kIsMagnitude;
  static constexpr int kGroup = kSize, kBits = Width<Index>::value;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_NODES_H_
