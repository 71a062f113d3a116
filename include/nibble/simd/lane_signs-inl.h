// SPDX-License-Identifier: MIT
// Signs in LaneOrder: bit matrices compute all of a chunk at once (LaneSigns),
// bit shuffles pick the mask of a vector (LaneSignMask).
#if defined(NIBBLE_SIMD_LANE_SIGNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_LANE_SIGNS_INL_H_
#undef NIBBLE_SIMD_LANE_SIGNS_INL_H_
#else
#define NIBBLE_SIMD_LANE_SIGNS_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/order.h"

#undef NIBBLE_LANE_ORDER
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define NIBBLE_LANE_ORDER 1
#else
#define NIBBLE_LANE_ORDER 0
#endif

#if NIBBLE_LANE_ORDER

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A record of 4 or 8 bytes per lane.
template <size_t kRecord>
HWY_INLINE __m512i LaneRecords(const uint8_t* HWY_RESTRICT p) {
  if constexpr (kRecord == 8) {
    return _mm512_loadu_si512(p);
  } else {
    static_assert(kRecord == 4, "half a lane");
    return _mm512_cvtepu32_epi64(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
}

// Where the signs of the lane's group i % 4 begin in a lane's record.
template <class Pos>
struct LaneSignBits {
  alignas(64) uint8_t first[64] = {};
  constexpr LaneSignBits() {
    for (size_t i = 0; i < 64; ++i) {
      first[i] = static_cast<uint8_t>(8 * Pos::Byte(i % 4) + Pos::Shift(i % 4));
    }
  }
};

// A bit matrix: seven bits of a byte stay, the eighth is their sum.
inline constexpr int64_t kEighthIsSum = 0x010204081020407F;

// The signs of a lane's four groups in its lower four bytes.
template <int kRun, auto kM, class X>
HWY_INLINE __m512i LaneSigns(formats::FreeSigns<formats::Field<8, kRun, kM>>,
                             const X* HWY_RESTRICT x) {
  static_assert(formats::MemberBytes(kM) == 32, "a bit per weight");
  return LaneRecords<4>(x->*kM);
}
template <int kFirst, int kPer, int kPitch, int kRecord, auto kM, class X>
HWY_INLINE __m512i
LaneSigns(formats::ParitySigns<
              formats::RecordField<7, kFirst, kPer, kPitch, kRecord, kM>>,
          const X* HWY_RESTRICT x) {
  static constexpr LaneSignBits<
      formats::RecordPos<7, kFirst, kPer, kPitch, kRecord>>
      kBits;
  const __m512i seven = _mm512_multishift_epi64_epi8(
      _mm512_load_si512(kBits.first),
      LaneRecords<formats::MemberBytes(kM) / 8>(x->*kM));
  return _mm512_gf2p8affine_epi64_epi8(seven, _mm512_set1_epi64(kEighthIsSum),
                                       0);
}
// Which of a lane's signs are those of vector kJ.
template <class Order, size_t kJ>
struct LaneSignShuffle {
  alignas(64) uint8_t bit[64] = {};
  constexpr LaneSignShuffle() {
    for (size_t i = 0; i < 64; ++i) {
      bit[i] = static_cast<uint8_t>(Order::Logical(64 * kJ + i) % 32);
    }
  }
};
template <class Order, size_t kJ, class Node>
HWY_INLINE auto LaneSignMask(Order, hwy::SizeTag<kJ>, Node, __m512i signs) {
  static constexpr LaneSignShuffle<Order, kJ> kShuffle;
  return hn::MFromD<hn::ScalableTag<int8_t>>{
      _mm512_bitshuffle_epi64_mask(signs, _mm512_load_si512(kShuffle.bit))};
}

// Planes: bit s of byte t is the sign of weight t of lane s.
template <auto kM, class X>
HWY_INLINE const uint8_t* LaneSigns(formats::FreeSigns<formats::BitPlanes<kM>>,
                                    const X* HWY_RESTRICT x) {
  static_assert(formats::MemberBytes(kM) == 32, "eight planes");
  return x->*kM;
}
struct LanePlaneBits {
  alignas(64) uint8_t bit[64] = {};
  constexpr LanePlaneBits() {
    for (size_t i = 0; i < 64; ++i) {
      bit[i] = static_cast<uint8_t>(i % 8 * 8 + i / 8);
    }
  }
};
template <size_t kJ, auto kM>
HWY_INLINE auto LaneSignMask(LaneOrder, hwy::SizeTag<kJ>,
                             formats::FreeSigns<formats::BitPlanes<kM>>,
                             const uint8_t* HWY_RESTRICT signs) {
  static constexpr LanePlaneBits kBits;
  const auto eight = static_cast<int64_t>(formats::Load64(signs + 8 * kJ));
  return hn::MFromD<hn::ScalableTag<int8_t>>{_mm512_bitshuffle_epi64_mask(
      _mm512_set1_epi64(eight), _mm512_load_si512(kBits.bit))};
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_LANE_ORDER

#endif  // NIBBLE_SIMD_LANE_SIGNS_INL_H_
