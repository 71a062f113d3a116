// SPDX-License-Identifier: MIT
// fp16 and bf16 conversions: exact or rounded to nearest even, on host and
// device, without depending on what the compiler or the CPU calls a half.
#ifndef NIBBLE_FLOAT16_H_
#define NIBBLE_FLOAT16_H_

#include <cstdint>
#include <cstring>

#include "nibble/formats/nodes.h"  // NIBBLE_HD

namespace nibble {

NIBBLE_HD inline uint32_t BitsOf(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof(u));
  return u;
}
NIBBLE_HD inline float FloatOf(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof(f));
  return f;
}

// Exact, subnormals, infinities and NaNs included.
NIBBLE_HD inline float F16ToF32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7FFFu;
  if (magnitude >= 0x7C00u) {  // infinity or NaN: keep the payload
    return FloatOf(sign | 0x7F800000u | ((magnitude & 0x3FFu) << 13));
  }
  // Subnormals by value, not by rescaling bits: callers may run with
  // denormals-are-zero.
  if (magnitude < 0x400u) {
    const float value = static_cast<float>(magnitude) * 5.9604644775390625e-8f;
    return FloatOf(sign | BitsOf(value));
  }
  return FloatOf(sign | ((magnitude << 13) + 0x38000000u));
}

// Rounds to nearest even; overflow gives infinity, NaN a quiet NaN.
NIBBLE_HD inline uint16_t F32ToF16(float f) {
  const uint32_t u = BitsOf(f);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t magnitude = u & 0x7FFFFFFFu;
  uint32_t half;
  if (magnitude >= 0x47800000u) {  // 2^16 and more, infinity, NaN
    half = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14: subnormal
    // Adding 0.5 aligns the last kept bit with the last mantissa bit.
    half = BitsOf(FloatOf(magnitude) + 0.5f) - 0x3F000000u;
  } else {
    half = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

NIBBLE_HD inline float BF16ToF32(uint16_t bits) {
  return FloatOf(static_cast<uint32_t>(bits) << 16);
}

// Rounds to nearest even; NaNs are truncated and made quiet.
NIBBLE_HD inline uint16_t F32ToBF16(float f) {
  const uint32_t u = BitsOf(f);
  if ((u & 0x7FFFFFFFu) > 0x7F800000u) {
    return static_cast<uint16_t>((u >> 16) | 0x40u);
  }
  return static_cast<uint16_t>((u + 0x7FFFu + ((u >> 16) & 1u)) >> 16);
}

}  // namespace nibble

#endif  // NIBBLE_FLOAT16_H_
