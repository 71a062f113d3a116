// SPDX-License-Identifier: MIT
// Sub-block scales, mins and offsets of one block, decoded by the Quad machine.
#if defined(NIBBLE_SIMD_SCALES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_SCALES_INL_H_
#undef NIBBLE_SIMD_SCALES_INL_H_
#else
#define NIBBLE_SIMD_SCALES_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Codes [kFirst, kFirst + lanes) of a description of sub-block codes as floats;
// of neighbouring blocks, kPerBlock codes each, if one has fewer. Four codes at
// a time in a general register, then one promotion: narrow stores followed by a
// wide load would fail store forwarding.
template <class Node, size_t kFirst, size_t kPerBlock, class DF, class X>
HWY_INLINE hn::Vec<DF> CodesToFloat(DF df, const X* HWY_RESTRICT x) {
  constexpr size_t n = HWY_MAX_LANES_D(DF);
  static_assert(n % 4 == 0 && n <= 16, "4, 8 or 16 sub-blocks at a time");
  using T = hwy::If<formats::IsSigned<Node>::value, int8_t, uint8_t>;
  const hn::RebindToSigned<DF> di;
  const hn::Rebind<T, DF> d8;
  static_assert(kPerBlock % 4 == 0, "four codes come from one block");
  const auto quad = [&](size_t e) {
    return static_cast<uint64_t>(
        formats::Quad::Eval(Node(), x[e / kPerBlock], e % kPerBlock));
  };
  uint64_t words[2] = {quad(kFirst), 0};
  if constexpr (n >= 8) words[0] |= quad(kFirst + 4) << 32;
  if constexpr (n == 16) {
    words[1] = quad(kFirst + 8) | (quad(kFirst + 12) << 32);
  }
  const hn::Full128<uint64_t> d64;
  const auto bytes = hn::BitCast(
      hn::Full128<T>(), hn::Dup128VecFromValues(d64, words[0], words[1]));
  return hn::ConvertTo(df, hn::PromoteTo(di, hn::ResizeBitCast(d8, bytes)));
}

// Whether the target converts fp16 in hardware. Where it does not, Highway's
// emulation takes infinities and NaNs for large numbers.
constexpr bool kNativeHalf =
    (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) ||
    (HWY_ARCH_ARM && HWY_TARGET != HWY_EMU128);

// fp16 -> float, exactly.
HWY_INLINE float HalfToFloat(uint16_t half) {
  if constexpr (kNativeHalf) {
    const hn::CappedTag<hwy::float16_t, 4> d16;
    const hn::Rebind<float, decltype(d16)> df;
    const hn::Repartition<uint16_t, decltype(d16)> du;
    const auto bits = hn::Set(du, half);
    return hn::GetLane(hn::PromoteTo(df, hn::BitCast(d16, bits)));
  } else {
    return F16ToF32(half);
  }
}
HWY_INLINE float HalfToFloat(formats::Word16 half) {
  return HalfToFloat(formats::Load16(half.bytes));
}

// -- Coded scales (formats/scales.h) in 32-bit lanes, exactly.
template <class DF>
HWY_INLINE hn::Vec<DF> DecodeScales(formats::ScaleKind<formats::Exponent8>,
                                    DF df, hn::Vec<hn::RebindToSigned<DF>> v) {
  const hn::RebindToSigned<DF> di;
  const auto one = hn::Set(di, 1);
  const auto normal = hn::ShiftLeft<23>(hn::Sub(v, one));
  // 0 and 1: 2^-128 and 2^-127 as bits.
  const auto small = hn::ShiftLeft<21>(hn::Add(v, one));
  return hn::BitCast(df, hn::IfThenElse(hn::Gt(v, one), normal, small));
}
template <size_t kN, class DF>
HWY_INLINE hn::Vec<DF> DecodeScales(
    formats::ScaleKind<formats::E4M3Scales<kN>>, DF df,
    hn::Vec<hn::RebindToSigned<DF>> v) {
  const hn::RebindToSigned<DF> di;
  const auto bits = hn::And(v, hn::Set(di, 0x7F));
  const auto normal = hn::BitCast(
      df, hn::Add(hn::ShiftLeft<20>(bits), hn::Set(di, 119 << 23)));
  const auto small =
      hn::Mul(hn::ConvertTo(df, bits), hn::Set(df, 1.0f / 1024.0f));
  const auto is_small = hn::Lt(bits, hn::Set(di, 8));
  const auto nan = hn::Eq(v, hn::Set(di, 0x7F));
  return hn::IfThenZeroElse(
      hn::RebindMask(df, nan),
      hn::IfThenElse(hn::RebindMask(df, is_small), small, normal));
}

// The coded scales of groups [kFirst, kFirst + lanes), kPerBlock to a block.
template <class F, size_t kFirst, size_t kPerBlock, class DF>
HWY_INLINE hn::Vec<DF> CodedScales(DF df,
                                   const typename F::Block* HWY_RESTRICT x) {
  constexpr size_t n = HWY_MAX_LANES_D(DF);
  using Kind = typename formats::ScaleOf<F>::type;
  static_assert(n == 4 || n == 8 || n == 16, "at most sixteen groups");
  uint64_t words[2] = {};
  for (size_t i = 0; i < n; ++i) {
    const size_t group = kFirst + i, in_block = group % kPerBlock;
    const uint64_t code =
        x[group / kPerBlock].d.bytes[in_block * Kind::kCount / kPerBlock];
    words[i / 8] |= code << (8 * (i % 8));
  }
  const hn::Full128<uint64_t> d64;
  const hn::RebindToSigned<DF> di;
  const hn::Rebind<uint8_t, DF> d8;
  const auto bytes =
      hn::BitCast(hn::Full128<uint8_t>(),
                  hn::Dup128VecFromValues(d64, words[0], words[1]));
  return DecodeScales(Kind(), df,
                      hn::PromoteTo(di, hn::ResizeBitCast(d8, bytes)));
}

// What the drivers need per sub-block: x = scale * (code + offset) - min.
template <class F>
struct SubScales {
  static constexpr size_t kSubs = F::kBlock / F::kSub;
  static constexpr size_t kPadded = kSubs < 4 ? 4 : kSubs;
  alignas(64) float scale[kPadded];
  alignas(64) float min[kPadded];
  alignas(64) float offset[kPadded];

  // `factor` is the row scale times kFactor for formats with a row header.
  HWY_INLINE void Decode(const typename F::Block& x, float row_scale) {
    if constexpr (!formats::kIsPresent<typename F::ScaleCodes>) {
      for (size_t s = 0; s < kSubs; ++s) {
        scale[s] = formats::Reader<F>::BlockScale(x, row_scale, s);
        if constexpr (formats::kIsPresent<typename F::MinCodes>) {
          min[s] = formats::Reader<F>::Min(x, s);
        }
        offset[s] = static_cast<float>(-F::kZero);
      }
    } else {
      Steps<0>(x, formats::Reader<F>::BlockScale(x, row_scale));
    }
  }

 private:
  template <size_t kFirst>
  HWY_INLINE void Steps(const typename F::Block& x, float d) {
    const hn::CappedTag<float, kSubs> df;
    constexpr size_t n = HWY_MAX_LANES_D(decltype(df));
    const auto step = hn::Set(df, static_cast<float>(F::kScaleStep));
    const auto base = hn::Set(df, static_cast<float>(F::kScaleBase));
    const auto codes =
        CodesToFloat<typename F::ScaleCodes, kFirst, kSubs>(df, &x);
    // Small integers: exact, fused or not.
    hn::Store(hn::Mul(hn::MulAdd(codes, step, base), hn::Set(df, d)), df,
              scale + kFirst);
    if constexpr (formats::kIsPresent<typename F::MinCodes>) {
      const auto m = CodesToFloat<typename F::MinCodes, kFirst, kSubs>(df, &x);
      const float dmin = F::kMinFactor * HalfToFloat(x.dmin);
      hn::Store(hn::Mul(m, hn::Set(df, dmin)), df, min + kFirst);
    }
    auto zero = hn::Set(df, static_cast<float>(-F::kZero));
    if constexpr (formats::kIsPresent<typename F::ShiftCodes>) {
      const auto g = CodesToFloat<typename F::ShiftCodes, kFirst, kSubs>(df, &x);
      zero = hn::MulAdd(g, hn::Set(df, static_cast<float>(F::kShift)), zero);
    }
    hn::Store(zero, df, offset + kFirst);
    if constexpr (kFirst + n < kSubs) Steps<kFirst + n>(x, d);
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_SCALES_INL_H_
