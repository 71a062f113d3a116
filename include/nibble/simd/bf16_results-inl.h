// SPDX-License-Identifier: MIT
// Results of an AMX matmul: from tiles to sums over all columns, from those to
// y.
#if defined(NIBBLE_SIMD_BF16_RESULTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_BF16_RESULTS_INL_H_
#undef NIBBLE_SIMD_BF16_RESULTS_INL_H_
#else
#define NIBBLE_SIMD_BF16_RESULTS_INL_H_
#endif

#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "nibble/simd/panel.h"
#include "nibble/simd/tiles-inl.h"
#include "nibble/simd/transpose-inl.h"

#ifdef NIBBLE_MAY_HAVE_TILES

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// The next slice of the results before these. Tiles that load and store the
// sums themselves have to wait for it, all at once: 8 % slower (Q4_0, 512
// tokens).
HWY_INLINE void AddSlice(Bf16Pending& p) {
  const hn::Full512<float> df;
  float* HWY_RESTRICT to = p.to + p.done;
  const float* HWY_RESTRICT from = p.results + p.done;
  const bool add = p.add;
  HWY_UNROLL(4)
  for (size_t i = 0; i < Bf16Pending::kSlice; i += 16) {
    auto v = hn::Load(df, from + i);
    if (add) v = hn::Add(v, hn::Load(df, to + i));
    hn::Store(v, df, to + i);
  }
  p.done += Bf16Pending::kSlice;
}
HWY_INLINE void AddAll(Bf16Pending& p) {
  while (p.done < p.count) AddSlice(p);
}

// A tile of results [row][token] -> rows of y, up to `tokens` of them; all
// sixteen rows and aligned if they stream past the caches.
template <bool kStream>
HWY_INLINE void StoreTile(const float* HWY_RESTRICT c, __mmask16 rows,
                          size_t tokens, float* const* HWY_RESTRICT y,
                          size_t row) {
  const hn::Full512<float> df;
  hn::Vec<decltype(df)> v[4][4];
  HWY_UNROLL(4)
  for (size_t q = 0; q < 4; ++q) {
    HWY_UNROLL(4)
    for (size_t i = 0; i < 4; ++i) v[q][i] = hn::Load(df, c + 64 * q + 16 * i);
    Transpose4(df, v[q][0], v[q][1], v[q][2], v[q][3]);
  }
  // Block b of v[q][j] holds token 4 b + j of rows 4 q to 4 q + 3.
  const auto store = [&](size_t token, __m512 a, __m512 b, int which) HWY_ATTR {
    if (token >= tokens) return;
    const __m512 all = which == 0 ? _mm512_shuffle_f32x4(a, b, 0x88)
                                  : _mm512_shuffle_f32x4(a, b, 0xDD);
    if constexpr (kStream) {
      _mm512_stream_ps(y[token] + row, all);
    } else {
      _mm512_mask_storeu_ps(y[token] + row, rows, all);
    }
  };
  HWY_UNROLL(4)
  for (size_t j = 0; j < 4; ++j) {
    const __m512 a = v[0][j].raw, b = v[1][j].raw;
    const __m512 e = v[2][j].raw, f = v[3][j].raw;
    const __m512 ab_even = _mm512_shuffle_f32x4(a, b, 0x88);
    const __m512 ab_odd = _mm512_shuffle_f32x4(a, b, 0xDD);
    const __m512 ef_even = _mm512_shuffle_f32x4(e, f, 0x88);
    const __m512 ef_odd = _mm512_shuffle_f32x4(e, f, 0xDD);
    store(j, ab_even, ef_even, 0);
    store(4 + j, ab_odd, ef_odd, 0);
    store(8 + j, ab_even, ef_even, 1);
    store(12 + j, ab_odd, ef_odd, 1);
  }
}

// Sixteen tokens at a time, all rows of each: lines of y that follow one
// another are written together.
template <bool kStream>
HWY_INLINE void StoreSums(const Bf16Store& s) {
  for (size_t t = 0; t < s.tokens; t += 16) {
    const size_t tokens = HWY_MIN(s.tokens - t, size_t{16});
    float* y[16];
    for (size_t i = 0; i < tokens; ++i) {
      y[i] = s.y + (s.y_rows == nullptr ? t + i : s.y_rows[t + i]) * s.y_stride;
    }
    const float* c = s.c + t / kBf16Tokens * kBf16Results +
                     t % kBf16Tokens / 16 * (kBf16Results / 2);
    for (size_t r = 0; r < s.rows; r += 16) {
      const size_t rows = HWY_MIN(s.rows - r, size_t{16});
      StoreTile<kStream>(
          c + r / kBf16Rows * s.panel_stride + r % kBf16Rows * 16,
          static_cast<__mmask16>((1u << rows) - 1), tokens, y, r);
    }
  }
}

// The sums of a block of rows to y.
HWY_INLINE void StoreBf16Sums(const Bf16Store& s) {
  AddAll(*s.pending);
  const bool aligned = reinterpret_cast<uintptr_t>(s.y) % 64 == 0 &&
                       s.y_stride % 16 == 0 && s.rows % 16 == 0;
  if (s.stream && aligned) {
    StoreSums<true>(s);
    hwy::FlushStream();
  } else {
    StoreSums<false>(s);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // AMX may be there

#endif  // NIBBLE_SIMD_BF16_RESULTS_INL_H_
