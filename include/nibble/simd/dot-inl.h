// SPDX-License-Identifier: MIT
// Four products of 8-bit numbers per 32-bit lane, and signs kept apart from
// codes. With machine-inl.h the only place that knows differences of targets.
#if defined(NIBBLE_SIMD_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_DOT_INL_H_
#undef NIBBLE_SIMD_DOT_INL_H_
#else
#define NIBBLE_SIMD_DOT_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "nibble/simd/panel.h"

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

// 64-bit Arm multiplies i8 by i8. Highway 1.2 widens every byte first, so these
// are intrinsics: 1 or 4 instructions for sixteen products instead of 13.
#undef NIBBLE_NEON
#undef NIBBLE_NEON_DOT
#if HWY_ARCH_ARM_A64 && HWY_TARGET_IS_NEON
#define NIBBLE_NEON 1
#else
#define NIBBLE_NEON 0
#endif
// Dot products are in NEON_BF16, and in machines without bf16 that the compiler
// was told of (-mcpu=neoverse-n1, Apple's).
#if NIBBLE_NEON && \
    (HWY_TARGET == HWY_NEON_BF16 || defined(__ARM_FEATURE_DOTPROD))
#define NIBBLE_NEON_DOT 1
#else
#define NIBBLE_NEON_DOT 0
#endif
inline constexpr bool kNeon = NIBBLE_NEON;
inline constexpr bool kNativeI8I8 = NIBBLE_NEON_DOT;

// ---- Products of bytes added up in 16 bits; MaxPairCode says how many. i8 x
// i8 on Arm, saturating u8 x i8 elsewhere.
#if NIBBLE_NEON
// Of the lower and of the upper eight bytes, neighbours not yet added.
struct Products16 {
  int16x8_t low, high;
};
template <class D32>
using Sums16 = Products16;

template <class D32, class VI8>
HWY_INLINE Products16 Multiply16(D32, VI8 a, VI8 b) {
  return {vmull_s8(vget_low_s8(a.raw), vget_low_s8(b.raw)),
          vmull_high_s8(a.raw, b.raw)};
}
template <class D32, class VI8>
HWY_INLINE Products16 MultiplyAdd16(D32, VI8 a, VI8 b, Products16 sum) {
  return {vmlal_s8(sum.low, vget_low_s8(a.raw), vget_low_s8(b.raw)),
          vmlal_high_s8(sum.high, a.raw, b.raw)};
}
// sum + the sums of four neighbours.
template <class D32>
HWY_INLINE hn::Vec<D32> AddQuads(D32, Products16 p, hn::Vec<D32> sum) {
  return hn::Vec<D32>(vpadalq_s16(sum.raw, vpaddq_s16(p.low, p.high)));
}
#else
template <class D32>
using Sums16 = hn::Vec<hn::Repartition<int16_t, D32>>;

template <class D32, class VU8, class VI8>
HWY_INLINE Sums16<D32> Multiply16(D32, VU8 a, VI8 b) {
  return hn::SatWidenMulPairwiseAdd(hn::Repartition<int16_t, D32>(), a, b);
}
template <class D32, class VU8, class VI8>
HWY_INLINE Sums16<D32> MultiplyAdd16(D32 d32, VU8 a, VI8 b, Sums16<D32> sum) {
  return hn::Add(sum, Multiply16(d32, a, b));
}
template <class D32>
HWY_INLINE hn::Vec<D32> AddQuads(D32 d32, Sums16<D32> p, hn::Vec<D32> sum) {
  const hn::Repartition<int16_t, D32> d16;
  return hn::Add(sum, hn::WidenMulPairwiseAdd(d32, p, hn::Set(d16, 1)));
}
#endif

// ---- Four products straight into 32 bits.

// Lane i = sum[i] + the sum of a[k] * b[k] for k in [4 i, 4 i + 4): exact for
// |b| <= 127. With kLane, that lane's four b meet every a.
#if NIBBLE_NEON_DOT
template <class D32, class VI8>
HWY_INLINE hn::Vec<D32> QuadsI8(D32, VI8 a, VI8 b, hn::Vec<D32> sum) {
  return hn::Vec<D32>(vdotq_s32(sum.raw, a.raw, b.raw));
}
template <int kLane, class D32, class VI8>
HWY_INLINE hn::Vec<D32> QuadsI8(D32, VI8 a, VI8 b, hn::Vec<D32> sum) {
  return hn::Vec<D32>(vdotq_laneq_s32(sum.raw, a.raw, b.raw, kLane));
}
#else
template <class D32, class VI8>
HWY_INLINE hn::Vec<D32> QuadsI8(D32 d32, VI8 a, VI8 b, hn::Vec<D32> sum) {
  if constexpr (kNeon) {
    return AddQuads(d32, Multiply16(d32, a, b), sum);
  } else {
    return hn::SumOfMulQuadAccumulate(d32, a, b, sum);
  }
}
template <int kLane, class D32, class VI8>
HWY_INLINE hn::Vec<D32> QuadsI8(D32 d32, VI8 a, VI8 b, hn::Vec<D32> sum) {
  const auto four = hn::Broadcast<kLane>(hn::BitCast(d32, b));
  return QuadsI8(d32, a, hn::BitCast(hn::DFromV<VI8>(), four), sum);
}
#endif

// ---- Instructions of some of a target's CPUs, which have no target of their
// own: kernels of PanelMath kExtensionMath use them, for callers that asked the
// CPU (UsesExtension). AVX-VNNI beside AVX2, i8mm beside NEON_BF16.
#undef NIBBLE_AVX_VNNI
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2 && !HWY_COMPILER_MSVC
#define NIBBLE_AVX_VNNI 1
#else
#define NIBBLE_AVX_VNNI 0
#endif
#undef NIBBLE_I8MM
#if NIBBLE_NEON && HWY_TARGET == HWY_NEON_BF16
#define NIBBLE_I8MM 1
#else
#define NIBBLE_I8MM 0
#endif
inline constexpr bool kHasExtension = NIBBLE_AVX_VNNI || NIBBLE_I8MM;
inline constexpr PanelMath kExtensionMath =
    NIBBLE_I8MM ? PanelMath::kOctets : PanelMath::kQuads;

// QuadsI8 of u8 x i8: kNativeU8I8, or AVX-VNNI.
template <class D32, class VU8, class VI8>
HWY_INLINE hn::Vec<D32> QuadsU8I8(D32 d32, VU8 a, VI8 b, hn::Vec<D32> sum) {
#if NIBBLE_AVX_VNNI
  static_cast<void>(d32);
  __asm__("%{vex%} vpdpbusd %2, %1, %0"
          : "+x"(sum.raw)
          : "x"(a.raw), "x"(b.raw));
  return sum;
#else
  return hn::SumOfMulQuadAccumulate(d32, a, b, sum);
#endif
}

// Lane 2 i + j = sum[2 i + j] + the sum of a[8 i + k] * b[8 j + k] for k < 8:
// two times two rows of eight bytes, exact.
#if NIBBLE_I8MM
template <class D32, class VI8>
HWY_INLINE hn::Vec<D32> OctetsI8(D32, VI8 a, VI8 b, hn::Vec<D32> sum) {
  __asm__(".arch_extension i8mm\n\tsmmla %0.4s, %1.16b, %2.16b"
          : "+w"(sum.raw)
          : "w"(a.raw), "w"(b.raw));
  return sum;
}
#else
template <class D32, class VI8>
hn::Vec<D32> OctetsI8(D32, VI8 a, VI8 b, hn::Vec<D32> sum);
#endif

// ---- Codes times activations.

// Lane i = sum of codes[k] * y[k] for k in [4 i, 4 i + 4): exact.
//
// |y| <= 127. kSignedCodes: codes are i8 (as stored, not biased), else u8.
// kMaxCode bounds their magnitude.
template <int kMaxCode, bool kSignedCodes, class D32>
HWY_INLINE hn::Vec<D32> Dot4(D32 d32,
                             hn::Vec<hn::Repartition<uint8_t, D32>> codes,
                             hn::Vec<hn::Repartition<int8_t, D32>> y) {
  const hn::Repartition<int8_t, D32> di8;
  if constexpr (kPairsU8I8) {
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
    return QuadsI8(d32, hn::BitCast(di8, codes), y, hn::Zero(d32));
  }
}

// How many of `count` vectors of codes up to `code` add up their products in 16
// bits.
constexpr size_t PairDepth(int code, size_t count) {
  while (count > 1 && code > MaxPairCode(static_cast<int>(count))) --count;
  return count;
}

// Dot4 of kCount vectors of codes, added up: in 16 bits while they can be.
// kQuads: by QuadsU8I8.
template <int kMaxCode, bool kSignedCodes, bool kQuads, class D32,
          size_t kCount, class V8, class VI8>
HWY_INLINE hn::Vec<D32> Dot4All(D32 d32, const V8 (&codes)[kCount],
                                const VI8 (&y)[kCount]) {
  constexpr bool kPairs = kNeon ? !kNativeI8I8 : kPairsU8I8 && !kSignedCodes;
  constexpr size_t kDepth = kPairs ? PairDepth(kMaxCode, kCount) : 1;
  if constexpr (kQuads) {
    auto sum = hn::Zero(d32);
    HWY_UNROLL(8)
    for (size_t i = 0; i < kCount; ++i) {
      sum = QuadsU8I8(d32, codes[i], y[i], sum);
    }
    return sum;
  } else if constexpr (kDepth > 1) {
    const auto code = [&](size_t i) HWY_ATTR {
      if constexpr (kNeon)
        return hn::BitCast(hn::DFromV<VI8>(), codes[i]);
      else
        return codes[i];
    };
    auto total = hn::Zero(d32);
    HWY_UNROLL(8)
    for (size_t first = 0; first < kCount; first += kDepth) {
      auto sum = Multiply16(d32, code(first), y[first]);
      HWY_UNROLL(8)
      for (size_t i = first + 1; i < HWY_MIN(first + kDepth, kCount); ++i) {
        sum = MultiplyAdd16(d32, code(i), y[i], sum);
      }
      total = AddQuads(d32, sum, total);
    }
    return total;
  } else {
    auto sum = Dot4<kMaxCode, kSignedCodes>(d32, codes[0], y[0]);
    HWY_UNROLL(8)
    for (size_t i = 1; i < kCount; ++i) {
      if constexpr (kNeon) {
        sum = QuadsI8(d32, hn::BitCast(hn::DFromV<VI8>(), codes[i]), y[i], sum);
      } else {
        sum = hn::Add(sum, Dot4<kMaxCode, kSignedCodes>(d32, codes[i], y[i]));
      }
    }
    return sum;
  }
}

// ---- Sums of the four bytes of every 32-bit lane, at most 63 each.

// AVX-512 has sums of absolute differences of four bytes.
inline constexpr bool kQuadSads = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;

// Where in sixteen bytes QuadSums has the sum of 32-bit lane `lane` of q`i`,
// for vectors of kN bytes.
template <size_t kN>
constexpr size_t QuadSumAt(size_t lane, size_t i) {
  return kQuadSads && kN == 64 ? i / 2 * 8 + 2 * lane + i % 2 : 4 * i + lane;
}

// By sums of pairs of bytes, up to 127 each.
template <class D8, class V8>
HWY_INLINE V8 PairedQuadSums(D8 d8, V8 q0, V8 q1, V8 q2, V8 q3) {
  const hn::Repartition<int16_t, D8> d16;
  const auto pairs = [&](V8 v) HWY_ATTR {
    return hn::SatWidenMulPairwiseAdd(
        d16, v, hn::Set(hn::RebindToSigned<D8>(), int8_t{1}));
  };
  const auto low = hn::ReorderDemote2To(d8, pairs(q0), pairs(q1));
  const auto high = hn::ReorderDemote2To(d8, pairs(q2), pairs(q3));
  return hn::ReorderDemote2To(d8, pairs(low), pairs(high));
}

#if NIBBLE_NEON
template <class D8, class V8>
HWY_INLINE V8 QuadSums(D8, V8 q0, V8 q1, V8 q2, V8 q3) {
  return V8{vpaddq_u8(vpaddq_u8(q0.raw, q1.raw), vpaddq_u8(q2.raw, q3.raw))};
}
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
template <class D8, class V8>
HWY_INLINE V8 QuadSums(D8 d8, V8 q0, V8 q1, V8 q2, V8 q3) {
  if constexpr (HWY_MAX_LANES_D(D8) == 64) {
    const hn::Repartition<int16_t, D8> d16;
    const __m512i zero = _mm512_setzero_si512();
    // A number would be moved to the mask register every time.
    const __mmask32 odd = _mm512_movepi16_mask(_mm512_set1_epi32(INT32_MIN));
    const auto two = [&](V8 a, V8 b) HWY_ATTR {
      const __m512i even = _mm512_dbsad_epu8(a.raw, zero, 0);
      return hn::Vec<decltype(d16)>{
          _mm512_mask_dbsad_epu8(even, odd, b.raw, zero, 0)};
    };
    return hn::ReorderDemote2To(d8, two(q0, q1), two(q2, q3));
  } else {
    return PairedQuadSums(d8, q0, q1, q2, q3);
  }
}
#else
template <class D8, class V8>
HWY_INLINE V8 QuadSums(D8 d8, V8 q0, V8 q1, V8 q2, V8 q3) {
  return PairedQuadSums(d8, q0, q1, q2, q3);
}
#endif

// Signs of the elements of a vector in the form WithSigns likes best: a mask,
// or bytes of 1 / -1 (x86 has an instruction that multiplies by those) or 0 /
// -1.
template <class DI8>
HWY_INLINE auto SignsOf(DI8 d, hn::Mask<DI8> negative) {
  if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) {
    return negative;
  } else if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3) {
    return hn::Or(hn::VecFromMask(d, negative), hn::Set(d, int8_t{1}));
  } else {
    return hn::VecFromMask(d, negative);
  }
}

// One bit each at `bits`.
template <class DI8>
HWY_INLINE auto LoadSigns(DI8 d, const uint8_t* HWY_RESTRICT bits) {
  return SignsOf(d, hn::LoadMaskBits(d, bits));
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
