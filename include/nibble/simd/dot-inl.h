// SPDX-License-Identifier: MIT
// Four products of 8-bit numbers per 32-bit lane, and signs kept apart from
// codes. With machine-inl.h the only place that knows differences of targets.
#if defined(NIBBLE_SIMD_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_DOT_INL_H_
#undef NIBBLE_SIMD_DOT_INL_H_
#else
#define NIBBLE_SIMD_DOT_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// u8 x i8 -> i32 in one instruction (VNNI): signed tables are then biased by
// 128 and the bias joins the zero point.
inline constexpr bool kNativeU8I8 = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL;
// Pairs of u8 x i8 summed in 16 bits with saturation: x86 has nothing else
// before VNNI. Other targets multiply i8 x i8, natively or widened.
inline constexpr bool kPairsU8I8 =
    HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE2 && !kNativeU8I8;

// Lane i = sum of codes[k] * y[k] for k in [4 i, 4 i + 4): exact.
//
// |y| <= 127. kSignedCodes: codes are i8 (as stored, not biased), else u8.
// kMaxCode bounds their magnitude.
template <int kMaxCode, bool kSignedCodes, class D32>
HWY_INLINE hn::Vec<D32> Dot4(D32 d32,
                             hn::Vec<hn::Repartition<uint8_t, D32>> codes,
                             hn::Vec<hn::Repartition<int8_t, D32>> y) {
  const hn::Repartition<int8_t, D32> di8;
  if constexpr (kNativeU8I8) {
    return hn::SumOfMulQuadAccumulate(d32, codes, y, hn::Zero(d32));
  } else if constexpr (kPairsU8I8) {
    static_assert(2 * kMaxCode * 127 <= 32767,
                  "the sum of two products must fit 16 bits");
    const hn::Repartition<uint8_t, D32> du8;
    const hn::Repartition<int16_t, D32> d16;
    const auto ones = hn::Set(d16, int16_t{1});
    if constexpr (kSignedCodes) {  // |code| times y with the sign of the code
      const auto c = hn::BitCast(di8, codes);
      const auto pairs =
          hn::SatWidenMulPairwiseAdd(d16, hn::BitCast(du8, hn::Abs(c)),
                                     hn::IfNegativeThenNegOrUndefIfZero(c, y));
      return hn::WidenMulPairwiseAdd(d32, pairs, ones);
    } else {
      return hn::WidenMulPairwiseAdd(
          d32, hn::SatWidenMulPairwiseAdd(d16, codes, y), ones);
    }
  } else {
    static_assert(kSignedCodes || kMaxCode <= 127, "codes must fit i8");
    return hn::SumOfMulQuadAccumulate(d32, hn::BitCast(di8, codes), y,
                                      hn::Zero(d32));
  }
}

// Signs of the elements of a vector, one bit each at `bits`, in the form
// WithSigns likes best: a mask, or bytes of 1 / -1 (x86 has an instruction that
// multiplies by those) or 0 / -1.
template <class DI8>
HWY_INLINE auto LoadSigns(DI8 d, const uint8_t* HWY_RESTRICT bits) {
  const auto negative = hn::LoadMaskBits(d, bits);
  if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) {
    return negative;
  } else if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3) {
    return hn::Or(hn::VecFromMask(d, negative), hn::Set(d, int8_t{1}));
  } else {
    return hn::VecFromMask(d, negative);
  }
}

// y, negated where the sign is set.
template <class DI8, class Signs>
HWY_INLINE hn::Vec<DI8> WithSigns(DI8 d, Signs signs, hn::Vec<DI8> y) {
  if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) {
    return hn::MaskedSubOr(y, signs, hn::Zero(d), y);
  } else if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3) {
    return hn::IfNegativeThenNegOrUndefIfZero(signs, y);
  } else {
    return hn::Sub(hn::Xor(y, signs), signs);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_DOT_INL_H_
