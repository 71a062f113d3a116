// SPDX-License-Identifier: MIT
// The SIMD machine in TernaryOrder, for ternary digits, a sub-block of 16 in
// each 32-bit lane: four digits of a byte are looked up, two bits each, digits
// 0 are multiplied out and added up in a byte that has none of the others.
// Matvec from memory, one core of Emerald Rapids, Gweights/s: IQ1_BN 44 -> 63.
#if defined(NIBBLE_SIMD_TERNARY_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_TERNARY_MACHINE_INL_H_
#undef NIBBLE_SIMD_TERNARY_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_TERNARY_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/dot-inl.h"
#include "nibble/simd/lane_signs-inl.h"
#include "nibble/simd/order.h"

// No functions, so no attributes of a target (clang would miss them).
namespace nibble {
namespace HWY_NAMESPACE {

// Codes that have a case in TernaryMachine, on this target.
template <class Codes>
inline constexpr bool kWantsTernary = false;
template <class Layout, auto kM>
inline constexpr bool kWantsTernary<formats::Base3<Layout, kM>> =
    NIBBLE_LANE_ORDER != 0 && TernaryOrder<Layout>::Fits();

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if NIBBLE_LANE_ORDER

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Digits 1 to 4 of every byte, two bits each.
struct FourDigits {
  alignas(64) uint8_t of[256] = {};
  constexpr FourDigits() {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      for (int digit = 1; digit <= 4; ++digit) {
        const uint32_t fraction = byte * formats::PowerOf3(digit) % 256;
        of[byte] |=
            static_cast<uint8_t>(fraction * 3 / 256 << (2 * (digit - 1)));
      }
    }
  }
};

// Constants of the lanes, for blocks kPitch bytes apart.
template <class Layout, size_t kPitch>
struct TernaryLanes {
  using Order = TernaryOrder<Layout>;
  using Bytes = DigitBytes<Layout>;
  alignas(64) uint8_t index[64] = {};   // of a byte in a chunk
  alignas(64) uint8_t looked[64] = {};  // bits that come from the table
  // Digits 0: what brings two of a lane, then the third, to the upper bytes of
  // words, and from there to their fields.
  alignas(64) int8_t thrice[2][64] = {};
  alignas(64) int8_t place[2][64] = {};
  constexpr TernaryLanes() {
    for (size_t i = 0; i < 64; ++i) {
      const size_t lane = i / 4, byte = Order::Byte(lane, i % 4);
      index[i] = static_cast<uint8_t>(byte / Bytes::kPerBlock * kPitch +
                                      byte % Bytes::kPerBlock);
      looked[i] =
          i % 4 != 0 ? 255 : static_cast<uint8_t>(3 << (2 * Order::Own(lane)));
    }
    for (size_t i = 0; i < 64; ++i) {
      const size_t lane = i / 4, vector = i % 4;
      if (vector == Order::Own(lane)) continue;
      const size_t byte = 4 * lane + Order::FirstDigit(lane, vector);
      const size_t even = 1 - byte % 2;
      thrice[even][byte] = 3;
      place[even][byte + even] = static_cast<int8_t>(1 << (2 * vector));
    }
  }
};

// As Simd, for positions [64 j, 64 j + 64) of a chunk of several blocks, whose
// digits are decoded to fields of two bits: those at bit 2 j.
struct TernaryMachine {
  using D8 = hn::ScalableTag<uint8_t>;
  using DI8 = hn::RebindToSigned<D8>;
  using DI32 = hn::Repartition<int32_t, D8>;
  using V = hn::Vec<D8>;
  static_assert(HWY_MAX_LANES_D(D8) == 64, "sixteen sub-blocks");

  template <class Layout, auto kM, class X>
  static HWY_INLINE V Decode(formats::Base3<Layout, kM>,
                             const X* HWY_RESTRICT x, size_t readable) {
    constexpr size_t kBytes =
        (kChunk / Layout::kElements - 1) * sizeof(X) + formats::MemberBytes(kM);
    static_assert(kBytes <= 64, "all blocks in a vector");
    static constexpr TernaryLanes<Layout, sizeof(X)> kLanes;
    const D8 d8;
    const auto index = hn::SetTableIndices(d8, kLanes.index);
    // A mask costs an operation: 5 % of all.
    const V bytes = hn::TableLookupLanes(
        readable >= 64 ? hn::LoadU(d8, x->*kM) : hn::LoadN(d8, x->*kM, kBytes),
        index);
    auto first = hn::Zero(DI32());
    first = AddDigits0(bytes, kLanes.thrice[0], kLanes.place[0], first);
    first = AddDigits0(bytes, kLanes.thrice[1], kLanes.place[1], first);
    return hn::OrAnd(hn::BitCast(d8, first), Lookup(bytes),
                     hn::Load(d8, kLanes.looked));
  }

  template <size_t kE, int kAt = 0, bool kBias = false, class Layout, auto kM>
  static HWY_INLINE V Eval(formats::Base3<Layout, kM>, V fields) {
    constexpr int kBit = kE / 32;
    if constexpr (kBit == 0) {
      return hn::And(fields, hn::Set(D8(), uint8_t{3}));
    } else {
      // Bit b of the result is bit kBit + b.
      constexpr uint64_t kTwoBits =
          (uint64_t{1} << (56 + kBit)) | (uint64_t{1} << (48 + kBit + 1));
      return V{_mm512_gf2p8affine_epi64_epi8(
          fields.raw, _mm512_set1_epi64(static_cast<int64_t>(kTwoBits)), 0)};
    }
  }

 private:
  // Digit 0 is 3 v / 256: the upper byte of a word.
  static HWY_INLINE hn::Vec<DI32> AddDigits0(V v,
                                             const int8_t* HWY_RESTRICT thrice,
                                             const int8_t* HWY_RESTRICT place,
                                             hn::Vec<DI32> fields) {
    const DI8 di8;
    const hn::Repartition<int16_t, D8> d16;
    const auto words =
        hn::SatWidenMulPairwiseAdd(d16, v, hn::Load(di8, thrice));
    return QuadsU8I8(DI32(), hn::BitCast(D8(), words), hn::Load(di8, place),
                     fields);
  }
  static HWY_INLINE V Lookup(V v) {
    static constexpr FourDigits kDigits;
    const D8 d8;
    const auto bit6 = hn::TestBit(v, hn::Set(d8, uint8_t{64}));
    const auto half = [&](const uint8_t* table) HWY_ATTR {
      const auto low = _mm512_permutexvar_epi8(v.raw, hn::Load(d8, table).raw);
      return V{_mm512_mask_permutexvar_epi8(low, bit6.raw, v.raw,
                                            hn::Load(d8, table + 64).raw)};
    };
    const hn::Mask<D8> bit7{_mm512_movepi8_mask(v.raw)};
    return hn::IfThenElse(bit7, half(kDigits.of + 128), half(kDigits.of));
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_LANE_ORDER

#endif  // NIBBLE_SIMD_TERNARY_MACHINE_INL_H_
