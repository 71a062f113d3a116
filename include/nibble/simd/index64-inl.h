// SPDX-License-Identifier: MIT
// Codes of up to six bits by one lookup in 64 bytes (VBMI).
//
// The lookup reads six bits of every byte and ignores the others. A table that
// repeats its entries therefore needs no masked index, and one whose entries
// are repeated in place takes the code from where it is: of four 2-bit codes in
// a byte three need no shift.
#if defined(NIBBLE_SIMD_INDEX64_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_INDEX64_INL_H_
#undef NIBBLE_SIMD_INDEX64_INL_H_
#else
#define NIBBLE_SIMD_INDEX64_INL_H_
#endif

#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/order.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Lookups in 64 bytes, and bits from anywhere in eight bytes.
inline constexpr bool kVbmi = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL;

// Lanes to look up, x86 only: above the bits that the lookup reads there may be
// anything, which Highway's IndicesFromVec refuses in builds with assertions.
template <class D, class VI>
HWY_INLINE auto LowBitIndices(D d, VI v) {
  using Indices = decltype(hn::IndicesFromVec(d, v));
  return Indices{v.raw};
}

template <class D8, class Order>
struct Simd;
template <class FieldNode, class Order, size_t kE, int kAt = 0>
struct FieldMap;

template <int... k>
struct LaneConstants {
  alignas(64) static constexpr uint32_t at[] = {static_cast<uint32_t>(k)...};
};

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

  // A code is the field Low, and High above it if there is one.
  template <class Node>
  struct Parts {
    using Low = Node;
    static constexpr int kLow = formats::Width<Node>::value, kHigh = 0;
  };
  template <class A, int k, class B>
  struct Parts<formats::Or<A, formats::Shl<k, B>>> {
    using Low = A;
    using High = B;
    static constexpr int kLow = k, kHigh = formats::Width<B>::value;
  };

  // What it costs to have the lowest bit of a field at bit `at`: nothing if it
  // is there. Shifts by four are most likely shared with other vectors, and
  // those by lane are always, unless lane 0 has the longest way to go.
  template <class Node>
  static constexpr int Cost(Node, int /*at*/) {
    return kNever;
  }
  template <int kBits, int kRun, auto kM, class O>
  static constexpr int Cost(formats::Field<kBits, kRun, kM, O>, int at) {
    using Map = FieldMap<formats::Field<kBits, kRun, kM, O>, Order, kE>;
    if (kBits == 8 || (kRun == 1 && !kPlanes<kBits>)) return kNever;
    for (size_t i = 0; i < kN; ++i) {
      if (Map::Right(i) < Map::Right(0)) return kNever;
    }
    const int right = Map::Right(0) - at;
    return right == 0 ? 0 : right == 4 || right == -4 ? 2 : 3;
  }
  template <class E>
  static constexpr int Cost(formats::Gray<E>, int at) {
    return Cost(E(), at);
  }

  // Where among the six bits of an index the parts of a code go.
  struct Places {
    int low = 0, high = 0, cost = kNever;
  };
  template <class Node>
  static constexpr Places PlacesAt(int low, int high) {
    using P = Parts<Node>;
    Places places{low, high, Cost(typename P::Low(), low)};
    if constexpr (P::kHigh != 0) {
      places.cost += Cost(typename P::High(), high);
    }
    return places;
  }
  template <class Node>
  static constexpr Places Best() {
    using P = Parts<Node>;
    Places best;
    for (int low = 0; low + P::kLow <= 6; ++low) {
      for (int high = 0; high + P::kHigh <= 6; ++high) {
        if (high < low + P::kLow && low < high + P::kHigh) continue;
        const Places places = PlacesAt<Node>(low, high);
        if (places.cost < best.cost) best = places;
      }
    }
    return best;
  }
  template <class Node>
  static constexpr bool Possible() {
    if constexpr (kHas) return Best<Node>().cost < kNever;
    return false;
  }
  // Is that less work than bringing the code to bit `at` and masking it?
  template <class Node>
  static constexpr bool IsCheaper(int at) {
    if constexpr (Possible<Node>()) {
      return Best<Node>().cost <
             PlacesAt<Node>(at, at + Parts<Node>::kLow).cost;
    }
    return false;
  }

  // `Entries` by what an index holds.
  template <class Entries, class Node, int kFlip>
  struct Table {
    alignas(64) uint8_t bytes[64] = {};
    constexpr Table() {
      using P = Parts<Node>;
      constexpr Places kPlaces = Best<Node>();
      for (int i = 0; i < 64; ++i) {
        const int low = (i >> kPlaces.low) % (1 << P::kLow);
        const int high = (i >> kPlaces.high) % (1 << P::kHigh);
        bytes[i] =
            static_cast<uint8_t>(Entries::At(low | (high << P::kLow)) ^ kFlip);
      }
    }
  };
  // Codes that are no index, moved to bit kTo.
  template <int kTo>
  struct Itself {
    static constexpr int At(int i) { return i << kTo; }
  };

  template <class Entries, int kFlip, class Node, class X>
  static HWY_INLINE V Lookup(Node, const X* HWY_RESTRICT x) {
    static constexpr Table<Entries, Node, kFlip> kTable;
    const D8 d8;
    return hn::TableLookupLanes(hn::Load(d8, kTable.bytes),
                                LowBitIndices(d8, Index<Node>(x)));
  }

 private:
  template <class Node, class X>
  static HWY_INLINE V Index(const X* HWY_RESTRICT x) {
    using P = Parts<Node>;
    constexpr Places kPlaces = Best<Node>();
    const V low = Moved<kPlaces.low>(typename P::Low(), x);
    if constexpr (P::kHigh == 0) {
      return low;
    } else {
      constexpr int kMask = ((1 << P::kLow) - 1) << kPlaces.low;
      return hn::BitwiseIfThenElse(hn::Set(D8(), static_cast<uint8_t>(kMask)),
                                   low,
                                   Moved<kPlaces.high>(typename P::High(), x));
    }
  }
  // A field at bit kAt, with anything around it.
  template <int kAt, int kBits, int kRun, auto kM, class O, class X>
  static HWY_INLINE V Moved(formats::Field<kBits, kRun, kM, O>,
                            const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    return Shifted<kAt, FieldMap<F, Order, kE>>(
        Simd<D8, Order>::template Raw<F, kE, kM>(D8(), x));
  }
  template <int kAt, int kBits, int kRun, auto kM, class O, class X>
  static HWY_INLINE V Moved(formats::Gray<formats::Field<kBits, kRun, kM, O>>,
                            const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    return Shifted<kAt, FieldMap<F, Order, kE>>(
        Simd<D8, Order>::template RawGray<F, kE, kM>(x));
  }
  template <int kAt, class Map>
  static HWY_INLINE V Shifted(V v) {
    const D8 d8;
    const hn::Repartition<uint32_t, D8> d32;
    auto w = hn::BitCast(d32, v);
    if constexpr (!Map::UniformShift(kN)) {
      w = hn::Shr(w, Distances<Map>(std::make_index_sequence<16>()));
    }
    constexpr int kRight = Map::Right(0) - kAt;
    if constexpr (kRight > 0) w = hn::ShiftRight<kRight>(w);
    if constexpr (kRight < 0) w = hn::ShiftLeft<-kRight>(w);
    return hn::BitCast(d8, w);
  }
  // How much further lanes have to go than lane 0: the same constants for every
  // vector of which that is the same.
  template <class Map, size_t... kI>
  static HWY_INLINE auto Distances(std::index_sequence<kI...>) {
    return hn::Load(hn::Repartition<uint32_t, D8>(),
                    LaneConstants<(Map::Right(4 * kI) - Map::Right(0))...>::at);
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_INDEX64_INL_H_
