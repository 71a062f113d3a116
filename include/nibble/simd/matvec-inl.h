// SPDX-License-Identifier: MIT
// Matvec driver, generic over a format: packed rows times int8 activations,
// chunk by chunk (simd/chunk_dot-inl.h).
#if defined(NIBBLE_SIMD_MATVEC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_MATVEC_INL_H_
#undef NIBBLE_SIMD_MATVEC_INL_H_
#else
#define NIBBLE_SIMD_MATVEC_INL_H_
#endif

#include <cstring>
#include <utility>

#include "hwy/highway.h"
#include "nibble/simd/chunk_dot-inl.h"
#include "nibble/simd/matvec_args.h"
#include "nibble/simd/prefetch.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Weights are fetched ahead in two stages: far ones to L2, near ones to L1. The
// hardware stops at every 4 KiB page, and one stage alone holds the line
// buffers of L1 for as long as memory takes. Q4_K from memory, GB/s (Emerald
// Rapids, a plain read does 17.5): no prefetch 8.9; one stage 13.2 at 1.5
// KiB, 14.6 at 3 to 6 KiB; two stages 15.5 to 16.4, flat for near 512 to 2048,
// far 4 to 16 KiB. On 4 KiB pages 12.2 -> 14.6.
inline constexpr size_t kNearPrefetch = 1024;
inline constexpr size_t kFarPrefetch = 8192;

// Bytes of activations that stay in L1 while rows pass, if they are all, and
// those of a part of them. More would come from L2 for every row and with VNNI
// take longer than the products: then so many rows meet a segment of the
// columns, and only then the next. AVX3_SPR, IQ2_KL, 12 tokens of 4096 columns:
// 217 -> 262 GFLOPS, IQ4_KS, 8 of 14336: 197 -> 244. AVX2, four tokens: 3 %
// slower or the same.
inline constexpr size_t kL1Bytes = size_t{48} << 10;
inline constexpr size_t kSegmentBytes = size_t{40} << 10;
inline constexpr size_t kSegmentRows = 8;

// Points that are gathered stay in L1 as well (IQ1_M, 16 KiB of them, 8 tokens:
// 130 -> 140 GFLOPS).
template <class E>
inline constexpr size_t kTableBytes = 0;
template <class Grid, class Index>
inline constexpr size_t kTableBytes<formats::GridPoints<Grid, Index>> =
    Grid::kPoints * sizeof(typename Grid::Point);
template <class A, class B>
inline constexpr size_t kTableBytes<formats::Or<A, B>> =
    kTableBytes<A> + kTableBytes<B>;

// Columns that meet the tokens at hand before others do.
template <class F>
struct Segments {
  static constexpr size_t kTable =
      ChunkDot<F>::kSignsInCodes ? 0 : kTableBytes<typename F::Codes>;
  static constexpr size_t kChunkBytes =
      kChunk / F::kBlock * sizeof(typename F::Block);
  // Of a chunk of activations, what is read.
  static constexpr size_t kReadBytes =
      kChunk + 2 * sizeof(float) * ChunkDot<F>::kGroups;
  size_t chunks;  // of a segment
  // To what comes in a while.
  size_t near, far;

  HWY_INLINE Segments(const MatvecArgs& args, size_t tokens)
      : chunks(ChunksOf(args.cols)), near(kNearPrefetch), far(kFarPrefetch) {
    const size_t bytes = chunks * tokens * kReadBytes;
    if (!kNativeU8I8 || bytes <= kL1Bytes - kTable) return;
    constexpr size_t kSegment = kSegmentBytes - kTable;
    const size_t count = (bytes + kSegment - 1) / kSegment;
    chunks = (chunks + count - 1) / count;
    near = args.stride_bytes;  // the same columns of the next row
    far = (kFarPrefetch / (chunks * kChunkBytes) + 1) * args.stride_bytes;
  }
  // What is wanted some time after the chunk at p.
  HWY_INLINE void Fetch(const uint8_t* p) const {
    Prefetch<CacheLevel::kL1>(p + near, kChunkBytes);
    Prefetch<CacheLevel::kL2>(p + far, kChunkBytes);
  }
};

// `count` whole chunks of a row, from p on, x_stride chunks of activations from
// token to token.
template <class F, class Tokens>
HWY_INLINE void MatvecWhole(Tokens tokens, const uint8_t* HWY_RESTRICT p,
                            size_t count, const Segments<F>& segments,
                            const Int8RowChunk* HWY_RESTRICT x, size_t x_stride,
                            typename ChunkDot<F>::Sums* HWY_RESTRICT sums) {
  using Dot = ChunkDot<F>;
  using Block = typename F::Block;
  constexpr size_t kBytes = Segments<F>::kChunkBytes;
  const auto block = [](const uint8_t* HWY_RESTRICT at) HWY_ATTR {
    return reinterpret_cast<const Block*>(at);
  };
  if constexpr (Dot::kSource == CodeSource::kSpan) {
    using Span = typename Dot::Machine::template Span<F>;
    Span span;
    for (size_t c = 0; c < count; c += Span::kChunks) {
      const size_t n = HWY_MIN(Span::kChunks, count - c);
      span.Prepare(block(p), n);
      for (size_t i = 0; i < n; ++i, p += kBytes) {
        segments.Fetch(p);
        Dot::Run(tokens, block(p), span.chunk[i], x + c + i, x_stride, sums);
      }
    }
  } else if constexpr (Dot::kSource == CodeSource::kAhead) {
    using Codes = typename F::Codes;
    auto decoded = Dot::Machine::type::Decode(Codes(), block(p));
    for (size_t c = 0; c < count; ++c, p += kBytes) {
      segments.Fetch(p);
      // Behind the last chunk is nothing to decode: it itself, again.
      const size_t next = c + 1 < count ? kBytes : 0;
      const auto ahead = Dot::Machine::type::Decode(Codes(), block(p + next));
      Dot::Run(tokens, block(p), decoded, x + c, x_stride, sums);
      decoded = ahead;
    }
  } else if constexpr (Dot::kSource == CodeSource::kDecoded) {
    for (size_t c = 0; c < count; ++c, p += kBytes) {
      segments.Fetch(p);
      const auto decoded = Dot::Machine::type::Decode(
          typename F::Codes(), block(p), c + 1 < count ? 2 * kBytes : kBytes);
      Dot::Run(tokens, block(p), decoded, x + c, x_stride, sums);
    }
  } else {
    for (size_t c = 0; c < count; ++c, p += kBytes) {
      segments.Fetch(p);
      Dot::Run(tokens, block(p), block(p), x + c, x_stride, sums);
    }
  }
}

// Chunks [begin, end) of a row times tokens [0, sizeof...(kT)) of x, where end
// may be beyond the row.
template <class F, size_t... kT>
HWY_INLINE void MatvecChunks(std::index_sequence<kT...> tokens,
                             const uint8_t* HWY_RESTRICT row, size_t cols,
                             size_t begin, const Segments<F>& segments,
                             const Int8RowChunk* HWY_RESTRICT x,
                             typename ChunkDot<F>::Sums* HWY_RESTRICT sums) {
  using Dot = ChunkDot<F>;
  using Block = typename F::Block;
  constexpr size_t kBytes = Segments<F>::kChunkBytes;
  const size_t chunks = ChunksOf(cols);
  const size_t end = begin + segments.chunks;
  const size_t whole = HWY_MIN(end, cols / kChunk) - begin;
  const uint8_t* HWY_RESTRICT p = row + F::kRowHeader + begin * kBytes;
  MatvecWhole<F>(tokens, p, whole, segments, x + begin, chunks, sums);
  if constexpr (F::kBlock < kChunk) {
    const size_t left = cols % kChunk / F::kBlock * sizeof(Block);
    if (left != 0 && end >= chunks) {
      // Missing blocks: zeros, as their activations are.
      HWY_ALIGN uint8_t tail[kBytes] = {};
      memcpy(tail, p + whole * kBytes, left);
      const auto* block = reinterpret_cast<const Block*>(tail);
      x += chunks - 1;
      if constexpr (Dot::kSource == CodeSource::kDecoded) {
        const auto decoded =
            Dot::Machine::type::Decode(typename F::Codes(), block, kBytes);
        Dot::Run(tokens, block, decoded, x, chunks, sums);
      } else {
        Dot::Run(tokens, block, block, x, chunks, sums);
      }
    }
  }
}

// Rows [begin, end) times tokens [t, t + sizeof...(kT)): all of them in one
// function, since constants take long to load (AVX3_SPR, 4096 columns: 4 to 8
// %).
template <class F, size_t... kT>
HWY_NOINLINE void MatvecSomeTokens(std::index_sequence<kT...> tokens,
                                   const MatvecArgs& args, size_t begin,
                                   size_t end, size_t t) {
  using Dot = ChunkDot<F>;
  using Sums = typename Dot::Sums;
  constexpr size_t kCount = sizeof...(kT);
  const size_t chunks = ChunksOf(args.cols);
  const size_t cols = args.cols, stride = args.stride_bytes;
  const size_t y_stride = args.y_stride;
  const Int8RowChunk* HWY_RESTRICT x = args.x + t * chunks;
  float* HWY_RESTRICT y = args.y + t * y_stride;
  const Segments<F> segments(args, kCount);
  typename Dot::SavedSums saved[kSegmentRows][kCount];
  const hn::Vec<typename Dot::DS> shared[] = {
      Dot::SharedCorrection(x + kT * chunks, chunks)...};
  for (size_t r0 = begin; r0 < end; r0 += kSegmentRows) {
    const size_t rows = HWY_MIN(kSegmentRows, end - r0);
    for (size_t c = 0; c < chunks; c += segments.chunks) {
      const uint8_t* HWY_RESTRICT row = args.weights + r0 * stride;
      for (size_t r = 0; r < rows; ++r, row += stride) {
        Sums sums[] = {c == 0 ? Sums() : Sums(saved[r][kT])...};
        MatvecChunks<F>(tokens, row, cols, c, segments, x, sums);
        if (c + segments.chunks < chunks) {
          (sums[kT].Save(saved[r][kT]), ...);
        } else {
          const float factor = F::kFactor * RowScale<F>(row);
          ((y[kT * y_stride + r0 + r] =
                hn::ReduceSum(typename Dot::DF(),
                              Dot::Total(sums[kT], shared[kT])) *
                factor),
           ...);
        }
      }
    }
  }
}

// The most tokens that meet a row's codes at a time. Decoding a row twice costs
// more than sums that do not fit the registers: with up to six at a time, eight
// tokens were slower than six (AVX3_SPR, Q8_0: 128 after 141 GFLOPS, now 162),
// with up to eight nine were slower than eight (IQ2_KL: 200 after 253, now 262)
// with up to twelve thirteen than twelve (240 after 267, now 274) and with up
// to sixteen seventeen than sixteen (IQ4_KT: 169 after 206, now 209). Targets
// that only have to work get one: unrolled code took them most of the compile
// time. So it does with sanitizers, whose checks made a format take minutes.
inline constexpr size_t kMaxTokens = HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2 ? 1
                                     : kNativeU8I8 && !HWY_IS_ASAN         ? 20
                                                                           : 4;

// The same, for a count known at run time, at most kMost.
template <class F, size_t kMost>
HWY_INLINE void MatvecTokens(const MatvecArgs& args, size_t begin, size_t end,
                             size_t t, size_t count) {
  if constexpr (kMost > 0) {
    if (count < kMost) {
      return MatvecTokens<F, kMost - 1>(args, begin, end, t, count);
    }
    MatvecSomeTokens<F>(std::make_index_sequence<kMost>(), args, begin, end, t);
  }
}

// Rows meet all tokens, kMost at a time, while they are in L1. However many
// meet a row at a time, they add in the same order: a token's results do not
// depend on its company.
template <class F, size_t kMost = kMaxTokens>
void MatvecRows(const MatvecArgs& args) {
  const size_t parts = (args.tokens + kMost - 1) / kMost;
  const size_t step = parts == 1 ? args.rows : kSegmentRows;
  for (size_t r = 0; r < args.rows; r += step) {
    const size_t end = HWY_MIN(r + step, args.rows);
    for (size_t part = 0; part < parts; ++part) {
      // Equal parts rather than full ones and a small one.
      const size_t t = part * args.tokens / parts;
      const size_t next = (part + 1) * args.tokens / parts;
      MatvecTokens<F, kMost>(args, r, end, t, next - t);
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_MATVEC_INL_H_
