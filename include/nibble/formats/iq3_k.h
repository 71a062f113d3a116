// SPDX-License-Identifier: MIT
// IQ3_K: 3-bit codes into a table with an optional shift, odd scales of 4 bits
// and a sign per 16 of 256. 3.4375 bpw. (ik_llama.cpp)
//
//   d       fp16
//   shifts  16 bits, one per sub-block
//   signs   16 bits: is the scale negative?
//   scales  16 nibbles, low nibble first: the scale's magnitude is 2 * code + 1
//   qs      64 bytes, the lower two bits: in each half of 128 weights, the four
//           fields of byte j are weights j, j + 32, j + 64, j + 96
//   qh      32 bytes, the third bit: bit s of byte j is weight 32 s + j
//
//   x[e] = d * sign[e / 16] * (2 * scale[e / 16] + 1)
//            * (table[q[e]] + 4 * shift[e / 16])
#ifndef NIBBLE_FORMATS_IQ3_K_H_
#define NIBBLE_FORMATS_IQ3_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

// The levels of IQ3_K and IQ3_KS, and the axis of IQ2_KL's grid.
inline constexpr int8_t kIq3Levels[8] = {-63, -40, -23, -10, 1, 13, 28, 47};
template <class E>
using Iq3Table = LutOf<kIq3Levels, E>;

struct IQ3_K : FormatBase {
  struct Block {
    Word16 d;
    uint8_t shifts[2];
    uint8_t signs[2];
    uint8_t scales[8];
    uint8_t qs[64];
    uint8_t qh[32];
  };
  static_assert(sizeof(Block) == 110, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 63, kShift = 4;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  using Codes = Iq3Table<
      Or<Field<2, 32, &Block::qs>, Shl<2, Field<1, 32, &Block::qh>>>>;
  using ScaleCodes =
      SignedBy<Field<4, 1, &Block::scales>, Field<1, 1, &Block::signs>>;
  using ShiftCodes = Field<1, 1, &Block::shifts>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ3_K_H_
