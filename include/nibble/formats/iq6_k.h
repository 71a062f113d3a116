// SPDX-License-Identifier: MIT
// IQ6_K: 6-bit codes into a table with an optional shift, 8-bit scales per 16 of
// 256. 6.625 bpw. (ik_llama.cpp)
//
//   d       fp16
//   shifts  16 bits, one per sub-block
//   scales  16 signed bytes
//   qs      128 bytes, the lower four bits: 32 per 64 weights, low nibbles first
//   qh      64 bytes, the upper two: in each half of 128 weights, the four fields
//           of byte j are weights j, j + 32, j + 64, j + 96
//
//   x[e] = d * scale[e / 16] * (table[q[e]] + shift[e / 16])
//
// The original also reconstructs rows by a cubic polynomial of which this table
// holds the rounded values. Its quantizer and all its products use the table,
// and so does this library.
#ifndef NIBBLE_FORMATS_IQ6_K_H_
#define NIBBLE_FORMATS_IQ6_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

inline constexpr int8_t kIq6Levels[64] = {
    -127, -121, -115, -109, -104, -98, -93, -88, -84, -79, -74, -70, -66, -62,
    -58, -54, -51, -47, -44, -40, -37, -34, -31, -28, -25, -22, -19, -16, -13,
    -11, -8, -5, -2, 0, 3, 6, 9, 12, 14, 17, 20, 23, 27, 30, 33, 36, 40, 44, 47,
    51, 55, 59, 63, 68, 72, 77, 82, 87, 92, 98, 103, 109, 115, 121};
template <class E>
using Iq6Table = LutOf<kIq6Levels, E>;

struct IQ6_K : FormatBase {
  struct Block {
    Word16 d;
    uint8_t shifts[2];
    uint8_t scales[16];
    uint8_t qs[128];
    uint8_t qh[64];
  };
  static_assert(sizeof(Block) == 212, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 127, kShift = 1;
  using Codes = Iq6Table<
      Or<Field<4, 32, &Block::qs>, Shl<4, Field<2, 32, &Block::qh>>>>;
  using ScaleCodes = Signed<Field<8, 16, &Block::scales>>;
  using ShiftCodes = Field<1, 1, &Block::shifts>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ6_K_H_
