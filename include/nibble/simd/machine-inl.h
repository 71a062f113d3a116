// SPDX-License-Identifier: MIT
// The SIMD machine: evaluates a Codes type to a vector of bytes. With dot-inl.h
// the only place that knows bit tricks and differences between targets.
#if defined(NIBBLE_SIMD_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_MACHINE_INL_H_
#undef NIBBLE_SIMD_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_MACHINE_INL_H_
#endif

#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/dot-inl.h"
#include "nibble/simd/index64-inl.h"
#include "nibble/simd/numbers-inl.h"
#include "nibble/simd/opaque.h"
#include "nibble/simd/order.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Where the bytes and bits of positions [kE, kE + n) of a chunk are: all known
// at compile time. `kAt` is the bit the field shall end up at.
template <class FieldNode, class Order, size_t kE, int kAt>
struct FieldMap;
template <class X, class Member>
constexpr size_t BlockBytes(Member X::*) {
  return sizeof(X);
}
template <int kBits, int kRun, auto kM, class O, class Order, size_t kE,
          int kAt>
struct FieldMap<formats::Field<kBits, kRun, kM, O>, Order, kE, kAt> {
  using P = formats::FieldPos<kBits, kRun, O>;
  static constexpr size_t kElems = formats::MemberBytes(kM) * P::kPer;
  static constexpr size_t Element(size_t i) { return Order::Logical(kE + i); }
  static constexpr size_t Block() { return Element(0) / kElems; }
  static constexpr size_t First() { return P::Byte(Element(0) % kElems); }
  // From the member of the chunk's first block.
  static constexpr size_t Byte(size_t i) {
    return Element(i) / kElems * BlockBytes(kM) + P::Byte(Element(i) % kElems);
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
  static constexpr bool SameHalves(size_t n) {
    for (size_t i = 0; i < n / 2; ++i) {
      if (Byte(i) != Byte(i + n / 2)) return false;
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
  static constexpr bool AllLeft(size_t n) {
    for (size_t i = 0; i < n; ++i) {
      if (Right(i) > 0) return false;
    }
    return true;
  }
};

// Rotations to the right, one per 32-bit lane (four neighbours share a shift),
// or the same to the left.
template <class Map, bool kLeft = false>
struct LaneShifts {
  alignas(64) uint32_t by[16] = {};
  constexpr LaneShifts() {
    for (size_t i = 0; i < 16; ++i) {
      const int right = Map::Right(4 * i);
      by[i] = static_cast<uint32_t>(kLeft ? -right : right) & 31;
    }
  }
};

#undef NIBBLE_LOOKUP_INLINE
#if HWY_TARGET == HWY_SSE2
#define NIBBLE_LOOKUP_INLINE HWY_NOINLINE
#else
#define NIBBLE_LOOKUP_INLINE HWY_INLINE
#endif

// The least and the greatest of signed codes.
template <class Codes>
struct CodeRange {
  static constexpr int kLow = -128, kHigh = 127;
};
template <class E, uint64_t... kWords>
struct CodeRange<formats::Lut<E, kWords...>> {
  using Entries = formats::LutEntries<kWords...>;
  static constexpr int kLow = Entries::kLowest, kHigh = Entries::kHighest;
};
template <class Grid, class Index>
struct CodeRange<formats::PairLut<Grid, Index>> {
  static constexpr int Extreme(int sign) {
    int extreme = -128;
    for (const uint16_t pair : Grid::kPairs) {
      const int a = sign * static_cast<int8_t>(pair & 255);
      const int b = sign * static_cast<int8_t>(pair >> 8);
      extreme = HWY_MAX(extreme, HWY_MAX(a, b));
    }
    return extreme;
  }
  static constexpr int kLow = -Extreme(-1), kHigh = Extreme(1);
};

// F, multiplied on CPUs that have more than their target: AVX-VNNI.
template <class F>
struct OnQuads : F {};

// Are four products one instruction (QuadsU8I8)?
template <class F>
inline constexpr bool kUsesQuads = kNativeU8I8;
template <class F>
inline constexpr bool kUsesQuads<OnQuads<F>> = true;

// Signed codes that can be unsigned ones where pairs saturate.
template <class Codes>
inline constexpr bool kFitsPairs = kPairsU8I8&& CodeRange<Codes>::kHigh -
                                       CodeRange<Codes>::kLow <=
                                   MaxPairCode(1);

// Are signed codes multiplied as unsigned ones? Always by quads; by pairs if
// they fit (AVX2, IQ2_KS: 24.8 -> 28.4 Gweights/s).
template <class Codes, bool kQuads>
inline constexpr bool kWantsBias = formats::IsSigned<Codes>::value &&
                                   (kQuads || kFitsPairs<Codes>);

// What is added to them then: what leaves no more than is needed, the top bit,
// or what makes sums of bytes of trellis codes again.
template <class Codes>
inline constexpr int kBiasOf =
    kFitsPairs<Codes> ? -CodeRange<Codes>::kLow : 128;
template <int kGroup, class Index>
inline constexpr int kBiasOf<formats::Trellis<kGroup, Index, false>> =
    formats::TrellisGenerator::kZero;

// Eight bytes of a table, `bias` added to each.
constexpr uint64_t AddToBytes(uint64_t word, int bias) {
  uint64_t sum = 0;
  for (int i = 0; i < 64; i += 8) {
    sum |= (((word >> i) + static_cast<uint64_t>(bias)) & 255) << i;
  }
  return sum;
}

// The seeds of a chunk. Decoded sixteen at a time and read again by those that
// meet in a vector of QuadOrder (matvec from memory with AVX2, Gweights/s:
// IQ1_KT 6.3 -> 7.9, IQ2_KT 7.8 -> 8.9, IQ4_KT 5.6 -> 7.6).
template <int kGroup>
struct ChunkSeeds {
  alignas(64) uint16_t words[kChunk / kGroup];
};

// Evaluates positions [kE, kE + lanes) of the 256-weight chunk that starts at
// block x (several small blocks, or one of 256), in the element order `Order`.
// kBias makes signed codes unsigned, for unsigned multiplies: code + kBiasOf.
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
    } else if constexpr (Window<F, kE, kM, X, n>::kHas) {
      return FromWindow<F, kE, kM>(d, x);
    } else {
      static_assert(n > 16, "fields must be contiguous within 16 bytes");
      const hn::Half<D> dh;
      const auto lo = Raw<F, kE, kM>(dh, x);
      if constexpr (Map::SameHalves(n)) {
        return Twice(d, lo);
      } else {
        return hn::Combine(d, Raw<F, kE + n / 2, kM>(dh, x), lo);
      }
    }
  }
  // Both halves the same: AVX-512 loads that in one go, if it is asked to.
  template <class D>
  static HWY_INLINE hn::Vec<D> Twice(D d, hn::Vec<hn::Half<D>> half) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    if constexpr (HWY_MAX_LANES_D(D) == 64) {
      return hn::Vec<D>{_mm512_broadcast_i64x4(half.raw)};
    }
#endif
    return hn::Combine(d, half, half);
  }
  // Short runs of several blocks come with one shuffle of the 32 or 64 bytes
  // around them (VBMI); sixteen lanes whose bytes lie beyond are inserted.
  template <class F, size_t kE, auto kM, class X, size_t n>
  struct Window {
    using Map = FieldMap<F, Order, kE>;
    // What can be read from the first lane's byte on, at least.
    static constexpr size_t kRest =
        (kChunk / Map::kElems - 1 - Map::Block()) * sizeof(X) +
        formats::MemberBytes(kM) - Map::First();
    static constexpr size_t kBytes = kRest >= 64 ? 64 : 32;
    static constexpr bool Fits(size_t lane) {
      for (size_t i = lane; i < lane + 16; ++i) {
        if (Map::Byte(i) < Map::Byte(0) ||
            Map::Byte(i) - Map::Byte(0) >= kBytes) {
          return false;
        }
      }
      return true;
    }
    static constexpr size_t Missing() {
      size_t missing = 0;
      for (size_t i = 0; i < n; i += 16) missing += !Fits(i);
      return missing;
    }
    // Halves that are one load each take no more than an insertion.
    static constexpr bool HalvesAreLoads() {
      using Upper = FieldMap<F, Order, kE + n / 2>;
      const auto load = [](auto map) {
        using M = decltype(map);
        return M::Repeats(n / 2, n / 2) || M::Repeats(n / 2, 16) ||
               M::Repeats(n / 2, 8);
      };
      return load(Map()) && load(Upper());
    }
    static constexpr bool kHas =
        kVbmi && n == 64 && kRest >= 32 && !HalvesAreLoads() && Missing() <= 2;
    alignas(64) uint8_t index[n] = {};
    constexpr Window() {
      for (size_t i = 0; i < n; ++i) {
        if (!Fits(i / 16 * 16)) continue;
        index[i] = static_cast<uint8_t>(Map::Byte(i) - Map::Byte(0));
      }
    }
  };
  template <class F, size_t kE, auto kM, class D, class X>
  static HWY_INLINE hn::Vec<D> FromWindow(D d, const X* HWY_RESTRICT x) {
    using W = Window<F, kE, kM, X, HWY_MAX_LANES_D(D)>;
    using Map = FieldMap<F, Order, kE>;
    static constexpr W kWindow;
    const hn::CappedTag<uint8_t, W::kBytes> dw;
    const uint8_t* HWY_RESTRICT p = (x[Map::Block()].*kM) + Map::First();
    const auto bytes = hn::ZeroExtendResizeBitCast(d, dw, hn::LoadU(dw, p));
    auto v = hn::TableLookupLanes(bytes, hn::SetTableIndices(d, kWindow.index));
    v = InsertRun<W, F, kE, kM, 1>(v, x);
    v = InsertRun<W, F, kE, kM, 2>(v, x);
    return InsertRun<W, F, kE, kM, 3>(v, x);
  }
  template <class W, class F, size_t kE, auto kM, int kRun, class V8, class X>
  static HWY_INLINE V8 InsertRun(V8 v, const X* HWY_RESTRICT x) {
    if constexpr (W::Fits(16 * kRun)) {
      return v;
    } else {
      const hn::Full128<uint8_t> d;
      return hn::InsertBlock<kRun>(v, Raw<F, kE + 16 * kRun, kM>(d, x));
    }
  }

  // Words x ^ x >> 1, without their lowest bits: Gray's.
  template <class F, size_t kE, auto kM, class X>
  static HWY_INLINE V RawGray(const X* HWY_RESTRICT x) {
    const D8 d8;
    const hn::Repartition<uint16_t, D8> d16;
    const auto w = hn::And(hn::BitCast(d16, Raw<F, kE, kM>(d8, x)),
                           hn::Set(d16, uint16_t{0xFFFE}));
    return hn::BitCast(d8, hn::Xor(w, hn::ShiftRight<1>(w)));
  }

  // -- Field bits moved to bit kAt, neighbours not yet masked off.
  template <size_t kE, int kAt, int kBits, int kRun, auto kM, class O, class X>
  static HWY_INLINE V Moved(formats::Field<kBits, kRun, kM, O>,
                            const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    using Map = FieldMap<F, Order, kE, kAt>;
    return Shifted<Map>(Raw<F, kE, kM>(D8(), x));
  }
  // Arm shifts bytes: what leaves one does not reach its neighbour, and fields
  // at either end of the byte need no mask. x86 shifts words.
  static constexpr bool kByteShifts = HWY_TARGET_IS_NEON;
  template <class Map>
  static constexpr bool NeedsMask(int bits, int at) {
    const int right = Map::Right(0);
    const int left = right < 0 ? -right : 0;
    const int rest = ((0xFF << left) & 0xFF) >> (right < 0 ? 0 : right);
    return !kByteShifts || !Map::UniformShift(kN) ||
           rest != ((1 << bits) - 1) << at;
  }
  template <class Map>
  static HWY_INLINE V Shifted(V raw) {
    const D8 d8;
    constexpr bool kBytes = kByteShifts && Map::UniformShift(kN);
    const hn::Repartition<hwy::If<kBytes, uint8_t, uint32_t>, D8> d;
    const auto v = hn::BitCast(d, raw);
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
      constexpr bool kLeft = Map::AllLeft(kN);
      static constexpr LaneShifts<Map, kLeft> kShifts;
      const auto by = hn::Load(d, kShifts.by);
      if constexpr (kLeft) {
        return hn::BitCast(d8, hn::Shl(v, by));
      } else if constexpr (Map::AllRight(kN)) {
        return hn::BitCast(d8, hn::Shr(v, by));
      } else {
        return hn::BitCast(d8, hn::Ror(v, by));
      }
    }
  }

  // -- One stored bit per element (Q5_0's high bits), of runs of sixteen
  // elements.
  template <class Map>
  static constexpr bool IsOneRun() {
    return Map::Element(kN - 1) - Map::Element(0) == kN - 1 &&
           Map::OneBlock(kN);
  }
  template <size_t kE, int kAt, auto kM, class X>
  static HWY_INLINE V ExpandBits(const X* HWY_RESTRICT x) {
    using Map = FieldMap<formats::Field<1, 1, kM>, Order, kE>;
    const D8 d8;
    const auto bit = hn::Set(d8, uint8_t{1} << kAt);
    // Or clang 19 takes runs from vectors of codes, shifts them in vectors and
    // moves them back (AVX3_SPR, Q5_0 from L2: 39 GFLOPS, now 78).
    const X* HWY_RESTRICT blocks = Opaque(x);
    const auto run = [blocks](size_t i) {
      const size_t e = Map::Element(i);
      return (blocks[e / Map::kElems].*kM) + e % Map::kElems / 8;
    };
    if constexpr (IsOneRun<Map>()) {
      return hn::IfThenElseZero(hn::LoadMaskBits(d8, run(0)), bit);
    } else if constexpr (kN == 32) {
      static constexpr BitMap<Map> kMap;
      static_assert(formats::MemberBytes(kM) == 4, "a word per block");
      const hn::Full128<uint32_t> d32;
      const auto word = [&](size_t lane) HWY_ATTR {
        return hn::BitCast(
            hn::Full128<uint8_t>(),
            hn::Set(d32,
                    formats::Load32(x[Map::Element(lane) / Map::kElems].*kM)));
      };
      const auto bytes = hn::TableLookupBytes(
          hn::Combine(d8, word(16), word(0)), hn::Load(d8, kMap.byte));
      return hn::IfThenElseZero(hn::TestBit(bytes, hn::Load(d8, kMap.bit)),
                                bit);
    } else {
      // Put together in a general register, whatever clang thinks of that.
      uint64_t bits = 0;
      HWY_UNROLL(4)
      for (size_t i = 0; i < kN; i += 16) {
        bits = Opaque(bits | (uint64_t{formats::Load16(run(i))} << i));
      }
      uint8_t bytes[8];
      memcpy(bytes, &bits, sizeof(bytes));
      return hn::IfThenElseZero(hn::LoadMaskBits(d8, bytes), bit);
    }
  }
  // Which byte of its member every lane's bit is in, and which bit it is.
  template <class Map>
  struct BitMap {
    alignas(64) uint8_t byte[kN] = {}, bit[kN] = {};
    constexpr BitMap() {
      for (size_t i = 0; i < kN; ++i) {
        const size_t e = Map::Element(i) % Map::kElems;
        byte[i] = static_cast<uint8_t>(e / 8);
        bit[i] = static_cast<uint8_t>(1u << (e % 8));
      }
    }
  };

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
    using Index = Index64<D8, Order, kE>;
    constexpr bool kApart = kRun == 1 && !Index::template kPlanes<kBits>;
    using F = formats::Field<kBits, kRun, kM, O>;
    if constexpr (Index::template IsCheaper<F>(kAt)) {
      using Itself = typename Index::template Itself<kAt>;
      return Index::template Lookup<Itself, 0>(f, x);
    } else if constexpr (kApart && kBits == 2) {
      return ExpandPairs<kE, kAt, kM>(x);
    } else if constexpr (kApart) {
      static_assert(kBits == 1, "wider sequential fields have no case yet");
      return ExpandBits<kE, kAt, kM>(x);
    } else {
      const V v = Moved<kE, kAt>(f, x);
      using Map = FieldMap<F, Order, kE, kAt>;
      if constexpr (kBits == 8 || !NeedsMask<Map>(kBits, kAt)) {
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
  static HWY_INLINE V Eval(formats::Or<A, B> f, const X* HWY_RESTRICT x) {
    using Index = Index64<D8, Order, kE>;
    if constexpr (Index::template IsCheaper<formats::Or<A, B>>(kAt)) {
      using Itself = typename Index::template Itself<kAt>;
      return Index::template Lookup<Itself, 0>(f, x);
    } else {
      return OrNext<kE, kAt>(Eval<kE, kAt>(A(), x), B(), x);
    }
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
    using Index = Index64<D8, Order, kE>;
    if constexpr (Index::template Possible<E>()) {
      constexpr int kFlip = kBias ? 0x80 : 0;
      return Index::template Lookup<Entries, kFlip>(E(), x);
    } else {
      constexpr int kAdd = kBias ? kBiasOf<formats::Lut<E, kWords...>> : 0;
      return TableCodes<Entries, kAdd, kE>(E(), x);
    }
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
    const auto plain = RawGray<F, kE, kM>(x);
    constexpr int kMask = ((1 << kBits) - 1) << kAt;
    return hn::And(Shifted<FieldMap<F, Order, kE, kAt>>(plain),
                   hn::Set(d8, static_cast<uint8_t>(kMask)));
  }
  // Half a vector of indices, looked up twice: both halves of the pairs.
  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Index,
            class X>
  static HWY_INLINE V Eval(formats::PairLut<Grid, Index>,
                           const X* HWY_RESTRICT x) {
    static_assert(std::is_same<Order, LogicalOrder>::value,
                  "pairs are in element order");
    const D8 d8;
    const hn::Repartition<uint16_t, D8> d16;
    using DH = hn::Rebind<uint8_t, decltype(d16)>;
    const auto index = Simd<DH>::template Eval<kE / 2>(Index(), x);
    constexpr int kAdd = kBias ? kBiasOf<formats::PairLut<Grid, Index>> : 0;
    const auto first = PairMember<Grid, kAdd>(DH(), index, 0);
    const auto second = PairMember<Grid, kAdd>(DH(), index, 1);
    return hn::BitCast(d8,
                       hn::Or(hn::PromoteTo(d16, first),
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
    return Weights<kBias, kMagnitude>(
        TrellisSums<kE, kGroup>(Seeds<kE, kGroup, Index>(x)));
  }
  template <size_t kE, int kAt = 0, bool kBias = false, int kGroup, class Index,
            bool kMagnitude>
  static HWY_INLINE V Eval(formats::Trellis<kGroup, Index, kMagnitude>,
                           const ChunkSeeds<kGroup>& seeds) {
    static_assert(kAt == 0 && std::is_same<Order, QuadOrder<kGroup>>::value,
                  "whole bytes as they come out");
    return Weights<kBias, kMagnitude>(
        TrellisSums<kE, kGroup>(Seeds<kE, kGroup>(seeds)));
  }
  // All seeds of a chunk.
  template <int kGroup, class Index, bool kMagnitude, class X>
  static HWY_INLINE ChunkSeeds<kGroup> Decode(
      formats::Trellis<kGroup, Index, kMagnitude>, const X* HWY_RESTRICT x,
      size_t /*readable*/) {
    ChunkSeeds<kGroup> seeds;
    StoreSeeds<0, kGroup, Index>(x, seeds);
    return seeds;
  }

 private:
  // Members of pairs: sixteen-entry lookups of either half of the grid.
  template <class Grid, int kAdd>
  struct PairTables {
    alignas(16) uint8_t member[2][2][16] = {};  // [member][index / 16][index]
    constexpr PairTables() {
      for (uint32_t i = 0; i < 32; ++i) {
        for (int m = 0; m < 2; ++m) {
          member[m][i / 16][i % 16] =
              static_cast<uint8_t>((Grid::kPairs[i] >> (8 * m)) + kAdd);
        }
      }
    }
  };
  template <class Grid, int kAdd, class DH>
  static HWY_INLINE hn::Vec<DH> PairMember(DH dh, hn::Vec<DH> index, int m) {
    static constexpr PairTables<Grid, kAdd> kTables;
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

  // Where the bytes of each sixteen digits are in the sixteen bytes that are
  // loaded for them, and what moves each digit to the top.
  template <class Layout, size_t kFirst, size_t kBytes>
  static constexpr size_t DigitsFrom() {
    constexpr size_t kLast = kBytes < 16 ? 0 : kBytes - 16;
    return Layout::Byte(kFirst) < kLast ? Layout::Byte(kFirst) : kLast;
  }
  template <class Layout, size_t kE, size_t kBytes>
  struct DigitMap {
    alignas(64) uint8_t index[kN] = {};
    alignas(64) uint16_t even[kN / 2] = {}, odd[kN / 2] = {};
    template <size_t kRun>
    constexpr void Fill() {
      constexpr size_t kFirst = (kE + kRun) % Layout::kElements;
      constexpr size_t kFrom = DigitsFrom<Layout, kFirst, kBytes>();
      for (size_t i = 0; i < 16; ++i) {
        index[kRun + i] =
            static_cast<uint8_t>(Layout::Byte(kFirst + i) - kFrom);
        (i % 2 == 0 ? even : odd)[(kRun + i) / 2] =
            static_cast<uint16_t>(formats::PowerOf3(Layout::Digit(kFirst + i)));
      }
      if constexpr (kRun + 16 < kN) Fill<kRun + 16>();
    }
    constexpr DigitMap() { Fill<0>(); }
  };
  // The bytes of digits kE, kE + 1, ..., and their powers of three.
  template <size_t kE, class Layout, auto kM, class D, class X>
  static HWY_INLINE hn::Vec<D> DigitWindows(D d, const X* HWY_RESTRICT x) {
    constexpr size_t n = HWY_MAX_LANES_D(D);
    if constexpr (n > 16) {
      const hn::Half<D> dh;
      return hn::Combine(d, DigitWindows<kE + n / 2, Layout, kM>(dh, x),
                         DigitWindows<kE, Layout, kM>(dh, x));
    } else {
      static_assert(n == 16, "sixteen digits at a time");
      constexpr size_t kBytes = formats::MemberBytes(kM);
      constexpr size_t kFirst = kE % Layout::kElements;
      const uint8_t* p = x[kE / Layout::kElements].*kM;
      return DigitBytes<kBytes>(d, p + DigitsFrom<Layout, kFirst, kBytes>());
    }
  }
  template <size_t kE, class Layout, auto kM, class D, class X>
  static HWY_INLINE hn::Vec<D> Digits(D d, const X* HWY_RESTRICT x) {
    static constexpr DigitMap<Layout, kE, formats::MemberBytes(kM)> kMap;
    const hn::Repartition<uint16_t, D> d16;
    const auto v = hn::BitCast(
        d16, hn::TableLookupBytes(DigitWindows<kE, Layout, kM>(d, x),
                                  hn::Load(d, kMap.index)));
    // (byte * power mod 256) * 3 / 256, even and odd bytes apart.
    const auto low = hn::Set(d16, uint16_t{255});
    const auto three = hn::Set(d16, uint16_t{3});
    const auto digit = [&](auto byte, const uint16_t* power) HWY_ATTR {
      const auto moved = hn::And(hn::Mul(byte, hn::Load(d16, power)), low);
      return hn::Mul(moved, three);
    };
    const auto even = hn::ShiftRight<8>(digit(hn::And(v, low), kMap.even));
    const auto odd = digit(hn::ShiftRight<8>(v), kMap.odd);
    return hn::BitCast(d, hn::Or(even, hn::AndNot(low, odd)));
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

  // -- Trellis codes: a seed in every 32-bit lane, times its powers of K.
  // Product p of four has weight p of the four that each lane makes; First is
  // its weight 0.
  using D32 = hn::Repartition<uint32_t, D8>;
  using V32 = hn::Vec<D32>;
  template <int kGroup, size_t kE>
  struct TrellisLanes {
    static constexpr bool kInOrder = std::is_same<Order, LogicalOrder>::value;
    static constexpr size_t First(size_t lane) {
      return kInOrder ? kE + 4 * lane
                      : Order::Logical(kE + lane / 4 * 16 + lane % 4);
    }
    // As Elements: which seed.
    static constexpr bool kConsecutive = kGroup == 4;
    static constexpr size_t kFirst = kE / kGroup;
    static constexpr size_t At(size_t lane) { return First(lane) / kGroup; }

    alignas(64) uint32_t power[4][kN / 4] = {};
    // Of seeds in 16-bit lanes from the first on, repeated.
    alignas(64) uint8_t seed[kN] = {};
    // Where QuadSums has every weight.
    alignas(64) uint8_t weight[kN] = {};
    constexpr TrellisLanes() {
      for (size_t i = 0; i < kN; ++i) {
        power[i % 4][i / 4] =
            formats::TrellisGenerator::Power(First(i / 4) % kGroup + i % 4 + 1);
        seed[i] = static_cast<uint8_t>(
            i % 4 < 2 ? 2 * (At(i / 4) - At(0)) + i % 4 : 0x80);
        const size_t rest = i % 4, quad = i % 16 / 4;
        weight[i] = static_cast<uint8_t>(kInOrder ? QuadSumAt<kN>(quad, rest)
                                                  : QuadSumAt<kN>(rest, quad));
      }
    }
    constexpr bool InPlace() const {
      for (size_t i = 0; i < kN; ++i) {
        if (weight[i] != i % 16) return false;
      }
      return true;
    }
  };
  template <size_t kE, int kGroup, class Index, class X>
  static HWY_INLINE V32 Seeds(const X* HWY_RESTRICT x) {
    const hn::Repartition<int32_t, D8> di32;
    return hn::BitCast(
        D32(), NumbersOf<TrellisLanes<kGroup, kE>, 0>(di32, Index(), x));
  }
  template <size_t kFirst, int kGroup, class Index, class X>
  static HWY_INLINE void StoreSeeds(const X* HWY_RESTRICT x,
                                    ChunkSeeds<kGroup>& seeds) {
    const hn::CappedTag<int16_t, HWY_MIN(kN / 2, kChunk / kGroup)> d16;
    hn::Store(NumbersOf<From<kFirst>, 0>(d16, Index(), x), d16,
              reinterpret_cast<int16_t*>(seeds.words) + kFirst);
    constexpr size_t kNext = kFirst + HWY_MAX_LANES_D(decltype(d16));
    if constexpr (kNext < kChunk / kGroup) {
      StoreSeeds<kNext, kGroup, Index>(x, seeds);
    }
  }
  template <size_t kE, int kGroup>
  static HWY_INLINE V32 Seeds(const ChunkSeeds<kGroup>& seeds) {
    using Lanes = TrellisLanes<kGroup, kE>;
    const D32 d32;
    const uint16_t* HWY_RESTRICT first = seeds.words + Lanes::At(0);
    if constexpr (kGroup == 4 || kN == 16) {
      return hn::PromoteTo(d32, hn::LoadU(hn::Rebind<uint16_t, D32>(), first));
    } else {
      static constexpr Lanes kLanes;
      const D8 d8;
      const auto bytes =
          RepeatBytes<kN / 4>(d8, reinterpret_cast<const uint8_t*>(first));
      return hn::BitCast(
          d32, hn::TableLookupBytesOr0(bytes, hn::Load(d8, kLanes.seed)));
    }
  }
  template <size_t kE, int kGroup>
  static HWY_INLINE V TrellisSums(V32 indices) {
    using Lanes = TrellisLanes<kGroup, kE>;
    static constexpr Lanes kLanes;
    using T = formats::TrellisGenerator;
    const D8 d8;
    const D32 d32;
    const V32 seeds = hn::Add(indices, hn::Set(d32, T::kFirst));
    const auto quads = [&](size_t place) HWY_ATTR {
      const auto grown = hn::Mul(seeds, hn::Load(d32, kLanes.power[place]));
      return hn::BitCast(d8, hn::And(grown, hn::Set(d32, T::kMask)));
    };
    const V sums = QuadSums(d8, quads(0), quads(1), quads(2), quads(3));
    if constexpr (Lanes().InPlace()) {
      return sums;
    } else {
      return hn::TableLookupBytes(sums, hn::Load(d8, kLanes.weight));
    }
  }
  template <bool kBias, bool kMagnitude>
  static HWY_INLINE V Weights(V sums) {
    using T = formats::TrellisGenerator;
    static_assert(!(kMagnitude && kBias), "magnitudes have no bias");
    if constexpr (kBias) {
      return sums;  // kBiasOf is kZero
    } else {
      const D8 d8;
      const V zero = hn::Set(d8, uint8_t{T::kZero});
      const auto v = hn::BitCast(hn::RebindToSigned<D8>(), hn::Sub(sums, zero));
      return hn::BitCast(d8, kMagnitude ? hn::Abs(v) : v);
    }
  }

  // The second operand's mask and the Or are one instruction: ternary logic, or
  // Arm's insertion of bits, which are 0 in `low`.
  template <size_t kE, int kAt, int k, int kBits, int kRun, auto kM, class O,
            class X>
  static HWY_INLINE V
  OrNext(V low, formats::Shl<k, formats::Field<kBits, kRun, kM, O>>,
         const X* HWY_RESTRICT x) {
    using F = formats::Field<kBits, kRun, kM, O>;
    if constexpr (kRun == 1) {
      return hn::Or(low, Eval<kE, kAt + k>(F(), x));
    } else {
      constexpr int kMask = ((1 << kBits) - 1) << (kAt + k);
      const V moved = Moved<kE, kAt + k>(F(), x);
      const V mask = hn::Set(D8(), static_cast<uint8_t>(kMask));
      if constexpr (!NeedsMask<FieldMap<F, Order, kE, kAt + k>>(kBits,
                                                                kAt + k)) {
        return hn::Or(low, moved);
      } else if constexpr (kByteShifts) {
        return hn::BitwiseIfThenElse(mask, moved, low);
      } else {
        return hn::OrAnd(low, moved, mask);
      }
    }
  }

  // The entries that codes select, kAdd added.
  template <class Entries, int kAdd, size_t kE, class E, class X>
  static HWY_INLINE V TableCodes(E, const X* HWY_RESTRICT x) {
    return Lookup<Entries, kAdd>(Eval<kE>(E(), x));
  }
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3 && HWY_TARGET > HWY_AVX3_DL
  // Two bits from where they are in half a byte: the lookup ignores the bits
  // beside them, and two fields share a mask.
  template <class Entries, int kAdd, size_t kE, int kRun, auto kM, class O,
            class X>
  static HWY_INLINE V TableCodes(formats::Field<2, kRun, kM, O> field,
                                 const X* HWY_RESTRICT x) {
    using F = formats::Field<2, kRun, kM, O>;
    using Map = FieldMap<F, Order, kE>;
    if constexpr (kRun > 1 && Map::UniformShift(kN)) {
      const hn::Repartition<uint16_t, D8> d16;
      auto v = hn::BitCast(d16, Raw<F, kE, kM>(D8(), x));
      if constexpr (Map::Right(0) >= 4) v = hn::ShiftRight<4>(v);
      const V nibble =
          hn::And(hn::BitCast(D8(), v), hn::Set(D8(), uint8_t{15}));
      static constexpr PlacedTable<Entries, kAdd, Map::Right(0) % 4> kTable;
      return hn::TableLookupBytes(hn::LoadDup128(D8(), kTable.entry), nibble);
    } else {
      return Lookup<Entries, kAdd>(Eval<kE>(field, x));
    }
  }
  template <class Entries, int kAdd, int kPlace>
  struct PlacedTable {
    alignas(16) uint8_t entry[16] = {};
    constexpr PlacedTable() {
      for (int i = 0; i < 16; ++i) {
        entry[i] = static_cast<uint8_t>(Entries::At((i >> kPlace) % 4) + kAdd);
      }
    }
  };
  // 32 entries, or 64: two lookups in sixteen, of which one gives zero, since
  // bit 7 of its index is set.
  template <class Entries, int kAdd, size_t kE, class Low, class High, class X>
  static HWY_INLINE V TableCodes(formats::Or<Low, formats::Shl<4, High>> codes,
                                 const X* HWY_RESTRICT x) {
    constexpr bool kLong = Entries::kSize == 64;
    if constexpr (Entries::kSize < 32) {
      return Lookup<Entries, kAdd>(Eval<kE>(codes, x));
    } else {
      const D8 d8;
      const V high = Eval < kE, kLong ? 6 : 7 > (High(), x);
      const V fifth = kLong ? hn::Add(high, high) : high;
      const V index = hn::Or(Eval<kE>(Low(), x), fifth);
      const V other = hn::Xor(index, hn::Set(d8, uint8_t{0x80}));
      const V a = EitherPart<Entries, kAdd, 0>(index, other);
      if constexpr (!kLong) return a;
      const hn::RebindToSigned<D8> di8;
      const V b = EitherPart < Entries, kAdd, kLong ? 2 : 0 > (index, other);
      return hn::BitCast(
          d8, hn::IfNegativeThenElse(hn::BitCast(di8, high),
                                     hn::BitCast(di8, b), hn::BitCast(di8, a)));
    }
  }
  template <class Entries, int kAdd, int kPart>
  static HWY_INLINE V EitherPart(V index, V other) {
    return hn::Or(
        hn::TableLookupBytesOr0(TablePart<Entries, kAdd, kPart>(), index),
        hn::TableLookupBytesOr0(TablePart<Entries, kAdd, kPart + 1>(), other));
  }
#endif

  // Entries [16 kPart, 16 kPart + 16) of a table, repeated to the whole vector.
  template <class Entries, int kAdd, int kPart>
  static HWY_INLINE V TablePart() {
    constexpr int kLast = Entries::kSize / 8 - 1;
    alignas(16) static constexpr uint64_t kTable[2] = {
        AddToBytes(Entries::Word(2 * kPart), kAdd),
        AddToBytes(Entries::Word(HWY_MIN(2 * kPart + 1, kLast)), kAdd)};
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
    return hn::BitCast(D8(), hn::IfNegativeThenElse(sign, hn::BitCast(di8, b),
                                                    hn::BitCast(di8, a)));
  }
  // Tables of 16 take one lookup; longer ones a lookup per 16, merged by the
  // upper bits of the index, where no instruction spans them. SSE2 has none at
  // all: sixteen loads, which unrolled kernels call (inlined they made 50 of
  // the 55 KB of a panel's unpacking).
  template <class Entries, int kAdd>
  static NIBBLE_LOOKUP_INLINE V Lookup(V index) {
    if constexpr (Entries::kSize <= 16) {
      return hn::TableLookupBytes(TablePart<Entries, kAdd, 0>(), index);
    } else if constexpr (kVbmi) {
      return Lookup64<Entries, kAdd>(index);
    } else {
      // x86 looks at the low four bits; other machines want no more.
      const V low = HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3
                        ? index
                        : hn::And(index, hn::Set(D8(), uint8_t{15}));
      const V a = TwoParts<Entries, kAdd, 0>(index, low);
      if constexpr (Entries::kSize == 32) {
        return a;
      } else {
        return Choose<5>(index, a, TwoParts<Entries, kAdd, 2>(index, low));
      }
    }
  }
  // One instruction (VBMI), in whole registers whatever the vector.
  template <class Entries>
  struct Table64 {
    alignas(64) uint8_t bytes[64] = {};
    explicit constexpr Table64(int add) {
      for (int i = 0; i < 64; ++i) {
        bytes[i] = static_cast<uint8_t>(Entries::At(i % Entries::kSize) + add);
      }
    }
  };
  template <class Entries, int kAdd>
  static HWY_INLINE V Lookup64(V index) {
    static constexpr Table64<Entries> kTable{kAdd};
    const hn::CappedTag<uint8_t, 64> d64;
    const auto wide =
        hn::IndicesFromVec(d64, hn::ZeroExtendResizeBitCast(d64, D8(), index));
    return hn::ResizeBitCast(
        D8(), hn::TableLookupLanes(hn::Load(d64, kTable.bytes), wide));
  }
  template <class Entries, int kAdd, int kPart>
  static HWY_INLINE V TwoParts(V index, V low) {
    return Choose<4>(
        index, hn::TableLookupBytes(TablePart<Entries, kAdd, kPart>(), low),
        hn::TableLookupBytes(TablePart<Entries, kAdd, kPart + 1>(), low));
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
      return hn::Combine(d, GridBytes<Grid, Index, kG + n / 2 / kDim>(dh, x),
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
};

// Sign bits of a block, one bit per element: either in place or put together in
// `buffer` (kBlock / 8 bytes).
template <int kRun, auto kM, class X>
HWY_INLINE const uint8_t* SignBits(
    formats::FreeSigns<formats::Field<8, kRun, kM>>, const X* HWY_RESTRICT x,
    uint8_t* HWY_RESTRICT /*buffer*/) {
  return x->*kM;
}

// The parity of the low seven bits of every byte (or 16-bit word) of v, as the
// bit above them. By folding, since PopulationCount is slow on x86 below
// AVX3_DL; what comes over from the neighbours does not reach bit 0.
template <class D, class V>
HWY_INLINE V EighthSigns(D d, V v, hn::TFromD<D> ones) {
  if constexpr (HWY_TARGET_IS_NEON) {
    const hn::Repartition<uint8_t, D> d8;
    const auto count = hn::PopulationCount(hn::BitCast(d8, v));
    return hn::BitCast(d, hn::ShiftLeft<7>(count));
  } else {
    auto p = hn::Xor(v, hn::ShiftRight<4>(v));
    p = hn::Xor(p, hn::ShiftRight<2>(p));
    p = hn::Xor(p, hn::ShiftRight<1>(p));
    return hn::ShiftLeft<7>(hn::And(p, hn::Set(d, ones)));
  }
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
    const auto w = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(
                                      static_cast<const uint8_t*>(x->*kM)) +
                                      i);
    const auto seven =
        hn::And(hn::ShiftRight<kFirst>(w), hn::Set(d16, uint16_t{127}));
    const auto all = hn::Or(seven, EighthSigns(d16, seven, 1));
    hn::StoreU(hn::TruncateTo(d8, all), d8, buffer + i);
  }
  return buffer;
}

// A bit of every byte per run of as many weights as there are bytes.
template <auto kM, class X>
HWY_INLINE const uint8_t* SignBits(formats::FreeSigns<formats::BitPlanes<kM>>,
                                   const X* HWY_RESTRICT x,
                                   uint8_t* HWY_RESTRICT buffer) {
  // Stored in pieces no smaller than they are read: two planes at a time where
  // a vector is twice as long as the member.
  constexpr size_t kBytes = formats::MemberBytes(kM);
  const hn::CappedTag<uint8_t, 2 * kBytes> d8;
  constexpr size_t n = HWY_MAX_LANES_D(decltype(d8));
  if constexpr (n == 2 * kBytes) {
    const hn::Half<decltype(d8)> dh;
    const auto plane = hn::LoadU(dh, x->*kM);
    auto v = hn::Combine(d8, hn::ShiftRight<1>(plane), plane);
    for (size_t bit = 0; bit < 8; bit += 2) {
      const auto set = hn::TestBit(v, hn::Set(d8, uint8_t{1}));
      hn::StoreMaskBits(d8, set, buffer + bit * kBytes / 8);
      v = hn::ShiftRight<2>(v);
    }
  } else {
    for (size_t i = 0; i < kBytes; i += n) {
      auto v = hn::LoadU(d8, (x->*kM) + i);
      for (size_t bit = 0; bit < 8; ++bit) {
        const auto set = hn::TestBit(v, hn::Set(d8, uint8_t{1}));
        hn::StoreMaskBits(d8, set, buffer + (bit * kBytes + i) / 8);
        v = hn::ShiftRight<1>(v);
      }
    }
  }
  return buffer;
}

// The 32-bit words at bit kFirst of consecutive records of 4 or 8 bytes.
template <int kFirst, int kRecord, class D32>
HWY_INLINE hn::Vec<D32> RecordWords(D32 d32, const uint8_t* HWY_RESTRICT p) {
  if constexpr (kRecord == 4) {
    static_assert(kFirst == 0, "the word is the record");
    return hn::BitCast(d32, hn::LoadU(hn::Repartition<uint8_t, D32>(), p));
  } else {
    static_assert(kRecord == 8, "two words in a record");
    const hn::Rebind<uint64_t, D32> d64;
    const hn::Repartition<uint8_t, decltype(d64)> d8;
    const auto records = hn::BitCast(d64, hn::LoadU(d8, p));
    return hn::TruncateTo(d32, hn::ShiftRight<kFirst>(records));
  }
}

// Four times seven bits in a 32-bit word of every record.
template <int kFirst, int kRecord, auto kM, class X>
HWY_INLINE const uint8_t* SignBits(
    formats::ParitySigns<formats::RecordField<7, kFirst, 4, 7, kRecord, kM>>,
    const X* HWY_RESTRICT x, uint8_t* HWY_RESTRICT buffer) {
  static_assert(kFirst % 32 == 0 && kRecord % 4 == 0, "one word per record");
  constexpr size_t kRecords = formats::MemberBytes(kM) / kRecord;
  constexpr size_t kAtOnce =
      kRecord == 8 ? HWY_MAX_LANES_D(hn::ScalableTag<uint64_t>) : kRecords;
  const hn::CappedTag<uint32_t, HWY_MIN(kAtOnce, kRecords)> d32;
  const auto byte = [&](auto v, int i) HWY_ATTR {
    return hn::And(v, hn::Set(d32, 127u << (8 * i)));
  };
  for (size_t r = 0; r < kRecords; r += hn::Lanes(d32)) {
    const auto w = RecordWords<kFirst, kRecord>(d32, (x->*kM) + r * kRecord);
    const auto seven = hn::Or(
        hn::Or(byte(w, 0), byte(hn::ShiftLeft<1>(w), 1)),
        hn::Or(byte(hn::ShiftLeft<2>(w), 2), byte(hn::ShiftLeft<3>(w), 3)));
    const auto all = hn::Or(seven, EighthSigns(d32, seven, 0x01010101u));
    hn::StoreU(all, d32, reinterpret_cast<uint32_t*>(buffer) + r);
  }
  return buffer;
}

// Signs of a chunk for an order, and of the vector at kPos: bits by position,
// or what is less work.
template <class Order, class Node, class X>
HWY_INLINE const uint8_t* OrderedSigns(Order, Node node,
                                       const X* HWY_RESTRICT x,
                                       uint8_t* HWY_RESTRICT buffer) {
  return SignBits(node, x, buffer);
}
template <size_t kPos, class Order, class Node, class DI8>
HWY_INLINE auto SignsAt(DI8 d, Order, Node, const uint8_t* HWY_RESTRICT signs) {
  return LoadSigns(d, signs + kPos / 8);
}
// Planes in QuadOrder: all sub-blocks have one order, so its bytes once.
template <auto kM, class X>
HWY_INLINE const uint8_t* OrderedSigns(
    QuadOrder<8>, formats::FreeSigns<formats::BitPlanes<kM>>,
    const X* HWY_RESTRICT x, uint8_t* HWY_RESTRICT buffer) {
  static_assert(formats::MemberBytes(kM) == 32, "eight planes");
  alignas(16) static constexpr uint8_t kSeedsToPlaces[16] = {
      0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const hn::Full128<uint8_t> d8;
  const hn::Full128<uint32_t> d32;
  const hn::CappedTag<uint8_t, 32> d;
  const auto seeds01 = hn::BitCast(d32, hn::LoadU(d8, x->*kM));
  const auto seeds23 = hn::BitCast(d32, hn::LoadU(d8, (x->*kM) + 16));
  const auto places = [&](auto of_seeds) HWY_ATTR {
    return hn::TableLookupBytes(hn::BitCast(d8, of_seeds),
                                hn::Load(d8, kSeedsToPlaces));
  };
  const auto low = places(hn::ConcatEven(d32, seeds23, seeds01));
  const auto high = places(hn::ConcatOdd(d32, seeds23, seeds01));
  if constexpr (HWY_MAX_LANES_D(decltype(d)) == 32) {
    hn::StoreU(hn::Combine(d, high, low), d, buffer);
  } else {
    hn::StoreU(low, d8, buffer);
    hn::StoreU(high, d8, buffer + 16);
  }
  return buffer;
}
template <size_t kPos, auto kM, class DI8>
HWY_INLINE auto SignsAt(DI8 d, QuadOrder<8>,
                        formats::FreeSigns<formats::BitPlanes<kM>>,
                        const uint8_t* HWY_RESTRICT signs) {
  const hn::RebindToUnsigned<DI8> du;
  constexpr size_t kN = HWY_MAX_LANES_D(DI8);
  constexpr uint8_t kBit = 1 << (kPos / 32);
  const auto test = [&](auto bytes, auto bit) HWY_ATTR {
    return SignsOf(d, hn::RebindMask(d, hn::TestBit(bytes, bit)));
  };
  if constexpr (kN <= 32) {
    return test(hn::LoadU(du, signs + kPos % 32), hn::Set(du, kBit));
  } else {
    const hn::Half<decltype(du)> dh;
    const auto half = hn::LoadU(dh, signs);
    return test(hn::Combine(du, half, half),
                hn::Combine(du, hn::Set(dh, static_cast<uint8_t>(2 * kBit)),
                            hn::Set(dh, kBit)));
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_MACHINE_INL_H_
