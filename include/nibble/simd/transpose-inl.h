// SPDX-License-Identifier: MIT
// Small transposes of 32-bit lanes, with 128-bit blocks on every target.
#if defined(NIBBLE_SIMD_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_TRANSPOSE_INL_H_
#undef NIBBLE_SIMD_TRANSPOSE_INL_H_
#else
#define NIBBLE_SIMD_TRANSPOSE_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Four vectors of 32-bit lanes, transposed within their 128-bit blocks: block b
// of vector j holds lane 4 b + j of the four inputs.
template <class D32, class V>
HWY_INLINE void Transpose4(D32 d32, V& a, V& b, V& c, V& d) {
  const hn::Repartition<uint64_t, D32> d64;
  const auto ab_lo = hn::BitCast(d64, hn::InterleaveLower(d32, a, b));
  const auto ab_hi = hn::BitCast(d64, hn::InterleaveUpper(d32, a, b));
  const auto cd_lo = hn::BitCast(d64, hn::InterleaveLower(d32, c, d));
  const auto cd_hi = hn::BitCast(d64, hn::InterleaveUpper(d32, c, d));
  a = hn::BitCast(d32, hn::InterleaveLower(d64, ab_lo, cd_lo));
  b = hn::BitCast(d32, hn::InterleaveUpper(d64, ab_lo, cd_lo));
  c = hn::BitCast(d32, hn::InterleaveLower(d64, ab_hi, cd_hi));
  d = hn::BitCast(d32, hn::InterleaveUpper(d64, ab_hi, cd_hi));
}

// Stores 128-bit block b of `v` at to + b * stride_bytes.
template <class D, class V>
HWY_INLINE void StoreBlocks(D d, V v, uint8_t* HWY_RESTRICT to,
                            size_t stride_bytes) {
  if constexpr (HWY_MAX_LANES_D(D) * sizeof(hn::TFromD<D>) == 16) {
    hn::StoreU(v, d, reinterpret_cast<hn::TFromD<D>*>(to));
  } else {
    const hn::Half<D> dh;
    constexpr size_t kBlocks = HWY_MAX_LANES_D(decltype(dh)) / 4;
    StoreBlocks(dh, hn::LowerHalf(dh, v), to, stride_bytes);
    StoreBlocks(dh, hn::UpperHalf(dh, v), to + kBlocks * stride_bytes,
                stride_bytes);
  }
}

// Four vectors of dwords, one per row of a 16 x 16 tile, into columns
// [row, row + 4) of the transposed tile, from line `line` on.
template <class D, class V>
HWY_INLINE void StoreTransposed(D d, V a, V b, V c, V e, size_t line,
                                size_t row, uint8_t* HWY_RESTRICT tile) {
  constexpr size_t kLine = 64;
  Transpose4(d, a, b, c, e);
  uint8_t* HWY_RESTRICT to = tile + line * kLine + row * 4;
  StoreBlocks(d, a, to, 4 * kLine);
  StoreBlocks(d, b, to + kLine, 4 * kLine);
  StoreBlocks(d, c, to + 2 * kLine, 4 * kLine);
  StoreBlocks(d, e, to + 3 * kLine, 4 * kLine);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_TRANSPOSE_INL_H_
