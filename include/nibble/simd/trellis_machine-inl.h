// SPDX-License-Identifier: MIT
// The SIMD machine in TrellisOrder, for seeds of trellis codes.
//
// Sixteen seeds in 32-bit lanes meet one power of K at a time, so that powers
// are constants and a seed is decoded once for all its weights. What bounds it
// are ports 0 and 5 together: of 18 instructions for 64 weights eight multiply
// (vpmulld is two), four mask, four add up bytes, and products with activations
// are one. Halves of the products in 16-bit lanes, without vpmulld, take as
// many: three multiplications, an addition and a carry for 32 weights.
#if defined(NIBBLE_SIMD_TRELLIS_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_TRELLIS_MACHINE_INL_H_
#undef NIBBLE_SIMD_TRELLIS_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_TRELLIS_MACHINE_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/lane_signs-inl.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/order.h"
#include "nibble/simd/scale_codes-inl.h"

#if NIBBLE_LANE_ORDER

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Seeds in lanes: 16-bit ones of 32 groups, or one byte (kPart) of 64. Those of
// sub-block q are in 64-bit lane q. Upper bytes change places with their
// neighbours, since two vectors of bytes then are two of words in an
// instruction each.
template <int kGroup, int kPart, int kSeedBits>
struct SeedLanes {
  static constexpr int kWidth = kGroup == 8 ? 16 : 8;
  static constexpr int kBegin = 8 * kPart, kEnd = kBegin + kWidth;
  static constexpr size_t Group(size_t byte) {
    return kGroup == 8 ? byte / 2 : byte ^ kPart;
  }
  // Which bit of the seed is the lowest of a byte.
  static constexpr int Bit(size_t byte) {
    return kGroup == 8 ? static_cast<int>(byte % 2 * 8) : kBegin;
  }
  // What makes seeds of 16 bits seed - 2^15: the multiplication of words, which
  // adds kFirst, is signed.
  static constexpr bool kSigned = kSeedBits == 16;
  static constexpr int kFlip = kSigned && kEnd == 16 ? 1 << (kWidth - 1) : 0;
};

// How 64-bit lane q gets the bytes of a member that have its seeds' bits: from
// byte kStep * q on, the member being repeated. Or all of eight bytes.
template <class Source, class Lanes>
struct SeedBytes {
  static constexpr size_t Start(size_t q, size_t step) {
    return step * q % Source::kBytes;
  }
  static constexpr bool Fits(size_t step) {
    for (size_t i = 0; i < 64; ++i) {
      const size_t begin = 8 * Start(i / 8, step);
      const size_t end = begin + 8 * (step == 0 ? Source::kBytes : step);
      const size_t at = Source::At(Lanes::Group(i));
      if (at < begin || at + Source::kBits > end) return false;
    }
    return true;
  }
  static constexpr size_t kStep = Source::kBytes <= 8 ? 0 : Fits(8) ? 8 : 4;
  static_assert(Fits(kStep), "a lane has the bits of its seeds");
  // Is every byte a seed's low one?
  static constexpr bool InOrder() {
    for (size_t i = 0; i < 64; ++i) {
      if (Source::At(Lanes::Group(i)) != 8 * Lanes::Group(i)) return false;
    }
    return Source::kBits == 8 && Lanes::kWidth == 16;
  }
};
// From which of its lane's bits on a byte is copied, to have those of the
// source at bit kAt of the seeds.
template <class Source, class Lanes, int kAt>
struct SeedShifts {
  using Bytes = SeedBytes<Source, Lanes>;
  alignas(64) uint8_t from[64] = {};
  constexpr SeedShifts() {
    for (size_t i = 0; i < 64; ++i) {
      const size_t at = Source::At(Lanes::Group(i));
      const size_t start = 8 * Bytes::Start(i / 8, Bytes::kStep);
      from[i] = static_cast<uint8_t>(
          (static_cast<int>(at - start) + 64 + Lanes::Bit(i) - kAt) % 64);
    }
  }
  constexpr bool InPlace() const {
    for (size_t i = 0; i < 64; ++i) {
      if (from[i] != i % 8 * 8) return false;
    }
    return true;
  }
};

// As LaneMachine, for positions [64 kJ, 64 kJ + 64).
struct TrellisMachine {
  using D8 = hn::ScalableTag<uint8_t>;
  using DI8 = hn::RebindToSigned<D8>;
  using D16 = hn::Repartition<uint16_t, D8>;
  using DI16 = hn::RebindToSigned<D16>;
  using D32 = hn::Repartition<uint32_t, D8>;
  using DI32 = hn::RebindToSigned<D32>;
  using D64 = hn::Repartition<uint64_t, D8>;
  using V = hn::Vec<D8>;
  using V16 = hn::Vec<D16>;
  using V32 = hn::Vec<D32>;
  using T = formats::TrellisGenerator;
  static_assert(HWY_MAX_LANES_D(D8) == 64, "eight sub-blocks in a vector");

  // All seeds of a chunk in 16-bit lanes. They are decoded while the chunk
  // before is multiplied, which hides how long that takes: IQ1_KT 17.3 -> 18.9
  // Gweights/s, IQ4_KT 17.0 -> 18.0.
  template <size_t kVectors>
  struct Decoded {
    V16 words[kVectors];
  };
  template <int kGroup, class Index, bool kMagnitude, class X>
  static HWY_INLINE auto Decode(formats::Trellis<kGroup, Index, kMagnitude>,
                                const X* HWY_RESTRICT x) {
    constexpr int kBits = formats::Width<Index>::value;
    const D16 d16;
    const auto low =
        hn::BitCast(d16, Bits<SeedLanes<kGroup, 0, kBits>, 0>(Index(), x));
    if constexpr (kGroup == 8) {
      return Decoded<1>{{low}};
    } else {
      const auto high =
          hn::BitCast(d16, Bits<SeedLanes<kGroup, 1, kBits>, 0>(Index(), x));
      return Decoded<2>{
          {hn::BitwiseIfThenElse(hn::Set(d16, uint16_t{0xFF}), low, high),
           V16{_mm512_shldi_epi16(high.raw, low.raw, 8)}}};
    }
  }
  template <size_t kE, int kAt = 0, bool kBias = false, int kGroup, class Index,
            bool kMagnitude, size_t kVectors>
  static HWY_INLINE V Eval(formats::Trellis<kGroup, Index, kMagnitude>,
                           const Decoded<kVectors>& decoded) {
    using Order = TrellisOrder<kGroup>;
    constexpr size_t kJ = kE / 64, kFirst = Order::FirstPlace(kJ);
    using Lanes = SeedLanes<kGroup, 0, formats::Width<Index>::value>;
    constexpr size_t kVector = Order::SeedVector(kJ);
    const V32 seeds = Seeds<kVector % 2, Lanes>(decoded.words[kVector / 2]);
    const V sums =
        QuadSums(D8(), Quads<kFirst>(seeds), Quads<kFirst + 1>(seeds),
                 Quads<kFirst + 2>(seeds), Quads<kFirst + 3>(seeds));
    if constexpr (kBias) {
      static_assert(kBiasOf<formats::Trellis<kGroup, Index>> == T::kZero,
                    "the sums as they are");
      return sums;
    } else {
      static_assert(kMagnitude, "signed codes have a bias here");
      const V zero = hn::Set(D8(), uint8_t{T::kZero});
      return hn::BitCast(D8(),
                         hn::Abs(hn::BitCast(DI8(), hn::Sub(sums, zero))));
    }
  }

 private:
  // -- Seeds.

  template <class Lanes>
  static HWY_INLINE V InLanes(int bits) {
    if constexpr (Lanes::kWidth == 8) {
      return hn::Set(D8(), static_cast<uint8_t>(bits));
    } else {
      return hn::BitCast(D8(), hn::Set(D16(), static_cast<uint16_t>(bits)));
    }
  }
  // A field's bits at bit kAt of the seeds: the lane's mask of them.
  template <class Lanes, int kAt, int kBits>
  static constexpr int kMask = ((1 << kBits) - 1) << (kAt - Lanes::kBegin);

  // A field of the seeds and anything around it.
  template <class Lanes, int kAt, class Node, class X>
  static HWY_INLINE V Moved(Node, const X* HWY_RESTRICT x) {
    using Source = NumberBits<Node>;
    using Shifts = SeedShifts<Source, Lanes, kAt>;
    static constexpr Shifts kShifts;
    const V v =
        LaneBytes<Shifts::Bytes::kStep, Source::kBytes>(x->*Source::kMember);
    if constexpr (Shifts().InPlace()) {
      return v;
    } else {
      return V{_mm512_multishift_epi64_epi8(hn::Load(D8(), kShifts.from).raw,
                                            v.raw)};
    }
  }
  // Bytes kStep * q, kStep * q + 1, ... of a member in 64-bit lane q.
  template <size_t kStep, size_t kBytes>
  static HWY_INLINE V LaneBytes(const uint8_t* HWY_RESTRICT member) {
    const D8 d8;
    const D64 d64;
    const hn::Half<D8> dh;
    if constexpr (kStep == 0) {
      static_assert(kBytes == 8, "a word");
      return hn::BitCast(d8, hn::Set(d64, formats::Load64(member)));
    } else if constexpr (kStep == 8 && kBytes == 64) {
      return hn::LoadU(d8, member);
    } else if constexpr (kStep == 8) {
      static_assert(kBytes == 32, "half a vector, twice");
      return Simd<D8>::Twice(d8, hn::LoadU(dh, member));
    } else {
      static_assert(kBytes == 32 || kBytes == 16, "a vector of half lanes");
      const hn::Rebind<uint32_t, D64> d32;
      const auto halves =
          kBytes == 32 ? hn::LoadU(dh, member) : hn::LoadDup128(dh, member);
      return hn::BitCast(d8, hn::PromoteTo(d64, hn::BitCast(d32, halves)));
    }
  }
  // Bits of the seeds from kAt on, as far as they are in these lanes, and
  // kFlip.
  template <class Lanes, int kAt, class Node, class X>
  static HWY_INLINE V Bits(Node node, const X* HWY_RESTRICT x) {
    using Source = NumberBits<Node>;
    constexpr int kMine = kMask<Lanes, kAt, Source::kBits>;
    constexpr bool kAll = kMine == (1 << Lanes::kWidth) - 1;
    if constexpr (SeedBytes<Source, Lanes>::InOrder() && Lanes::kFlip == 0) {
      const hn::Half<D8> bytes;
      return hn::BitCast(
          D8(), hn::PromoteTo(D16(), hn::LoadU(bytes, x->*Source::kMember)));
    } else if constexpr (kAll && Lanes::kFlip == 0) {
      return Moved<Lanes, kAt>(node, x);
    } else if constexpr (kAll) {
      return hn::Xor(Moved<Lanes, kAt>(node, x), InLanes<Lanes>(Lanes::kFlip));
    } else {
      return hn::BitwiseIfThenElse(InLanes<Lanes>(kMine),
                                   Moved<Lanes, kAt>(node, x),
                                   InLanes<Lanes>(Lanes::kFlip));
    }
  }
  template <class Lanes, int kAt, class Low, int k, class High, class X>
  static HWY_INLINE V Bits(formats::Or<Low, formats::Shl<k, High>>,
                           const X* HWY_RESTRICT x) {
    constexpr int kHigh = kAt + k;
    if constexpr (kHigh >= Lanes::kEnd) {
      return Bits<Lanes, kAt>(Low(), x);
    } else if constexpr (kHigh <= Lanes::kBegin) {
      return Bits<Lanes, kHigh>(High(), x);
    } else {
      const V low = Bits<Lanes, kAt>(Low(), x);
      const V high = Moved<Lanes, kHigh>(High(), x);
      const V mine =
          InLanes<Lanes>(kMask<Lanes, kHigh, NumberBits<High>::kBits>);
      // One instruction either way: g++ sees that of the second.
      if constexpr (Lanes::kFlip == 0) {
        return hn::OrAnd(low, high, mine);
      } else {
        return hn::Xor(low, hn::And(high, mine));
      }
    }
  }
  // Seed + kFirst in 32-bit lanes: the kOdd one of every pair.
  template <size_t kOdd, class Lanes>
  static HWY_INLINE V32 Seeds(V16 words) {
    const auto one =
        hn::BitCast(DI16(), hn::Set(D32(), kOdd == 0 ? 1u : 1u << 16));
    const auto first = hn::Set(DI32(), static_cast<int32_t>(T::kFirst) +
                                           (Lanes::kSigned ? 1 << 15 : 0));
    return hn::BitCast(D32(),
                       hn::SatWidenMulPairwiseAccumulate(
                           DI32(), hn::BitCast(DI16(), words), one, first));
  }

  // -- Weights.

  // Four bytes, 0 .. 63, that add up to weight kPlace of every seed.
  template <size_t kPlace>
  static HWY_INLINE V Quads(V32 seeds) {
    const D32 d32;
    static constexpr uint32_t kPower = T::Power(kPlace + 1);
    const uint32_t* power = &kPower;
    // From memory: g++ would set constants in the loop by port 5 (3 to 4 %).
    asm("" : "+r"(power));
    const auto grown = hn::Mul(seeds, hn::Set(d32, *power));
    return hn::BitCast(D8(), hn::And(grown, hn::Set(d32, T::kMask)));
  }
};

// The mask of vector kJ from planes: 64-bit lanes with the bytes that have
// their signs, then a bit of them for every weight.
template <size_t kJ>
struct TrellisPlaneBits {
  using Order = TrellisOrder<8>;
  alignas(64) uint8_t byte[64] = {}, bit[64] = {};
  constexpr TrellisPlaneBits() {
    for (size_t i = 0; i < 64; ++i) {
      byte[i] = static_cast<uint8_t>(Byte(i / 8, i % 8));
      const size_t e = Order::Logical(64 * kJ + i);
      for (size_t b = 0; b < 8; ++b) {
        if (Byte(i / 8, b) == e % 32) {
          bit[i] = static_cast<uint8_t>(8 * b + e / 32);
        }
      }
    }
  }
  // Those of both vectors that have the same seeds: byte b of 64-bit lane
  // `lane`.
  static constexpr size_t Byte(size_t lane, size_t b) {
    const size_t vector = kJ / 2 * 2 + b / 4;
    return Order::Logical(64 * vector + 8 * lane + b % 4) % 32;
  }
};
template <size_t kJ, auto kM>
HWY_INLINE auto LaneSignMask(TrellisOrder<8>, hwy::SizeTag<kJ>,
                             formats::FreeSigns<formats::BitPlanes<kM>>,
                             const uint8_t* HWY_RESTRICT signs) {
  static constexpr TrellisPlaneBits<kJ / 2 * 2> kBytes;
  static constexpr TrellisPlaneBits<kJ> kBits;
  const hn::ScalableTag<uint8_t> d8;
  const auto planes =
      hn::ZeroExtendVector(d8, hn::LoadU(hn::Half<decltype(d8)>(), signs));
  const auto bytes =
      hn::TableLookupLanes(planes, hn::SetTableIndices(d8, kBytes.byte));
  return hn::MFromD<hn::ScalableTag<int8_t>>{
      _mm512_bitshuffle_epi64_mask(bytes.raw, _mm512_load_si512(kBits.bit))};
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_LANE_ORDER

#endif  // NIBBLE_SIMD_TRELLIS_MACHINE_INL_H_
