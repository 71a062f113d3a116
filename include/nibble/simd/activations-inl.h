// SPDX-License-Identifier: MIT
// Packs activations: int8 codes with one f32 scale per 32 columns.
//
// The same bits on every target: integer maxima and sums, no fused operations,
// IEEE division, rounding to nearest even.
#if defined(NIBBLE_SIMD_ACTIVATIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_ACTIVATIONS_INL_H_
#undef NIBBLE_SIMD_ACTIVATIONS_INL_H_
#else
#define NIBBLE_SIMD_ACTIVATIONS_INL_H_
#endif

#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "nibble/simd/int8_row_chunk.h"
#include "nibble/simd/panel.h"
#include "nibble/simd/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// fp16 bits in 32-bit lanes -> f32 bits, exact, infinities and NaNs included:
// Highway's own conversion differs between targets for those.
template <class DU>
HWY_INLINE hn::Vec<DU> WidenHalfBits(DU du, hn::Vec<DU> half) {
  const hn::RebindToFloat<DU> df;
  const hn::RebindToSigned<DU> di;
  const auto magnitude = hn::And(half, hn::Set(du, 0x7FFFu));
  const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(du, 0x8000u)));
  const auto moved = hn::ShiftLeft<13>(magnitude);
  const auto normal = hn::Add(moved, hn::Set(du, 0x38000000u));
  // magnitude * 2^-24
  const auto small =
      hn::BitCast(du, hn::Mul(hn::ConvertTo(df, hn::BitCast(di, magnitude)),
                              hn::Set(df, 5.9604644775390625e-8f)));
  const auto special = hn::Or(moved, hn::Set(du, 0x7F800000u));
  const auto finite =
      hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 0x400u)), small, normal);
  return hn::Or(sign, hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 0x7C00u)),
                                     finite, special));
}

// F32, F16 or BF16 elements as floats; the tag types only name the format.
template <class DF>
HWY_INLINE hn::Vec<DF> LoadFloats(DF df, const float* HWY_RESTRICT p) {
  return hn::LoadU(df, p);
}
template <class DF>
HWY_INLINE hn::Vec<DF> LoadFloats(DF df, const hwy::float16_t* HWY_RESTRICT p) {
  const hn::RebindToUnsigned<DF> du;
  const hn::Rebind<uint16_t, DF> d16;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(df, WidenHalfBits(du, hn::PromoteTo(du, bits)));
}
template <class DF>
HWY_INLINE hn::Vec<DF> LoadFloats(DF df,
                                  const hwy::bfloat16_t* HWY_RESTRICT p) {
  const hn::RebindToUnsigned<DF> du;
  const hn::Rebind<uint16_t, DF> d16;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}

// Scale and reciprocal of 32 activations.
struct GroupScale {
  float scale = 0.0f;
  float inverse = 0.0f;
};

// Below 2^-119 the scale would leave the normal range, where flush-to-zero
// modes and the reciprocal's overflow lurk: such groups count as zeros.
inline constexpr float kTinyActivation = 1.504632769052528e-36f;

// The bits of the largest magnitude. NaN and infinity are kInfinity or more.
inline constexpr int32_t kInfinity = 0x7F800000;
template <size_t kCount, class T>
HWY_INLINE int32_t TopBits(const T* HWY_RESTRICT x) {
  const hn::CappedTag<float, 16> df;
  const hn::RebindToSigned<decltype(df)> di;
  const auto magnitude = hn::Set(di, 0x7FFFFFFF);
  auto top = hn::Zero(di);  // floats without sign compare like integers
  for (size_t i = 0; i < kCount; i += hn::Lanes(df)) {
    const auto bits = hn::BitCast(di, LoadFloats(df, x + i));
    top = hn::Max(top, hn::And(bits, magnitude));
  }
  return hn::ReduceMax(di, top);
}

// False if a value is NaN or infinite.
template <class T>
HWY_INLINE bool FindGroupScale(const T* HWY_RESTRICT x, GroupScale& group) {
  const int32_t top_bits = TopBits<32>(x);
  if (top_bits >= kInfinity) return false;
  float max;
  memcpy(&max, &top_bits, sizeof(max));
  if (max >= kTinyActivation) {
    group.scale = max / 127.0f;
    group.inverse = 127.0f / max;
  }
  return true;
}

// Sixteen codes nearest(x * inverse); returns their sum.
template <class T>
HWY_INLINE int32_t PackSixteen(const T* HWY_RESTRICT x, float inverse,
                               int8_t* HWY_RESTRICT q) {
  const hn::CappedTag<float, 16> df;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::Rebind<int8_t, decltype(df)> d8;
  auto sum = hn::Zero(di);
  for (size_t i = 0; i < 16; i += hn::Lanes(df)) {
    const auto y = hn::Mul(LoadFloats(df, x + i), hn::Set(df, inverse));
    const auto code = hn::NearestInt(y);  // at most 127 by construction
    sum = hn::Add(sum, code);
    hn::StoreU(hn::DemoteTo(d8, code), d8, q + i);
  }
  return hn::ReduceSum(di, sum);
}

// Packs 32 activations as group `g` of a chunk, whole runs where they belong.
// False if a value is NaN or infinite.
template <class T>
HWY_INLINE bool PackGroup(const T* HWY_RESTRICT x, size_t g,
                          const PackedOrder& order, Int8RowChunk& chunk) {
  GroupScale group;
  if (!FindGroupScale(x, group)) return false;
  int32_t sums[2];
  for (size_t half = 0; half < 2; ++half) {
    const size_t run = 2 * g + half;
    sums[half] = PackSixteen(x + 16 * half, group.inverse,
                             chunk.q + order.run[run] * kOrderRun);
    chunk.scale16[run] = group.scale;
    chunk.sum16[run] = group.scale * static_cast<float>(sums[half]);
  }
  chunk.scale32[g] = group.scale;
  chunk.sum32[g] = group.scale * static_cast<float>(sums[0] + sums[1]);
  return true;
}

// The same for panels: integer sums, element order.
template <class T>
HWY_INLINE bool PackGroup(const T* HWY_RESTRICT x, size_t g,
                          Int8PanelChunk& chunk) {
  GroupScale group;
  if (!FindGroupScale(x, group)) return false;
  for (size_t half = 0; half < 2; ++half) {
    chunk.sum16[2 * g + half] =
        PackSixteen(x + 16 * half, group.inverse, chunk.q + 32 * g + 16 * half);
  }
  chunk.sum32[g] = chunk.sum16[2 * g] + chunk.sum16[2 * g + 1];
  chunk.scale[g] = group.scale;
  return true;
}

// Chunk c of a row; the last is padded with zeros, in `tail`.
template <class T>
HWY_INLINE const T* ChunkOf(const T* HWY_RESTRICT x, size_t cols, size_t c,
                            T* HWY_RESTRICT tail) {
  const size_t left = cols - c * kChunk;
  if (left >= kChunk) return x + c * kChunk;
  // All bits zero is 0 in every source type.
  memset(static_cast<void*>(tail), 0, kChunk * sizeof(T));
  memcpy(static_cast<void*>(tail), x + c * kChunk, left * sizeof(T));
  return tail;
}

// From logical order to `order`.
inline void MoveElements(const PackedOrder& order, Int8RowChunk& chunk) {
  int8_t logical[kChunk];
  memcpy(logical, chunk.q, sizeof(logical));
  for (size_t i = 0; i < kChunk; ++i) chunk.q[i] = logical[order.element[i]];
}

// Packs `cols` activations into ChunksOf(cols) chunks. False if a value is NaN
// or infinite.
template <class T>
HWY_NOINLINE bool PackActivationRow(const T* HWY_RESTRICT x, size_t cols,
                                    const PackedOrder& order,
                                    Int8RowChunk* HWY_RESTRICT out) {
  T tail[kChunk];
  for (size_t c = 0; c < ChunksOf(cols); ++c) {
    const T* HWY_RESTRICT from = ChunkOf(x, cols, c, tail);
    for (size_t g = 0; g < kChunk / 32; ++g) {
      if (!PackGroup(from + 32 * g, g, order, out[c])) return false;
    }
    if (!order.whole_runs) MoveElements(order, out[c]);
  }
  return true;
}

// The same for panels, whose chunks are `stride` apart.
template <class T>
HWY_NOINLINE bool PackPanelRow(const T* HWY_RESTRICT x, size_t cols,
                               Int8PanelChunk* HWY_RESTRICT out,
                               size_t stride) {
  T tail[kChunk];
  for (size_t c = 0; c < ChunksOf(cols); ++c) {
    const T* HWY_RESTRICT from = ChunkOf(x, cols, c, tail);
    for (size_t g = 0; g < kChunk / 32; ++g) {
      if (!PackGroup(from + 32 * g, g, out[c * stride])) return false;
    }
  }
  return true;
}

// ---- bf16 tiles.

// 32 columns of 16 tokens as one tile: [pair of columns][token][2]. Tokens from
// `tokens` on are zeros.
template <class T>
HWY_INLINE void PackTile(const T* const HWY_RESTRICT* x, size_t col,
                         size_t tokens, uint16_t* HWY_RESTRICT out) {
  const hn::CappedTag<float, 16> df;
  const hn::RebindToUnsigned<decltype(df)> d32;
  const hn::Repartition<hwy::bfloat16_t, decltype(df)> dbf;
  using V = hn::Vec<decltype(d32)>;
  const size_t n = hn::Lanes(df);
  auto* HWY_RESTRICT tile = reinterpret_cast<uint8_t*>(out);
  for (size_t i = 0; i < 32; i += 2 * n) {
    const auto pairs = [&](size_t t) HWY_ATTR -> V {
      if (t >= tokens) return hn::Zero(d32);
      const T* HWY_RESTRICT p = x[t] + col + i;
      return hn::BitCast(d32, hn::OrderedDemote2To(dbf, LoadFloats(df, p),
                                                   LoadFloats(df, p + n)));
    };
    for (size_t t = 0; t < 16; t += 4) {
      StoreTransposed(d32, pairs(t), pairs(t + 1), pairs(t + 2), pairs(t + 3),
                      i / 2, t, tile);
    }
  }
}

// Packs up to 16 tokens as those from `token` on. False if a value is NaN or
// infinite.
template <class T>
HWY_NOINLINE bool PackTokenTiles(const uint8_t* const* HWY_RESTRICT x,
                                 size_t count, size_t token, size_t cols,
                                 const Bf16Layout& layout,
                                 uint16_t* HWY_RESTRICT out) {
  T tail[16][kChunk];
  const T* rows[16];
  for (size_t c = 0; c < ChunksOf(cols); ++c) {
    for (size_t t = 0; t < count; ++t) {
      rows[t] = ChunkOf(reinterpret_cast<const T*>(x[t]), cols, c, tail[t]);
      if (TopBits<kChunk>(rows[t]) >= kInfinity) return false;
    }
    for (size_t i = 0; i < kChunk; i += 32) {
      PackTile(rows, i, count, out + layout.Tile(token, c * kChunk + i));
    }
  }
  return true;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_ACTIVATIONS_INL_H_
