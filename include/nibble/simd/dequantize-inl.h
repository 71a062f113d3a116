// SPDX-License-Identifier: MIT
// Dequantize driver, generic over a format: x = scale * (code + offset) - min.
#if defined(NIBBLE_SIMD_DEQUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_DEQUANTIZE_INL_H_
#undef NIBBLE_SIMD_DEQUANTIZE_INL_H_
#else
#define NIBBLE_SIMD_DEQUANTIZE_INL_H_
#endif

#include <type_traits>
#include <utility>

#include "nibble/simd/machine-inl.h"
#include "nibble/simd/scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F>
struct Dequantizer {
  using Block = typename F::Block;
  // Sixteen codes at a time: the smallest sub-block, a whole vector everywhere.
  using D8 = hn::Full128<uint8_t>;
  static constexpr size_t kStep = 16;

  // Weights [kE, kE + 16) of a block.
  template <size_t kE>
  static HWY_INLINE void Step(const Block* HWY_RESTRICT x,
                              const SubScales<F>& sub,
                              const uint8_t* HWY_RESTRICT signs,
                              float* HWY_RESTRICT out) {
    constexpr size_t s = kE / F::kSub;
    HWY_ALIGN uint8_t codes[kStep];
    hn::Store(Simd<D8>::template Eval<kE>(typename F::Codes(), x), D8(), codes);
    const hn::CappedTag<float, kStep> df;
    using DF = decltype(df);
    using T =
        hwy::If<formats::IsSigned<typename F::Codes>::value, int8_t, uint8_t>;
    const hn::RebindToSigned<DF> di;
    const hn::Rebind<T, DF> d8;
    const auto scale = hn::Set(df, sub.scale[s]);
    for (size_t i = 0; i < kStep; i += hn::Lanes(df)) {
      const auto code = hn::LoadU(d8, reinterpret_cast<const T*>(codes) + i);
      auto level = hn::ConvertTo(df, hn::PromoteTo(di, code));
      if constexpr (F::kZero != 0 ||
                    formats::kIsPresent<typename F::ShiftCodes>) {
        level = hn::Add(level, hn::Set(df, sub.offset[s]));
      }
      if constexpr (formats::kIsPresent<typename F::Signs>) {
        level = NegateIfBit(df, level, signs, kE + i);
      }
      auto y = hn::Mul(scale, level);
      // The product is exact, so fusing it would change nothing.
      if constexpr (formats::kIsPresent<typename F::MinCodes>) {
        y = hn::Sub(y, hn::Set(df, sub.min[s]));
      }
      hn::StoreU(y, df, out + kE + i);
    }
  }

  static HWY_INLINE void DequantizeBlock(const Block* HWY_RESTRICT x,
                                         float row_scale,
                                         float* HWY_RESTRICT out) {
    SubScales<F> sub;
    sub.Decode(*x, row_scale);
    HWY_ALIGN uint8_t buffer[F::kBlock / 8 + 8];
    const uint8_t* HWY_RESTRICT signs = buffer;
    if constexpr (formats::kIsPresent<typename F::Signs>) {
      signs = SignBits(typename F::Signs(), x, buffer);
    }
    Steps(std::make_index_sequence<F::kBlock / kStep>(), x, sub, signs, out);
  }

 private:
  template <class DF, class V>
  static HWY_INLINE V NegateIfBit(DF df, V v, const uint8_t* HWY_RESTRICT signs,
                                  size_t e) {
    constexpr size_t n = HWY_MAX_LANES_D(DF);
    // At most 16 lanes; a vector of 4 uses half a byte.
    const uint32_t bits = formats::Load16(signs + e / 8) >> (e % 8);
    const hn::RebindToUnsigned<DF> du;
    const auto lane_bit =
        hn::Shl(hn::Set(du, uint32_t{1}), hn::Iota(du, uint32_t{0}));
    const auto set = hn::TestBit(hn::Set(du, bits), lane_bit);
    static_assert(n <= 16, "16 bits are read");
    return hn::MaskedSubOr(v, hn::RebindMask(df, set), hn::Zero(df), v);
  }
  template <size_t... kI>
  static HWY_INLINE void Steps(std::index_sequence<kI...>,
                               const Block* HWY_RESTRICT x,
                               const SubScales<F>& sub,
                               const uint8_t* HWY_RESTRICT signs,
                               float* HWY_RESTRICT out) {
    (Step<kI * kStep>(x, sub, signs, out), ...);
  }
};

// One row of `cols` weights, a multiple of the block.
template <class F>
HWY_NOINLINE void DequantizeRow(const uint8_t* HWY_RESTRICT row, size_t cols,
                                float* HWY_RESTRICT out) {
  const float row_scale = RowScale<F>(row);
  const auto* blocks =
      reinterpret_cast<const typename F::Block*>(row + F::kRowHeader);
  for (size_t b = 0; b < cols / F::kBlock; ++b) {
    Dequantizer<F>::DequantizeBlock(blocks + b, row_scale, out + b * F::kBlock);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_DEQUANTIZE_INL_H_
