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
  template <size_t kE, int kAt = 0, bool kBias = false, uint64_t kLo,
            uint64_t kHi, class E, class X>
  static HWY_INLINE V Eval(formats::Lut16<kLo, kHi, E>,
                           const X* HWY_RESTRICT x) {
    constexpr uint64_t kFlip = kBias ? 0x8080808080808080ull : 0;
    alignas(16) static constexpr uint64_t kTable[2] = {kLo ^ kFlip,
                                                       kHi ^ kFlip};
    const hn::Repartition<uint64_t, D8> d64;
    return hn::TableLookupBytes(hn::BitCast(D8(), hn::LoadDup128(d64, kTable)),
                                Eval<kE>(E(), x));
  }
  template <size_t kE, int kAt = 0, bool kBias = false, int kBits, class Grid,
            auto kM, class X>
  static HWY_INLINE V Eval(formats::Grid8<kBits, Grid, kM>,
                           const X* HWY_RESTRICT x) {
    static_assert(std::is_same<Order, LogicalOrder>::value,
                  "grid points are in element order");
    constexpr size_t kElems = formats::MemberBytes(kM) * 4;
    const uint8_t* HWY_RESTRICT p = (x[kE / kElems].*kM) + kE % kElems / 4;
    return GridPoints<kBits, Grid>(D8(), p);
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

 private:
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

  // One grid point per 16-bit word at p. AVX-512 gathers; elsewhere scalar loads
  // and inserts are faster (prototype: AVX2 14.0 -> 15.3 Gweights/s, but
  // AVX3_DL 27 -> 20).
  template <int kBits, class Grid, class D>
  static HWY_INLINE hn::Vec<D> GridPoints(D d, const uint8_t* HWY_RESTRICT p) {
    constexpr uint32_t kMask = (1u << kBits) - 1;
    constexpr size_t n = HWY_MAX_LANES_D(D);
    if constexpr (HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86) {
      const hn::Repartition<int64_t, D> di64;
      const hn::Rebind<uint16_t, decltype(di64)> d16;
      const auto word =
          hn::LoadU(d16, reinterpret_cast<const uint16_t*>(p));
      const auto index =
          hn::And(hn::PromoteTo(di64, word), hn::Set(di64, int64_t{kMask}));
      return hn::BitCast(
          d, hn::GatherIndex(
                 di64, reinterpret_cast<const int64_t*>(Grid::Host()), index));
    } else if constexpr (n == 16) {
      const hn::Repartition<uint64_t, D> d64;
      const uint64_t* HWY_RESTRICT grid = Grid::Host();
      const uint32_t two = formats::Load32(p);
      return hn::BitCast(d, hn::Dup128VecFromValues(
                                d64, grid[two & kMask],
                                grid[(two >> 16) & kMask]));
    } else {
      static_assert(n > 16, "grids need whole 16-byte vectors");
      const hn::Half<D> dh;
      return hn::Combine(d, GridPoints<kBits, Grid>(dh, p + n / 8),
                         GridPoints<kBits, Grid>(dh, p));
    }
  }
};

// Sign bits of a block, one bit per element: either in place or put together in
// `buffer` (kBlock / 8 bytes).
template <int kShift, auto kM, class X>
HWY_INLINE const uint8_t* SignBits(formats::ParitySigns<kShift, kM>,
                                   const X* HWY_RESTRICT x,
                                   uint8_t* HWY_RESTRICT buffer) {
  constexpr size_t kWords = formats::MemberBytes(kM) / 2;
  const hn::CappedTag<uint16_t, 32> d16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  for (size_t i = 0; i < kWords; i += hn::Lanes(d16)) {
    const auto w = hn::LoadU(
        d16, reinterpret_cast<const uint16_t*>(static_cast<const uint8_t*>(
                 x->*kM)) + i);
    const auto seven = hn::ShiftRight<kShift>(w);
    // Parity by folding: PopulationCount of u16 is slow below AVX3_DL.
    auto p = hn::Xor(seven, hn::ShiftRight<4>(seven));
    p = hn::Xor(p, hn::ShiftRight<2>(p));
    p = hn::Xor(p, hn::ShiftRight<1>(p));
    const auto eighth =
        hn::ShiftLeft<7>(hn::And(p, hn::Set(d16, uint16_t{1})));
    hn::StoreU(hn::TruncateTo(d8, hn::Or(seven, eighth)), d8, buffer + i);
  }
  return buffer;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_MACHINE_INL_H_
