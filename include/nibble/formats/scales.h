// SPDX-License-Identifier: MIT
// How the scales of a block are stored: the type of `Block::d` says it.
//
//   Word16          one fp16
//   Exponent8       one power of two
//   E4M3Scales<n>   a small float for each of n sub-blocks
#ifndef NIBBLE_FORMATS_SCALES_H_
#define NIBBLE_FORMATS_SCALES_H_

#include <type_traits>

#include "nibble/float16.h"
#include "nibble/formats/nodes.h"

namespace nibble {
namespace formats {

// 2^(byte - 128): half of what the byte means as E8M0, because the tables of
// 4-bit floats hold doubled values. 0 and 1 are subnormal.
struct Exponent8 {
  uint8_t bytes[1];
};

// An unsigned E4M3 float per sub-block, halved like Exponent8: bits 3-6 the
// exponent e, bits 0-2 the mantissa m, bit 7 ignored;
//   (1 + m / 8) * 2^(e - 8), or m * 2^-10 for e = 0; 0x7F is 0.
template <size_t kCount>
struct E4M3Scales {
  uint8_t bytes[kCount];
};

// What the drivers ask of a scale type. Decode is exact. Codes of coded scales
// rise with the scale from 0 to kMaxCode, the largest that a search writes;
// kPerOctave of them double it.
template <class D>
struct ScaleKind;

template <>
struct ScaleKind<Word16> {
  static constexpr bool kCoded = false, kPerSub = false;
};

template <>
struct ScaleKind<Exponent8> {
  static constexpr bool kCoded = true, kPerSub = false;
  static constexpr size_t kCount = 1;
  // 12 * 2^124 is the last level of a 4-bit float that fits a float.
  static constexpr uint32_t kMaxCode = 252, kPerOctave = 1;
  static NIBBLE_HD float Decode(uint32_t code) {
    return FloatOf(code >= 2 ? (code - 1) << 23 : 0x00200000u << code);
  }
  static NIBBLE_HD float At(const Exponent8& d, size_t) {
    return Decode(d.bytes[0]);
  }
  // The lowest code whose scale is at least v >= 0.
  static uint32_t AtLeast(float v) {
    const uint32_t exponent = (BitsOf(v) + 0x7FFFFFu) >> 23;  // rounded up
    if (exponent > 1) return exponent + 1;
    return v <= Decode(0) ? 0 : v <= Decode(1) ? 1 : 2;
  }
  static bool IsValid(const Exponent8& d) { return d.bytes[0] != 255; }
};

template <size_t kN>
struct ScaleKind<E4M3Scales<kN>> {
  static constexpr bool kCoded = true, kPerSub = true;
  static constexpr size_t kCount = kN;
  static constexpr uint32_t kMaxCode = 0x7E, kPerOctave = 8;
  static NIBBLE_HD float Decode(uint32_t code) {
    if (code == 0x7F) return 0.0f;
    const uint32_t bits = code & 0x7F;
    if (bits < 8) return static_cast<float>(bits) * (1.0f / 1024.0f);
    return FloatOf((bits << 20) + (119u << 23));
  }
  static NIBBLE_HD float At(const E4M3Scales<kN>& d, size_t s) {
    return Decode(d.bytes[s]);
  }
  static uint32_t AtLeast(float v) {
    if (v <= 8.0f / 1024.0f) {
      uint32_t code = 0;
      while (Decode(code) < v) ++code;
      return code;
    }
    return ((BitsOf(v) + 0xFFFFFu) >> 20) - (119u << 3);
  }
  static bool IsValid(const E4M3Scales<kN>& d) {
    for (const uint8_t code : d.bytes) {
      if ((code & 0x7F) == 0x7F) return false;  // NaN to others
    }
    return true;
  }
};

// The scale type of a format; of one without `Block::d`, Word16.
template <class F, class = void>
struct ScaleOf {
  using type = ScaleKind<Word16>;
};
template <class F>
struct ScaleOf<F, std::void_t<decltype(F::Block::d)>> {
  using type = ScaleKind<decltype(F::Block::d)>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_SCALES_H_
