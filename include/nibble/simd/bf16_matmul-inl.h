// SPDX-License-Identifier: MIT
// The AMX matmul: tile loops with the unpacking of a format inside.
//
// C += A * B with A = weights, rows in natural column order, and B = activations
// in pairs of columns: only the activations are rearranged, once per call, and
// the results transposed, once per result. The tile instructions are assembly
// because Highway has none, and compilers offer theirs only to functions that
// carry a target of their own, which could not be inlined with Highway's.
#if defined(NIBBLE_SIMD_BF16_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_BF16_MATMUL_INL_H_
#undef NIBBLE_SIMD_BF16_MATMUL_INL_H_
#else
#define NIBBLE_SIMD_BF16_MATMUL_INL_H_
#endif

#include "nibble/simd/bf16_panel-inl.h"
#include "nibble/simd/transpose-inl.h"

#undef NIBBLE_MAY_HAVE_TILES
#if HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX3_SPR && !HWY_COMPILER_MSVC
#define NIBBLE_MAY_HAVE_TILES 1

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

#ifndef NIBBLE_TILE_OPS
#define NIBBLE_TILE_OPS
// Rows of tiles are 64 bytes and follow one another.
#define NIBBLE_TILE(op, tile, p)                                          \
  __asm__ volatile(op " (%0,%1,1), %%tmm" #tile ::"r"(p), "r"(size_t{64}))
#define NIBBLE_TILE_LOAD(tile, p) NIBBLE_TILE("tileloadd", tile, p)
// With the hint that this data will not be wanted again soon: it leaves the
// 32 KiB weight panel in L1 (2.75 -> 3.6 TFLOPS).
#define NIBBLE_TILE_STREAM(tile, p) NIBBLE_TILE("tileloaddt1", tile, p)
#define NIBBLE_TILE_STORE(tile, p)                                   \
  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(p), \
                   "r"(size_t{64})                                   \
                   : "memory")
#define NIBBLE_TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::)
// c += a * b
#define NIBBLE_TILE_MULTIPLY(c, a, b) \
  __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
#endif

// The next chunk of a panel.
template <class F>
HWY_NOINLINE void UnpackChunk(Bf16Feed& feed) {
  Bf16Chunk<F>(feed, feed.next++).All();
}

// kTiles = 2: 32 rows x 32 tokens, 2 x 2 tiles of results, 4 KiB of operands per
// 64 cycles; 1: 16 tokens. 4 x 1 tiles were no better.
template <class F, int kTiles>
struct TileLoop {
  static constexpr size_t kResult = 16 * 16;

  static HWY_INLINE void Load(const float* c, bool accumulate) {
    if (accumulate) {
      NIBBLE_TILE_STREAM(0, c);
      NIBBLE_TILE_STREAM(1, c + kResult);
      if constexpr (kTiles == 2) {
        NIBBLE_TILE_STREAM(2, c + 2 * kResult);
        NIBBLE_TILE_STREAM(3, c + 3 * kResult);
      }
    } else {
      NIBBLE_TILE_ZERO(0);
      NIBBLE_TILE_ZERO(1);
      if constexpr (kTiles == 2) {
        NIBBLE_TILE_ZERO(2);
        NIBBLE_TILE_ZERO(3);
      }
    }
  }
  static HWY_INLINE void Store(float* c) {
    NIBBLE_TILE_STORE(0, c);
    NIBBLE_TILE_STORE(1, c + kResult);
    if constexpr (kTiles == 2) {
      NIBBLE_TILE_STORE(2, c + 2 * kResult);
      NIBBLE_TILE_STORE(3, c + 3 * kResult);
    }
  }

  // Operands at hand, advanced line by line.
  struct Operands {
    const uint16_t* w;
    const uint16_t* x;
    const uint8_t* ahead;
    size_t ahead_lines;
  };
  static HWY_INLINE void Line(Operands& o) {
    NIBBLE_TILE_LOAD(4, o.w);
    NIBBLE_TILE_STREAM(6, o.x);
    NIBBLE_TILE_MULTIPLY(0, 4, 6);
    NIBBLE_TILE_LOAD(5, o.w + kBf16Tile);
    NIBBLE_TILE_MULTIPLY(1, 5, 6);
    if constexpr (kTiles == 2) {
      NIBBLE_TILE_STREAM(7, o.x + kBf16Tile);
      NIBBLE_TILE_MULTIPLY(2, 4, 7);
      NIBBLE_TILE_MULTIPLY(3, 5, 7);
    }
    for (size_t i = 0; i < o.ahead_lines; ++i, o.ahead += 64) {
      __builtin_prefetch(o.ahead, 0, 2);
    }
    o.w += 2 * kBf16Tile;
    o.x += 2 * kBf16Tile;
  }

  // Four lines, and between them `chunks` chunks of the next panel, which are
  // spread evenly where they are few: bursts of vector work let the tiles wait.
  static HWY_INLINE void FourLines(Operands& o, Bf16Feed& feed,
                                   size_t chunks) {
    if (kTiles == 2 && chunks == 1) {
      const Bf16Chunk<F> chunk(feed, feed.next++);
      Line(o);
      chunk.template Unit<0>();
      Line(o);
      chunk.template Unit<64>();
      Line(o);
      chunk.template Unit<128>();
      Line(o);
      chunk.template Unit<192>();
    } else if (kTiles == 2 && chunks == 2) {
      for (size_t i = 0; i < 2; ++i) {
        const Bf16Chunk<F> chunk(feed, feed.next++);
        Line(o);
        chunk.template Unit<0>();
        chunk.template Unit<64>();
        Line(o);
        chunk.template Unit<128>();
        chunk.template Unit<192>();
      }
    } else {
      size_t done = 0;
      for (size_t i = 1; i <= 4; ++i) {
        Line(o);
        for (; done < chunks * i / 4; ++done) UnpackChunk<F>(feed);
      }
    }
  }
};

// A tile of results [row][token] -> rows of y, up to `tokens` of them.
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
    _mm512_mask_storeu_ps(y[token] + row, rows, all);
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

// Results of tokens [t, t + 32), while they are in L1.
HWY_INLINE void StoreResults(const Bf16Product& p, const float* HWY_RESTRICT c,
                             size_t t) {
  for (size_t half = 0; half < 2 && t < p.tokens; ++half, t += 16) {
    const size_t tokens = HWY_MIN(p.tokens - t, size_t{16});
    float* y[16];
    for (size_t i = 0; i < tokens; ++i) {
      const size_t row = p.y_rows == nullptr ? t + i : p.y_rows[t + i];
      y[i] = p.y + row * p.y_stride;
    }
    for (size_t r = 0; r < p.rows; r += 16) {
      const size_t rows = HWY_MIN(p.rows - r, size_t{16});
      StoreTile(c + (2 * half + r / 16) * 256,
                static_cast<__mmask16>((1u << rows) - 1), tokens, y, r);
    }
  }
}

// Spreads the chunks of a panel over the groups of four lines of a product.
struct ChunkShare {
  size_t total, groups, credit = 0;
  HWY_INLINE size_t Next() {
    credit += total;
    const size_t chunks = credit / groups;
    credit -= chunks * groups;
    return chunks;
  }
};

// 16 kTiles tokens.
template <class F, int kTiles>
HWY_INLINE void MultiplyTokens(const Bf16Product& p, const uint16_t* x,
                               float* c, const uint8_t*& ahead,
                               ChunkShare& share) {
  using Loop = TileLoop<F, kTiles>;
  typename Loop::Operands o = {p.weights, x, ahead, p.ahead_lines};
  Loop::Load(c, p.accumulate);
  size_t line = 0;
  for (; line + 4 <= p.lines; line += 4) {
    Loop::FourLines(o, *p.feed, share.Next());
  }
  for (; line < p.lines; ++line) Loop::Line(o);
  Loop::Store(c);
  ahead = o.ahead;
}

// One weight panel times all tokens of a block.
template <class F>
HWY_NOINLINE void MultiplyBf16Panel(const Bf16Product& p) {
  __asm__ volatile("" ::: "memory");  // panels are read by the assembly
  const size_t groups = (p.tokens + 31) / 32 * (p.lines / 4);
  ChunkShare share = {p.feed->chunks, groups == 0 ? 1 : groups};
  const uint8_t* ahead = p.ahead;
  for (size_t t = 0; t < p.tokens; t += kBf16Tokens) {
    const uint16_t* x = p.x + t / kBf16Tokens * p.x_stride;
    float* c = p.c + t / kBf16Tokens * 4 * 16 * 16;
    if (p.tokens - t > 16) {
      MultiplyTokens<F, 2>(p, x, c, ahead, share);
    } else {
      MultiplyTokens<F, 1>(p, x, c, ahead, share);
    }
    if (p.y != nullptr) StoreResults(p, c, t);
  }
  while (p.feed->next < p.feed->chunks) UnpackChunk<F>(*p.feed);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // AMX may be there

#endif  // NIBBLE_SIMD_BF16_MATMUL_INL_H_
