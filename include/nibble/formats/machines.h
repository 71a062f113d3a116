// SPDX-License-Identifier: MIT
// Machines that need no SIMD target: Scalar, Quad and Store.
//
// Scalar evaluates one element (the reference; tails; device code), Quad four
// elements in the bytes of a 32-bit word (sub-block scales on the CPU, dp4a
// operands on the GPU), Store puts a code back where Scalar would read it.
#ifndef NIBBLE_FORMATS_MACHINES_H_
#define NIBBLE_FORMATS_MACHINES_H_

#include "nibble/formats/nodes.h"

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
  template <class E, class B>
  static NIBBLE_HD int Eval(Signed<E>, const B& b, size_t e) {
    return static_cast<int8_t>(Eval(E(), b, e));
  }
  template <uint64_t kLo, uint64_t kHi, class E, class B>
  static NIBBLE_HD int Eval(Lut16<kLo, kHi, E>, const B& b, size_t e) {
    const int i = Eval(E(), b, e);
    return static_cast<int8_t>((i < 8 ? kLo : kHi) >> (8 * (i & 7)));
  }
  template <int kBits, class Grid, auto kM, class B>
  static NIBBLE_HD int Eval(Grid8<kBits, Grid, kM>, const B& b, size_t e) {
    const uint32_t word = Load16((b.*kM) + e / 8 * 2);
    const uint64_t point = Grid::Point(word & ((1u << kBits) - 1));
    return static_cast<int>((point >> (8 * (e & 7))) & 255);
  }

  // Is element e negative?
  template <class B>
  static NIBBLE_HD bool Negative(NoSigns, const B&, size_t) {
    return false;
  }
  template <int kShift, auto kM, class B>
  static NIBBLE_HD bool Negative(ParitySigns<kShift, kM>, const B& b,
                                 size_t e) {
    const uint32_t seven = Load16((b.*kM) + e / 8 * 2) >> kShift;
    return ((WithParity(seven & 127) >> (e & 7)) & 1) != 0;
  }

  // Seven bits and, as bit 7, the bit that makes the count of ones even.
  static NIBBLE_HD uint32_t WithParity(uint32_t seven) {
    uint32_t p = seven ^ (seven >> 4);
    p ^= p >> 2;
    p ^= p >> 1;
    return seven | ((p & 1) << 7);
  }
};

// ---- Elements e .. e + 3 in the bytes of a word; e is a multiple of 4.
struct Quad {
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD uint32_t Eval(Field<kBits, kRun, kM, O>, const B& b,
                                 size_t e) {
    using P = FieldPos<kBits, kRun, O>;
    if constexpr (kRun >= 4) {  // four neighbours share shift and are adjacent
      const uint32_t w = Load32((b.*kM) + P::Byte(e)) >> P::Shift(e);
      return w & Repeat8((1u << kBits) - 1);
    } else {
      static_assert(kRun == 1, "runs of 2 would need a case of their own");
      return Spread<kBits>((b.*kM) + P::Byte(e), P::Shift(e));
    }
  }
  template <int kBits, int kShift, auto kM, int kFirst, class B>
  static NIBBLE_HD uint32_t Eval(Bits<kBits, kShift, kM, kFirst>, const B& b,
                                 size_t e) {
    return (Load32((b.*kM) + kFirst + e) >> kShift) &
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
  template <class E, class B>
  static NIBBLE_HD uint32_t Eval(Signed<E>, const B& b, size_t e) {
    return Eval(E(), b, e);
  }
  template <uint64_t kLo, uint64_t kHi, class E, class B>
  static NIBBLE_HD uint32_t Eval(Lut16<kLo, kHi, E>, const B& b, size_t e) {
    const uint32_t index = Eval(E(), b, e);
#ifdef __CUDA_ARCH__
    return Lookup<kLo, kHi>(index);
#else
    uint32_t r = 0;
    for (int j = 0; j < 32; j += 8) {
      const int i = static_cast<int>((index >> j) & 15);
      const uint64_t half = i < 8 ? kLo : kHi;
      r |= (static_cast<uint32_t>(half >> (8 * (i & 7))) & 255u) << j;
    }
    return r;
#endif
  }
  template <int kBits, class Grid, auto kM, class B>
  static NIBBLE_HD uint32_t Eval(Grid8<kBits, Grid, kM>, const B& b, size_t e) {
    const uint32_t word = Load16((b.*kM) + e / 8 * 2);
    const uint64_t point = Grid::Point(word & ((1u << kBits) - 1));
    return static_cast<uint32_t>(point >> (8 * (e & 4)));
  }

  // 0xFF in the bytes of negative elements, else 0.
  template <class B>
  static NIBBLE_HD uint32_t Negative(NoSigns, const B&, size_t) {
    return 0;
  }
  template <int kShift, auto kM, class B>
  static NIBBLE_HD uint32_t Negative(ParitySigns<kShift, kM>, const B& b,
                                     size_t e) {
    const uint32_t seven = (Load16((b.*kM) + e / 8 * 2) >> kShift) & 127;
    const uint32_t four = (Scalar::WithParity(seven) >> (e & 4)) & 15;
    return SpreadBits(four) * 255u;
  }

 private:
  // Bits 0..3 to bit 0 of the bytes: the products do not overlap.
  static NIBBLE_HD uint32_t SpreadBits(uint32_t four) {
    return (four * 0x00204081u) & 0x01010101u;
  }
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
      uint32_t v = Load16(p);
      v = (v | (v << 8)) & 0x00FF00FFu;
      return (v | (v << 4)) & 0x0F0F0F0Fu;
    }
  }
#ifdef __CUDACC__
  // byte_perm selects among 8 bytes; the high half of the table is a second
  // select, merged by bit 3 of every index.
  template <uint64_t kLo, uint64_t kHi>
  static __device__ uint32_t Lookup(uint32_t index) {
    const uint32_t low3 = index & 0x07070707u;
    const uint32_t sel = (low3 | (low3 >> 4)) & 0x00FF00FFu;
    const uint32_t nibbles = (sel | (sel >> 8)) & 0xFFFFu;
    const uint32_t lo = __byte_perm(static_cast<uint32_t>(kLo),
                                    static_cast<uint32_t>(kLo >> 32), nibbles);
    const uint32_t hi = __byte_perm(static_cast<uint32_t>(kHi),
                                    static_cast<uint32_t>(kHi >> 32), nibbles);
    const uint32_t high = ((index >> 3) & 0x01010101u) * 255u;
    return (lo & ~high) | (hi & high);
  }
#endif
};

// ---- The inverse of Scalar: puts the code of element e into its place.
//
// A Sink receives (byte offset inside the block, shift inside the byte, value);
// Value is uint32_t for one block or a vector of them for one block per lane,
// which is how the quantizers pack: sink.Or(byte, shift, v) with v limited to
// the width of the field. Bits are or-ed in, so the block starts as zeros.
// Tables store the index and grids the point's index at the first element.
struct Store {
  template <int kBits, int kRun, auto kM, class O, class Sink, class Value>
  static void Put(Field<kBits, kRun, kM, O>, Sink& sink, size_t e, Value code) {
    using P = FieldPos<kBits, kRun, O>;
    sink.template Or<kBits>(Sink::template Offset<kM>() + P::Byte(e),
                            P::Shift(e), code);
  }
  template <int kBits, int kShift, auto kM, int kFirst, class Sink, class Value>
  static void Put(Bits<kBits, kShift, kM, kFirst>, Sink& sink, size_t e,
                  Value code) {
    sink.template Or<kBits>(Sink::template Offset<kM>() + kFirst + e, kShift,
                            code);
  }
  template <int kCount, class A, class C, class Sink, class Value>
  static void Put(Halves<kCount, A, C>, Sink& sink, size_t e, Value code) {
    if (e < kCount) {
      Put(A(), sink, e, code);
    } else {
      Put(C(), sink, e - kCount, code);
    }
  }
  template <int kShift, class E, class Sink, class Value>
  static void Put(Shl<kShift, E>, Sink& sink, size_t e, Value code) {
    Put(E(), sink, e, sink.template ShiftRight<kShift>(code));
  }
  template <class A, class C, class Sink, class Value>
  static void Put(Or<A, C>, Sink& sink, size_t e, Value code) {
    Put(A(), sink, e, code);
    Put(C(), sink, e, code);
  }
  template <class E, class Sink, class Value>
  static void Put(Signed<E>, Sink& sink, size_t e, Value code) {
    Put(E(), sink, e, code);
  }
  template <uint64_t kLo, uint64_t kHi, class E, class Sink, class Value>
  static void Put(Lut16<kLo, kHi, E>, Sink& sink, size_t e, Value index) {
    Put(E(), sink, e, index);
  }
  template <int kBits, class Grid, auto kM, class Sink, class Value>
  static void Put(Grid8<kBits, Grid, kM>, Sink& sink, size_t e, Value index) {
    sink.template Or<kBits>(Sink::template Offset<kM>() + e / 8 * 2, 0, index);
  }
  // All signs of a group of 8 at once: `mask` bit k set if element e + k < 0.
  template <int kShift, auto kM, class Sink, class Value>
  static void PutSigns(ParitySigns<kShift, kM>, Sink& sink, size_t e,
                       Value mask) {
    sink.template Or<7>(Sink::template Offset<kM>() + e / 8 * 2, kShift, mask);
  }
};

// Byte offset of a member inside its block.
template <class Block, class Member>
inline size_t MemberOffset(Member Block::*member) {
  static const Block kBlock{};
  return static_cast<size_t>(
      reinterpret_cast<const uint8_t*>(&(kBlock.*member)) -
      reinterpret_cast<const uint8_t*>(&kBlock));
}

// Sink of one block in memory.
template <class Block>
class BlockSink {
 public:
  explicit BlockSink(Block* block)
      : bytes_(reinterpret_cast<uint8_t*>(block)) {}
  template <auto kMember>
  static size_t Offset() {
    return MemberOffset(kMember);
  }
  template <int kBits>
  void Or(size_t byte, int shift, uint32_t code) {
    const uint32_t v = (code & ((1u << kBits) - 1)) << shift;
    for (int i = 0; i < 2; ++i) {  // a field touches at most two bytes
      const uint8_t part = static_cast<uint8_t>(v >> (8 * i));
      if (part != 0) bytes_[byte + i] = static_cast<uint8_t>(bytes_[byte + i] | part);
    }
  }
  template <int kShift>
  uint32_t ShiftRight(uint32_t code) const {
    return code >> kShift;
  }

 private:
  uint8_t* bytes_;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_MACHINES_H_
