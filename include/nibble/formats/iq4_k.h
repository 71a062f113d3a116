// SPDX-License-Identifier: MIT
// IQ4_K: 4-bit codes into a table with an optional shift, 6-bit scales per 16 of
// 256. 4.5 bpw. (ik_llama.cpp)
//
//   d         fp16
//   shifts    16 bits, one per sub-block
//   scales_h  16 fields of 2 bits, lowest first: the upper bits of the scales
//   scales_l  16 nibbles, low nibble first: the lower ones
//   qs        128 bytes: 16 per 32 weights, low nibbles first
//
//   x[e] = d * (scale[e / 16] - 32) * (table[q[e]] + 4 * shift[e / 16])
#ifndef NIBBLE_FORMATS_IQ4_K_H_
#define NIBBLE_FORMATS_IQ4_K_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq4_nl.h"

namespace nibble {
namespace formats {

struct IQ4_K : FormatBase {
  struct Block {
    Word16 d;
    uint8_t shifts[2];
    uint8_t scales_h[4];
    uint8_t scales_l[8];
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 144, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 127, kShift = 4;
  static constexpr int kScaleBase = -32;
  using Codes = Iq4Table<Field<4, 16, &Block::qs>>;
  using ScaleCodes = Or<Field<4, 1, &Block::scales_l>,
                        Shl<4, Field<2, 1, &Block::scales_h>>>;
  using ShiftCodes = Field<1, 1, &Block::shifts>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ4_K_H_
