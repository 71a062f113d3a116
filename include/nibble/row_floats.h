// SPDX-License-Identifier: MIT
// Rows of F32, F16 and BF16 in and out of f32.
#ifndef NIBBLE_ROW_FLOATS_H_
#define NIBBLE_ROW_FLOATS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "nibble/float16.h"
#include "nibble/formats/nodes.h"
#include "nibble/type.h"

namespace nibble {

// `row` as f32 into out. Exact.
inline void WidenFloats(Type type, const uint8_t* row, size_t n,
                        float* out) noexcept {
  if (type == Type::kF32) {
    memcpy(out, row, n * sizeof(float));
  } else if (type == Type::kF16) {
    for (size_t i = 0; i < n; ++i) {
      out[i] = F16ToF32(formats::Load16(row + 2 * i));
    }
  } else {
    for (size_t i = 0; i < n; ++i) {
      out[i] = BF16ToF32(formats::Load16(row + 2 * i));
    }
  }
}

// f32 to F16 or BF16, nearest even.
inline void NarrowFloats(const float* in, size_t n, Type type,
                         uint8_t* row) noexcept {
  for (size_t i = 0; i < n; ++i) {
    const uint16_t bits =
        type == Type::kF16 ? F32ToF16(in[i]) : F32ToBF16(in[i]);
    memcpy(row + 2 * i, &bits, sizeof(bits));
  }
}

// Between any two of F32, F16 and BF16.
inline void ConvertRow(Type from, const uint8_t* in, size_t n, Type to,
                       uint8_t* out) noexcept {
  constexpr size_t kSlice = 256;
  float slice[kSlice];
  const size_t in_bytes = from == Type::kF32 ? 4 : 2;
  const size_t out_bytes = to == Type::kF32 ? 4 : 2;
  for (size_t c = 0; c < n; c += kSlice) {
    const size_t m = n - c < kSlice ? n - c : kSlice;
    WidenFloats(from, in + c * in_bytes, m, slice);
    if (to == Type::kF32) {
      memcpy(out + c * out_bytes, slice, m * sizeof(float));
    } else {
      NarrowFloats(slice, m, to, out + c * out_bytes);
    }
  }
}

// Index of the first NaN or infinity, n if there is none.
NIBBLE_INLINE size_t FirstNotFinite(const float* x, size_t n) noexcept {
  // First a pass without branches, which compilers turn into vectors.
  uint32_t any = 0;
  for (size_t i = 0; i < n; ++i) {
    any |= static_cast<uint32_t>((BitsOf(x[i]) & 0x7F800000u) == 0x7F800000u);
  }
  if (any == 0) return n;
  size_t i = 0;
  while ((BitsOf(x[i]) & 0x7F800000u) != 0x7F800000u) ++i;
  return i;
}

}  // namespace nibble

#endif  // NIBBLE_ROW_FLOATS_H_
