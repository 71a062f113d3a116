// SPDX-License-Identifier: MIT
// Row-interleaved types: how the bits of several rows lie beside each other.
//
// R consecutive rows of a base type form a group: their row headers, then for
// every block column one `Group` with the blocks of all rows. A group holds the
// bits of its base blocks in another order, so a description says, per number of
// the base block, where it lies in the group, and transcoding is exact.
#ifndef NIBBLE_FORMATS_INTERLEAVED_H_
#define NIBBLE_FORMATS_INTERLEAVED_H_

#include <cstring>

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

template <class... Ts>
struct List {};

// A member of the base block is element r of an array of the group.
template <auto kFrom, auto kTo>
struct Copy {};

// Element s of a sub-block node of the base is element kRows * s + r of a node
// of the group.
template <class From, class To>
struct PerSub {};

// Several numbers per 32 weights, kPer of them: number kPer * S + g of a node of
// the base is that of row r of a node of the group, at Position::At(S, r, g).
template <int kPer, class From, class To, class Position>
struct PerGroup {};
// Sub-block after sub-block, in it row after row.
template <int kRows, int kPer>
struct RowAfterRow {
  static constexpr size_t At(size_t S, size_t r, size_t g) {
    return (S * kRows + r) * kPer + g;
  }
};

// By bits: kSpan bits hold the 32 weights of all rows. For BitString.
template <int kSpan, int kFirst, int kRow, int kPair, int kOdd>
struct SpanBits {
  static constexpr size_t At(size_t S, size_t r, size_t g) {
    return kSpan * S + kFirst + kRow * r + kPair * (g / 2) + kOdd * (g % 2);
  }
};

// Element i is the kBits bits from bit i of a member, all in one 16-bit word.
template <int kBits, auto kMember>
struct BitString {};

// Element e is bit e % kPer of E[e / kPer].
template <int kPer, class E>
struct BitOf {};
// kBits-wide numbers stored as the running parity of their bits: bit j of what
// is stored is the parity of bits 0 .. j of the number.
template <int kBits, class E>
struct RunningParity {};

// kBits of every code. Four neighbours of a row (a quad) are four neighbouring
// bytes; a run is the quads of all rows, 4 * kRows bytes. The 32 weights of a
// sub-block are eight runs, which fill first the bytes and then the next bits.
// Quad 4h + 2b + a of the sub-block is in run kH * h + kB * b + kA * a, where
// (kH, kB, kA) are 1, 2 and 4 in some order.
template <int kBits, int kH, int kB, int kA, auto kMember>
struct RowQuads {};

// 8-bit codes with the top bit turned: unsigned, 128 more than the base's.
template <class E>
struct Biased {};

template <int kRows, int kBits, int kH, int kB, int kA>
struct QuadPos {
  static constexpr size_t kBytes = 4 * kRows * kBits;  // of 32 weights each
  static constexpr size_t Offset(size_t r, size_t q) {
    const size_t run = kH * (q >> 2 & 1) + kB * (q >> 1 & 1) + kA * (q & 1);
    return 4 * (kRows * run + r);
  }
  static constexpr size_t Byte(size_t r, size_t q) {
    return q / 8 * kBytes + Offset(r, q) % kBytes;
  }
  static constexpr int Shift(size_t r, size_t q) {
    return kBits * static_cast<int>(Offset(r, q) / kBytes);
  }
};

// Scalar and Store, and the two nodes above.
struct Numbers {
  template <class Node, class B>
  static uint32_t Get(Node, const B& b, size_t i) {
    using Stored = typename StoredOf<Node>::type;
    return static_cast<uint32_t>(Scalar::Eval(Stored(), b, i));
  }
  template <int kPer, class E, class B>
  static uint32_t Get(BitOf<kPer, E>, const B& b, size_t i) {
    return (Get(E(), b, i / kPer) >> (i % kPer)) & 1;
  }
  template <int kBits, class E, class B>
  static uint32_t Get(RunningParity<kBits, E>, const B& b, size_t i) {
    const uint32_t stored = Get(E(), b, i);
    return (stored ^ (stored << 1)) & ((1u << kBits) - 1);
  }

  template <int kBits, auto kM, class B>
  static uint32_t Get(BitString<kBits, kM>, const B& b, size_t i) {
    return (Load16((b.*kM) + i / 16 * 2) >> (i % 16)) & ((1u << kBits) - 1);
  }

  template <class Node, class B>
  static void Put(Node, B& b, size_t i, uint32_t v) {
    Store::Put(Node(), b, i, v);
  }
  template <int kBits, auto kM, class B>
  static void Put(BitString<kBits, kM>, B& b, size_t i, uint32_t v) {
    uint8_t* p = (b.*kM) + i / 16 * 2;
    const uint32_t word = Load16(p) | (v & ((1u << kBits) - 1)) << (i % 16);
    p[0] = static_cast<uint8_t>(word);
    p[1] = static_cast<uint8_t>(word >> 8);
  }
  template <int kPer, class E, class B>
  static void Put(BitOf<kPer, E>, B& b, size_t i, uint32_t v) {
    Put(E(), b, i / kPer, v << (i % kPer));
  }
  template <int kBits, class E, class B>
  static void Put(RunningParity<kBits, E>, B& b, size_t i, uint32_t v) {
    for (int shift = 1; shift < kBits; shift *= 2) v ^= v << shift;
    Put(E(), b, i, v & ((1u << kBits) - 1));
  }
};

// Quad q of row r of a group: four codes in the bytes of a word.
template <int kRows>
struct GroupQuads {
  template <int kBits, int kH, int kB, int kA, auto kM, class G>
  static uint32_t Eval(RowQuads<kBits, kH, kB, kA, kM>, const G& g, size_t r,
                       size_t q) {
    using P = QuadPos<kRows, kBits, kH, kB, kA>;
    return (Load32((g.*kM) + P::Byte(r, q)) >> P::Shift(r, q)) &
           Repeat8((1u << kBits) - 1);
  }
  template <class E, class G>
  static uint32_t Eval(Biased<E>, const G& g, size_t r, size_t q) {
    return Eval(E(), g, r, q) ^ 0x80808080u;
  }
  template <int k, class E, class G>
  static uint32_t Eval(Shl<k, E>, const G& g, size_t r, size_t q) {
    return Eval(E(), g, r, q) << k;
  }
  template <class A, class B, class G>
  static uint32_t Eval(Or<A, B>, const G& g, size_t r, size_t q) {
    return Eval(A(), g, r, q) | Eval(B(), g, r, q);
  }

  // The inverse; the group starts as zeros.
  template <int kBits, int kH, int kB, int kA, auto kM, class G>
  static void Put(RowQuads<kBits, kH, kB, kA, kM>, G& g, size_t r, size_t q,
                  uint32_t codes) {
    using P = QuadPos<kRows, kBits, kH, kB, kA>;
    uint8_t* at = (g.*kM) + P::Byte(r, q);
    const uint32_t bits = codes & Repeat8((1u << kBits) - 1);
    const uint32_t word = Load32(at) | (bits << P::Shift(r, q));
    memcpy(at, &word, sizeof(word));
  }
  template <class E, class G>
  static void Put(Biased<E>, G& g, size_t r, size_t q, uint32_t codes) {
    Put(E(), g, r, q, codes ^ 0x80808080u);
  }
  template <int k, class E, class G>
  static void Put(Shl<k, E>, G& g, size_t r, size_t q, uint32_t codes) {
    Put(E(), g, r, q, codes >> k);
  }
  template <class A, class B, class G>
  static void Put(Or<A, B>, G& g, size_t r, size_t q, uint32_t codes) {
    Put(A(), g, r, q, codes);
    Put(B(), g, r, q, codes);
  }
};

// Quads in order, row beside row.
template <int kBits, auto kMember>
using StraightQuads = RowQuads<kBits, 4, 2, 1, kMember>;
// The codes of most groups of four rows.
template <int kBits, auto kMember>
using FourRowQuads = RowQuads<kBits, 1, 4, 2, kMember>;

// The lists one after the other.
template <class A, class B>
struct Joined;
template <class... A, class... B>
struct Joined<List<A...>, List<B...>> {
  using type = List<A..., B...>;
};
template <class A, class B>
using Join = typename Joined<A, B>::type;

// The numbers a grid and its signs consist of.
template <class F>
using IndexOf = typename GridOf<typename F::Codes>::Index;
template <class Signs>
struct SevenSigns;
template <class Seven>
struct SevenSigns<ParitySigns<Seven>> {
  using type = Seven;
};

template <class BaseFormat, int kRowsInGroup>
struct InterleavedBase {
  using Base = BaseFormat;
  using BaseBlock = typename Base::Block;
  static constexpr size_t kRows = kRowsInGroup;
  static constexpr size_t kQuads = Base::kBlock / 4;  // of a row in a group
  using Copies = List<>;   // of Copy
  using Subs = List<>;     // of PerSub
  using Groups = List<>;   // of PerGroup
  // What Codes, RowQuads, say of the group is here of the base.
  using BaseCodes = typename StoredOf<typename Base::Codes>::type;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_INTERLEAVED_H_
