// SPDX-License-Identifier: MIT
// Element orders: in which order a chunk's codes leave the SIMD machine.
#ifndef NIBBLE_SIMD_ORDER_H_
#define NIBBLE_SIMD_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "nibble/formats/nodes.h"

namespace nibble {

// All drivers work in chunks of 256 weights: one super-block or several
// small blocks (8 of 32, 4 of 64, 2 of 128).
inline constexpr size_t kChunk = 256;

// Position = element.
struct LogicalOrder {
  static constexpr uint16_t kId = 0;
  static constexpr size_t Logical(size_t pos) { return pos; }
};

// The order in which 64-byte loads and uniform shifts deliver fields that are
// stored in shorter runs: a run of 64 is pretended. Activations are permuted
// once per call instead (IQ4_XS 38 -> 51, Q4_K 41 -> 48 Gweights/s on AVX3_DL).
template <int kBits, int kRun>
struct ByteOrder {
  static constexpr uint16_t kId = kBits * 256 + kRun;
  static constexpr size_t Logical(size_t pos) {
    constexpr size_t kPer = 8 / kBits;
    const size_t byte = pos / (64 * kPer) * 64 + pos % 64;
    const size_t field = pos / 64 % kPer;
    return byte / kRun * kRun * kPer + field * kRun + byte % kRun;
  }
};

// The same for fields one after the other: those at bit 0 of all bytes of a
// chunk, then those at the next.
template <int kBits>
struct PlaneOrder {
  static constexpr uint16_t kId = kBits * 256 + 1;
  static constexpr size_t Logical(size_t pos) {
    constexpr size_t kPer = 8 / kBits, kBytes = kChunk / kPer;
    return pos % kBytes * kPer + pos / kBytes;
  }
};

// Eight lanes of 64 bits, each with eight weights of a sub-block of its own:
// the first eight of all of them, then the next. Products of the lanes add up
// as integers, with one scale per lane at the end, and what a lane needs of a
// record is in the lane already. Some targets take it, PlaneOrder<2>,
// PointOrder or TrellisOrder for codes that come in groups
// (simd/lane_machine-inl.h).
struct LaneOrder {
  static constexpr uint16_t kId = 64;
  static constexpr size_t Logical(size_t pos) {
    return pos % 64 / 8 * 32 + pos / 64 * 8 + pos % 8;
  }
};

// Points of eight weights with VBMI: weight j of all 32 points and, between
// them, weight j + 4; j is 0 to 3, one vector after the other. Four neighbours
// are from two points, which share a scale (simd/point_machine-inl.h).
struct PointOrder {
  static constexpr uint16_t kId = 65;
  static constexpr size_t Logical(size_t pos) {
    return pos % 64 / 2 * 8 + pos % 2 * 4 + pos / 64;
  }
};

// Seeds of trellis codes in 32-bit lanes, four of a sub-block in sixteen bytes,
// and four places of their groups one after the other: place 0 of all four,
// then place 1. So sums of pairs of bytes leave weights (simd/machine-inl.h).
template <int kGroup>
struct QuadOrder {
  static_assert(kGroup == 4 || kGroup == 8, "weights of a seed");
  static constexpr uint16_t kId = 32 + kGroup;
  static constexpr size_t Logical(size_t pos) {
    const size_t seed = pos % 4, place = pos % 16 / 4, half = pos % 32 / 16;
    return pos / 32 * 32 +
           (kGroup == 8 ? 8 * seed + 4 * half : 4 * seed + 16 * half) + place;
  }
};

// Seeds of trellis codes in 32-bit lanes with VBMI: two lanes for each
// sub-block of a chunk. Of sixteen bytes the first eight are places 0 and 1 of
// four lanes, lane by lane, the others places 2 and 3, as sums of absolute
// differences leave them (simd/trellis_machine-inl.h). All vectors of a chunk
// have the same sub-block in a lane.
template <int kGroup>
struct TrellisOrder {
  static_assert(kGroup == 4 || kGroup == 8, "weights of a seed");
  static constexpr uint16_t kId = 64 + kGroup;
  // Which seeds vector j of 64 positions has, and its first place of them.
  static constexpr size_t SeedVector(size_t j) {
    return kGroup == 8 ? j / 2 : j;
  }
  static constexpr size_t FirstPlace(size_t j) {
    return kGroup == 8 ? j % 2 * 4 : 0;
  }
  // The group of 32-bit lane `lane` of a vector of seeds.
  static constexpr size_t Group(size_t vector, size_t lane) {
    return (2 * lane + vector % 2) * (8 / kGroup) + vector / 2;
  }
  static constexpr size_t Logical(size_t pos) {
    const size_t vector = pos / 64, in_block = pos % 16;
    const size_t lane = pos % 64 / 16 * 4 + in_block % 8 / 2;
    const size_t place = in_block / 8 * 2 + in_block % 2;
    return kGroup * Group(SeedVector(vector), lane) + FirstPlace(vector) +
           place;
  }
};

// Two-bit fields of runs of 32, with VBMI: 64-bit lane l of every vector holds
// eight bytes of one half of the chunk, four of its first sixteen bytes and
// four of its others, and of each byte the field that is l + j fields further
// up in vector j, around the 32 bits. So a rotation per lane brings all four
// vectors to the same bits (simd/turn_machine-inl.h), and products of vector j
// are of the sub-blocks of vector 0 after j turns by a lane: all of them add up
// as integers, with the scale of one sub-block of 16 in each 32-bit lane.
struct TurnOrder {
  static constexpr uint16_t kId = 2 * 256 + 3;
  // Of the chunk's sixteen words, which 32-bit lane i has.
  static constexpr size_t Word(size_t i) {
    return i / 8 * 8 + i % 2 * 4 + i % 8 / 2;
  }
  // Its rotation to the right, in bits.
  static constexpr size_t Rotation(size_t i) { return 2 * (i % 8 / 2); }
  // Which 32-bit lane's product comes to lane i in a turn.
  static constexpr size_t TurnsFrom(size_t i) {
    return i / 8 * 8 + (i + 6) % 8;
  }
  static constexpr size_t Logical(size_t pos) {
    const size_t lane = pos % 64 / 4;
    const size_t bit = 8 * (pos % 4) + 2 * (pos / 64) + Rotation(lane);
    const size_t byte = 4 * Word(lane) + bit % 32 / 8;
    return byte / 32 * 128 + bit % 8 / 2 * 32 + byte % 32;
  }
};

// From which lane of vector `vector` products come to 32-bit lane `lane` of
// their sum.
template <class Order>
struct ProductLanes {
  static constexpr bool kTurn = false;
  static constexpr size_t From(size_t lane, size_t /*vector*/) { return lane; }
};
template <>
struct ProductLanes<TurnOrder> {
  static constexpr bool kTurn = true;
  static constexpr size_t From(size_t lane, size_t vector) {
    for (; vector != 0; --vector) lane = TurnOrder::TurnsFrom(lane);
    return lane;
  }
};

// Pairs of codes: first members of 32 pairs, then their second ones, 32 bytes
// at a time; the pairs are in IndexOrder.
template <class IndexOrder>
struct PairOrder {
  static constexpr uint16_t kId = 0x4000 + IndexOrder::kId;
  static constexpr size_t Logical(size_t pos) {
    return 2 * IndexOrder::Logical(pos / 64 * 32 + pos % 32) + pos / 32 % 2;
  }
};

// Where ternary digits of a chunk lie, by the byte they are in. Bytes of all
// blocks are numbered one after the other; 48 of them have five digits, four
// have four.
template <class Layout>
struct DigitBytes {
  static constexpr size_t kBlocks = kChunk / Layout::kElements;
  static constexpr size_t kBytes = 52;
  static constexpr size_t kPerBlock = kBytes / kBlocks;  // bytes
  static constexpr uint16_t kNone = kChunk;
  uint16_t element[kBytes][5] = {};  // by byte and digit
  uint8_t five[48] = {};             // bytes of five digits
  uint8_t others[16] = {};           // elements in bytes of four
  constexpr DigitBytes() {
    for (auto& digits : element) {
      for (uint16_t& e : digits) e = kNone;
    }
    for (size_t e = 0; e < kChunk; ++e) {
      element[Byte(e)][Digit(e)] = static_cast<uint16_t>(e);
    }
    size_t fives = 0, rest = 0;
    for (size_t b = 0; b < kBytes; ++b) {
      if (HasFive(b)) five[fives++] = static_cast<uint8_t>(b);
    }
    for (size_t e = 0; e < kChunk; ++e) {
      if (!HasFive(Byte(e))) others[rest++] = static_cast<uint8_t>(e);
    }
  }
  static constexpr size_t Byte(size_t e) {
    return e / Layout::kElements * kPerBlock +
           Layout::Byte(e % Layout::kElements);
  }
  static constexpr size_t Digit(size_t e) {
    return static_cast<size_t>(Layout::Digit(e % Layout::kElements));
  }
  constexpr bool HasFive(size_t b) const {
    return element[b][0] != kNone && element[b][4] != kNone;
  }
};

// Ternary digits: five vectors of 32 bytes with a digit each of the same bytes;
// three with two digits each of sixteen bytes, of which the last has the fifth
// one and, between them, those of bytes of four. Four neighbours are always
// from one sub-block of 32: if the digits of a byte are, each sub-block has
// four bytes of the 32 and two of the sixteen, else bytes stay as they are.
template <class Layout>
struct DigitOrder {
  static constexpr uint16_t kId = 3 * 256 + Layout::kElements / 64;
  static constexpr DigitBytes<Layout> kBytes{};
  static constexpr bool kBySubBlock =
      kBytes.element[0][0] / 32 == kBytes.element[0][4] / 32;
  // The i-th of the 32 bytes, and of the sixteen.
  static constexpr size_t Byte32(size_t i) {
    return kBytes.five[kBySubBlock ? i / 4 * 6 + i % 4 : i];
  }
  static constexpr size_t Byte16(size_t i) {
    return kBytes.five[kBySubBlock ? i / 2 * 6 + 4 + i % 2 : 32 + i];
  }
  static constexpr size_t Logical(size_t pos) {
    const size_t vector = pos / 32, i = pos % 32;
    if (vector < 5) return kBytes.element[Byte32(i)][vector];
    if (vector == 7 && i % 2 == 1) return kBytes.others[i / 2];
    return kBytes.element[Byte16(i / 2)][2 * (vector - 5) + i % 2];
  }
};

// Ternary digits with VBMI, if every sixteen elements are the digits of three
// bytes and one of a byte of four: these four bytes in a 32-bit lane, the last
// one first. Vector j has digit j + 1 of each of the three. The first byte is
// put together: in the vector of its own digit that one, in the others the
// digits 0 of the three (simd/ternary_machine-inl.h).
template <class Layout>
struct TernaryOrder {
  static constexpr uint16_t kId = 3 * 256 + 64 + Layout::kElements / 64;
  static constexpr DigitBytes<Layout> kBytes{};
  // The element of lane `lane` that lies apart from the others.
  static constexpr size_t Apart(size_t lane) {
    size_t e = 16 * lane;
    while (e % 16 != 15 && kBytes.HasFive(kBytes.Byte(e))) ++e;
    return e;
  }
  // Which of the chunk's bytes are in a lane.
  static constexpr size_t Byte(size_t lane, size_t i) {
    if (i == 0) return kBytes.Byte(Apart(lane));
    return kBytes.five[3 * lane + i - 1];
  }
  // The vector of the element apart.
  static constexpr size_t Own(size_t lane) {
    return kBytes.Digit(Apart(lane)) - 1;
  }
  // Of which byte of the lane, from 1 on, another vector has the digit 0.
  static constexpr size_t FirstDigit(size_t lane, size_t vector) {
    return vector < Own(lane) ? vector + 1 : vector;
  }
  static constexpr size_t Logical(size_t pos) {
    const size_t vector = pos / 64, lane = pos % 64 / 4, i = pos % 4;
    if (i != 0) return kBytes.element[Byte(lane, i)][vector + 1];
    if (vector == Own(lane)) return Apart(lane);
    return kBytes.element[Byte(lane, FirstDigit(lane, vector))][0];
  }
  // Is the layout such?
  static constexpr bool Fits() {
    for (size_t lane = 0; lane < 16; ++lane) {
      if (kBytes.HasFive(Byte(lane, 0)) || Own(lane) >= 4) return false;
    }
    for (size_t pos = 0; pos < kChunk; ++pos) {
      if (Logical(pos) / 16 != pos % 64 / 4) return false;
    }
    return true;
  }
};

// The order matvec uses for a Codes type, derived from its first field; grids
// stay logical.
template <class E>
struct OrderOf {
  using type = LogicalOrder;
};
template <int kBits, int kRun, auto kM, class O>
struct OrderOf<formats::Field<kBits, kRun, kM, O>> {
  static constexpr bool kByBytes = kBits < 8 && kRun >= 8 && kRun < 64;
  template <bool, int b, int r>
  struct Pick {
    using type = LogicalOrder;
  };
  template <int b, int r>
  struct Pick<true, b, r> {
    using type = ByteOrder<b, r>;
  };
  using type = typename Pick<kByBytes, kBits, kRun>::type;
};
template <int kBits, auto kM, class O>
struct OrderOf<formats::Field<kBits, 1, kM, O>> {
  using type = PlaneOrder<kBits>;
};
template <int k, class E>
struct OrderOf<formats::Shl<k, E>> : OrderOf<E> {};
template <class A, class B>
struct OrderOf<formats::Or<A, B>> : OrderOf<A> {};
template <class E, uint64_t... kWords>
struct OrderOf<formats::Lut<E, kWords...>> : OrderOf<E> {};
template <class E>
struct OrderOf<formats::Signed<E>> : OrderOf<E> {};
template <class E>
struct OrderOf<formats::Gray<E>> : OrderOf<E> {};
template <int kGroup, class Index, bool kMagnitude>
struct OrderOf<formats::Trellis<kGroup, Index, kMagnitude>> {
  using type = QuadOrder<kGroup>;
};

// Another one that some targets take, of the type's own.
template <class E>
struct OtherOrderOf {
  using type = LogicalOrder;
};
template <class Grid, class Index>
struct OtherOrderOf<formats::PairLut<Grid, Index>> {
  using type = PairOrder<typename OrderOf<Index>::type>;
};

template <class Layout, auto kM>
struct OtherOrderOf<formats::Base3<Layout, kM>> {
  using type = DigitOrder<Layout>;
};

// The same with VBMI.
template <class E>
struct VbmiOrderOf {
  using type = LogicalOrder;
};
template <class Layout, auto kM>
struct VbmiOrderOf<formats::Base3<Layout, kM>> {
  using type = std::conditional_t<TernaryOrder<Layout>::Fits(),
                                  TernaryOrder<Layout>, LogicalOrder>;
};

// Most orders move whole runs of 16 elements: packing activations is then
// storing 16 codes at a time somewhere else.
inline constexpr size_t kOrderRun = 16;
inline constexpr size_t kOrderRuns = kChunk / kOrderRun;

// What packing has to know of an order.
struct PackedOrder {
  uint16_t id = 0;
  bool whole_runs = true;
  // run[r]: which run of the packed chunk holds elements [16 r, 16 r + 16).
  uint8_t run[kOrderRuns] = {};
  // Otherwise runs stay, and then position p gets element[p].
  uint8_t element[kChunk] = {};
};

template <class Order>
constexpr bool MovesWholeRuns() {
  for (size_t pos = 0; pos < kChunk; ++pos) {
    const size_t first = Order::Logical(pos / kOrderRun * kOrderRun);
    if (first % kOrderRun != 0) return false;
    if (Order::Logical(pos) != first + pos % kOrderRun) return false;
  }
  return true;
}

template <class Order>
constexpr PackedOrder PackedOrderOf() {
  PackedOrder packed;
  packed.id = Order::kId;
  packed.whole_runs = MovesWholeRuns<Order>();
  for (size_t run = 0; run < kOrderRuns; ++run) {
    const size_t from =
        packed.whole_runs ? Order::Logical(run * kOrderRun) / kOrderRun : run;
    packed.run[from] = static_cast<uint8_t>(run);
  }
  for (size_t pos = 0; pos < kChunk; ++pos) {
    packed.element[pos] = static_cast<uint8_t>(Order::Logical(pos));
  }
  return packed;
}

}  // namespace nibble

#endif  // NIBBLE_SIMD_ORDER_H_
