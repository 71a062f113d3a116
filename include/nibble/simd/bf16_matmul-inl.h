// SPDX-License-Identifier: MIT
// The AMX matmul: tile loops with the unpacking of a format inside.
//
// C += A * B with A = weights, rows in natural column order, and B =
// activations in pairs of columns: only the activations are rearranged, once
// per call, and the results transposed, once per result.
#if defined(NIBBLE_SIMD_BF16_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_BF16_MATMUL_INL_H_
#undef NIBBLE_SIMD_BF16_MATMUL_INL_H_
#else
#define NIBBLE_SIMD_BF16_MATMUL_INL_H_
#endif

#include "nibble/simd/bf16_panel-inl.h"
#include "nibble/simd/bf16_results-inl.h"
#include "nibble/simd/tiles-inl.h"

#ifdef NIBBLE_MAY_HAVE_TILES

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// The next chunk of a panel.
template <class F>
HWY_NOINLINE void UnpackChunk(Bf16Feed& feed) {
  Bf16Chunk<F>(feed, feed.next++).All();
}

// kTiles = 2: 32 rows x 32 tokens, 2 x 2 tiles of results, 4 KiB of operands
// per 64 cycles; 1: 16 tokens. 4 x 1 tiles were no better.
template <class F, int kTiles>
struct TileLoop {
  static constexpr size_t kResult = 16 * 16;
  static constexpr size_t kRowBytes = kBf16BlockCols * sizeof(uint16_t);
  using Constants = typename Bf16Chunk<F>::Constants;

  static HWY_INLINE void Zero() {
    NIBBLE_TILE_ZERO(0);
    NIBBLE_TILE_ZERO(1);
    if constexpr (kTiles == 2) {
      NIBBLE_TILE_ZERO(2);
      NIBBLE_TILE_ZERO(3);
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
    Bf16Pending* pending;
  };
  static HWY_INLINE void Line(Operands& o) {
    NIBBLE_TILE_LOAD(4, o.w, kRowBytes);
    NIBBLE_TILE_STREAM(6, o.x);
    NIBBLE_TILE_MULTIPLY(0, 4, 6);
    NIBBLE_TILE_LOAD(5, o.w + 16 * kBf16BlockCols, kRowBytes);
    NIBBLE_TILE_MULTIPLY(1, 5, 6);
    // Halfway: with what is unpacked after this line, tiles would wait (1 to
    // 2 %).
    for (size_t i = 0; i < o.ahead_lines; ++i, o.ahead += 64) {
      __builtin_prefetch(o.ahead, 0, 2);
    }
    if (o.pending->done < o.pending->count) AddSlice(*o.pending);
    if constexpr (kTiles == 2) {
      NIBBLE_TILE_STREAM(7, o.x + kBf16Tile);
      NIBBLE_TILE_MULTIPLY(2, 4, 7);
      NIBBLE_TILE_MULTIPLY(3, 5, 7);
    }
    o.w += 32;
    o.x += 2 * kBf16Tile;
  }

  // Four lines, and between them `chunks` chunks of the next panel, which are
  // spread evenly where they are few: bursts of vector work let the tiles wait.
  static HWY_INLINE void FourLines(Operands& o, Bf16Feed& feed, size_t chunks,
                                   const Constants& constants) {
    if (kTiles == 2 && chunks == 1) {
      const Bf16Chunk<F> chunk(feed, feed.next++);
      Line(o);
      chunk.template Unit<0>(constants);
      Line(o);
      chunk.template Unit<64>(constants);
      Line(o);
      chunk.template Unit<128>(constants);
      Line(o);
      chunk.template Unit<192>(constants);
    } else if (kTiles == 2 && chunks == 2) {
      for (size_t i = 0; i < 2; ++i) {
        const Bf16Chunk<F> chunk(feed, feed.next++);
        Line(o);
        chunk.template Unit<0>(constants);
        chunk.template Unit<64>(constants);
        Line(o);
        chunk.template Unit<128>(constants);
        chunk.template Unit<192>(constants);
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
  Bf16Pending& pending = *p.pending;
  typename Loop::Operands o = {p.weights, x, ahead, p.ahead_lines, &pending};
  const typename Loop::Constants constants{};
  Loop::Zero();
  size_t line = 0;
  for (; line + 4 <= p.lines; line += 4) {
    Loop::FourLines(o, *p.feed, share.Next(), constants);
  }
  for (; line < p.lines; ++line) Loop::Line(o);
  AddAll(pending);
  Loop::Store(pending.results);
  pending.to = c;
  pending.done = 0;
  pending.count = 2 * kTiles * Loop::kResult;
  pending.add = p.accumulate;
  ahead = o.ahead;
}

// One weight panel times all tokens of a block.
template <class F>
HWY_NOINLINE void MultiplyBf16Panel(const Bf16Product& p) {
  __asm__ volatile("" ::: "memory");  // panels are read by the assembly
  p.feed->ahead = Bf16Chunk<F>::Ahead(p.feed->source, p.feed->after);
  const size_t groups = (p.tokens + 31) / 32 * (p.lines / 4);
  ChunkShare share = {p.feed->chunks, groups == 0 ? 1 : groups};
  const uint8_t* ahead = p.ahead;
  for (size_t t = 0; t < p.tokens; t += kBf16Tokens) {
    const uint16_t* x = p.x + t / kBf16Tokens * p.x_stride;
    float* c = p.c + t / kBf16Tokens * kBf16Results;
    if (p.tokens - t > 16) {
      MultiplyTokens<F, 2>(p, x, c, ahead, share);
    } else {
      MultiplyTokens<F, 1>(p, x, c, ahead, share);
    }
  }
  while (p.feed->next < p.feed->chunks) UnpackChunk<F>(*p.feed);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // AMX may be there

#endif  // NIBBLE_SIMD_BF16_MATMUL_INL_H_
