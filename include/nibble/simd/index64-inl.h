// SPDX-License-Identifier: MIT
// Codes of up to six bits by one lookup in 64 bytes (VBMI).
//
// The lookup reads six bits of every byte and ignores the others. A table that
// repeats its entries therefore needs no masked index, and one whose entries are
// repeated in place takes the code from where it is: of four 2-bit codes in a byte
// three need no shift.
#if defined(NIBBLE_SIMD_INDEX64_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_INDEX64_INL_H_
#undef NIBBLE_SIMD_INDEX64_INL_H_
#else
#define NIBBLE_SIMD_INDEX64_INL_H_
#endif

#include <type_traits>

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/order.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Lookups in 64 bytes, and bits from anywhere in eight bytes.
inline constexpr bool kVbmi = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL;

template <class D8, class Order>
struct Simd;
template <class FieldNode, class Order, size_t kE, int kAt = 0>
struct FieldMap;

// Positions [kE, kE + 64) of a chunk.
template <class D8, class Order, size_t kE>
struct Index64 {
  using V = hn::Vec<D8>;
  static constexpr size_t kN = HWY_MAX_LANES_D(D8);
  static constexpr bool kHas = kVbmi && kN == 64;
  static constexpr int kNever = 1000;

  // Are fields that follow each other at the same bit of all bytes?
  template <int kBits>
  static constexpr bool kPlanes = std::is_same<Order, PlaneOrder<kBits>>::value;

  // Shifts that bring the lowest bit of a code to bit `at`, not counting those
  // by lane: they are the same for several vectors.
  template <class Node>
  static constexpr int Shifts(Node, int /*at*/) {
    return kNever;
  }
  template <int kBits, int kRun, auto kM, class O>
  static constexpr int Shifts(formats::Field<kBits, kRun, kM, O>, int at) {
    using Map = FieldMap<formats::Field<kBits, kRun, kM, O>, Order, kE, 0>;
    if (kBits == 8 || (kRun == 1 && !kPlanes<kBits>)) return kNever;
    for (size_t i = 0; i < kN; ++i) {
      if (Map::Right(i) < Map::Right(0)) return kNever;
    }
    return Map::Right(0) == at ? 0 : 1;
  }
  template <class A, int k, class B>
  static constexpr int Shifts(formats::Or<A, formats::Shl<k, B>>, int at) {
    return Shifts(A(), at) + Shifts(B(), at + k);
  }
  template <class E>
  static constexpr int Shifts(formats::Gray<E>, int at) {
    return Shifts(E(), at);
  }

  // The bit at which a code of `width` bits costs least.
  template <class Node>
  static constexpr int Best(Node node, int width) {
    int best = 0;
    for (int at = 1; at + width <= 6; ++at) {
      if (Shifts(node, at) < Shifts(node, best)) best = at;
    }
    return best;
  }
  template <class Node>
  static constexpr bool Possible(Node node) {
    return kHas && Shifts(node, 0) < kNever;
  }

  // Entry i of a table for codes at bit kAt. `Entries` has 1 << kWidth.
  template <class Entries, int kAt, int kWidth, int kFlip>
  struct Table {
    alignas(64) uint8_t bytes[64] = {};
    constexpr Table() {
      for (int i = 0; i < 64; ++i) {
        const int code = (i >> kAt) % (1 << kWidth);
        bytes[i] = static_cast<uint8_t>(Entries::At(code) ^ kFlip);
      }
    }
  };
  // Codes that are no index, moved to bit kTo.
  template <int kTo>
  struct Itself {
    static constexpr int At(int i) { return i << kTo; }
  };

  template <class Entries, int kWidth, int kFlip, class Node, class X>
  static HWY_INLINE V Lookup(Node node, const X* HWY_RESTRICT x) {
    constexpr int kAt = Best(Node(), kWidth);
    static constexpr Table<Entries, kAt, kWidth, kFlip> kTable;
    const D8 d8;
    return hn::TableLookupLanes(hn::Load(d8, kTable.bytes),
                                hn::IndicesFromVec(d8, Bits<kAt>(node, x)));
  }

 private:
  // The code at bit kAt, with anything around it.
  template <int kAt, class Map>
  static HWY_INLINE V Shifted(V v) {
    const D8 d8;
    const hn::Repartition<uint32_t, D8> d32;
    auto w = hn::BitCast(d32, v);
    if constexpr (!Map::UniformShift(kN)) {
      static constexpr LaneDistances<Map> kDistances;
      w = hn::Shr(w, hn::Load(d32, kDistances.right));
    }
    constexpr int kRight = Map::Right(0) - kAt;
    if constexpr (kRight > 0) w = hn::ShiftRight<kRight>(w);
    if constexpr (kRight < 0) w = hn::ShiftLeft<-kRight>(w);
    return hn::BitCast(d8, w);
  }
  // How much further than in lane 0.
  template <class Map>
  struct LaneDistances {
    alignas(64) uint32_t right[16] = {};
    constexpr LaneDistances() {
      for (size_t i = 0; i < 16; ++i) {
        right[i] = static_cast<uint32_t>(Map::Right(4 * i) - Map::Right(0));
      }
    }
  };
  template <int kAt, int kBits, int kRun, auto kM, class O, class X>
  static HWY_INLINE V Bits(formats::Field<kBits, kRun, kM, O>,
                           const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    return Shifted<kAt, FieldMap<F, Order, kE, 0>>(
        Simd<D8, Order>::template Raw<F, kE, kM>(D8(), x));
  }
  template <int kAt, int kBits, int kRun, auto kM, class O, class X>
  static HWY_INLINE V Bits(formats::Gray<formats::Field<kBits, kRun, kM, O>>,
                           const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    return Shifted<kAt, FieldMap<F, Order, kE, 0>>(
        Simd<D8, Order>::template RawGray<F, kE, kM>(x));
  }
  template <int kAt, class A, int k, class B, class X>
  static HWY_INLINE V Bits(formats::Or<A, formats::Shl<k, B>>,
                           const X* HWY_RESTRICT x) {
    constexpr int kLow = (1 << (kAt + k)) - 1;
    return hn::BitwiseIfThenElse(hn::Set(D8(), static_cast<uint8_t>(kLow)),
                                 Bits<kAt>(A(), x), Bits<kAt + k>(B(), x));
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_INDEX64_INL_H_
