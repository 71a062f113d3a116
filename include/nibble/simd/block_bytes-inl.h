// SPDX-License-Identifier: MIT
// Bytes that lie apart, in the small blocks of a chunk, side by side.
#if defined(NIBBLE_SIMD_BLOCK_BYTES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_BLOCK_BYTES_INL_H_
#undef NIBBLE_SIMD_BLOCK_BYTES_INL_H_
#else
#define NIBBLE_SIMD_BLOCK_BYTES_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/index64-inl.h"
#include "nibble/simd/opaque.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// kPiece bytes for each of kCount groups from kFirst on, kPerBlock of them to a
// block of kBlockBytes: at kOffset of its block, or there times kStep further
// on.
template <size_t kBlockBytes, size_t kOffset, size_t kPiece, size_t kStep,
          size_t kPerBlock, size_t kFirst, size_t kCount>
struct BlockPieces {
  static constexpr size_t kBytes = kPiece * kCount;
  static_assert(kBytes <= 16, "one short vector");
  // Where byte i is in the chunk.
  static constexpr size_t At(size_t i) {
    const size_t group = kFirst + i / kPiece;
    return group / kPerBlock * kBlockBytes + kOffset +
           group % kPerBlock * kStep + i % kPiece;
  }
};

// VBMI: all that lies within 64 bytes (32 of a smaller chunk) comes with one
// shuffle. The window of the bytes from kFrom on, in a chunk of kChunkBytes.
template <class Pieces, size_t kFrom, size_t kChunkBytes>
struct PieceWindow {
  static constexpr size_t kLanes = kChunkBytes >= 64 ? 64 : 32;
  static constexpr size_t kBegin =
      HWY_MIN(Pieces::At(kFrom), kChunkBytes - kLanes);
  static constexpr size_t End() {
    size_t end = kFrom;
    while (end < Pieces::kBytes && Pieces::At(end) < kBegin + kLanes) ++end;
    return end;
  }
  static constexpr size_t kEnd = End();
  alignas(64) uint8_t index[kLanes] = {};
  alignas(16) uint8_t mine[16] = {};
  constexpr PieceWindow() {
    for (size_t i = kFrom; i < kEnd; ++i) {
      index[i] = static_cast<uint8_t>(Pieces::At(i) - kBegin);
      mine[i] = 0xFF;
    }
  }
};
template <class Pieces, size_t kChunkBytes, size_t kFrom = 0>
HWY_INLINE hn::Vec<hn::Full128<uint8_t>> ShuffledPieces(
    const uint8_t* HWY_RESTRICT chunk,
    hn::Vec<hn::Full128<uint8_t>> before = hn::Zero(hn::Full128<uint8_t>())) {
  using Window = PieceWindow<Pieces, kFrom, kChunkBytes>;
  static constexpr Window kWindow;
  const hn::CappedTag<uint8_t, Window::kLanes> dw;
  const hn::Full128<uint8_t> d;
  const auto all = hn::TableLookupLanes(hn::LoadU(dw, chunk + Window::kBegin),
                                        hn::SetTableIndices(dw, kWindow.index));
  auto v = hn::ResizeBitCast(d, all);
  if constexpr (kFrom != 0) {
    v = hn::IfVecThenElse(hn::Load(d, kWindow.mine), v, before);
  }
  if constexpr (Window::kEnd == Pieces::kBytes) {
    return v;
  } else {
    return ShuffledPieces<Pieces, kChunkBytes, Window::kEnd>(chunk, v);
  }
}

// Elsewhere they are put together in general registers: narrow stores followed
// by a wide load would fail store forwarding.
template <class Pieces, size_t kPiece>
HWY_INLINE uint64_t EightBytes(const uint8_t* HWY_RESTRICT chunk,
                               size_t first) {
  uint64_t word = 0;
  HWY_UNROLL(8)
  for (size_t i = 0; i < HWY_MIN(Pieces::kBytes, 8); i += kPiece) {
    const uint8_t* p = chunk + Pieces::At(first + i);
    const uint64_t piece = kPiece == 4   ? formats::Load32(p)
                           : kPiece == 2 ? formats::Load16(p)
                                         : *p;
    word |= piece << (8 * i);
  }
#if HWY_COMPILER_GCC_ACTUAL && HWY_ARCH_X86_64
  // Or pieces of both words are put together in vectors, which takes twice as
  // many instructions (AVX2, Q4_1 from L2: 32 -> 41 Gweights/s).
  asm("" : "+r"(word));
#endif
  return word;
}

// The bytes of Pieces, kAtOnce neighbours at a time. What is behind them is
// anything.
template <class Pieces, size_t kChunkBytes, size_t kAtOnce>
HWY_INLINE hn::Vec<hn::Full128<uint8_t>> GatherPieces(
    const uint8_t* HWY_RESTRICT chunk) {
  if constexpr (kVbmi && kChunkBytes >= 32) {
    // Or clang 19 sees that these bytes include those of a vector of codes and
    // does not load the latter but shifts the former, as a 512-bit integer, in
    // 80 instructions (AVX3_SPR, Q8_0 from L2: 28 GFLOPS, now 94).
    return ShuffledPieces<Pieces, kChunkBytes>(Opaque(chunk));
  } else {
    uint64_t high = 0;
    if constexpr (Pieces::kBytes > 8) {
      high = EightBytes<Pieces, kAtOnce>(chunk, 8);
    }
    const hn::Full128<uint64_t> d64;
    return hn::BitCast(hn::Full128<uint8_t>(),
                       hn::Dup128VecFromValues(
                           d64, EightBytes<Pieces, kAtOnce>(chunk, 0), high));
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_BLOCK_BYTES_INL_H_
