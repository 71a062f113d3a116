// SPDX-License-Identifier: MIT
// IQ2_KS: 2-bit codes into a table with an optional shift, 5-bit scales per 32 of
// 256, one fp16 scale per row. 2.1875 bpw. (ik_llama.cpp)
//
//   row       d, fp16, in front of the first block
//   shifts    8 bits, one per sub-block
//   scales_h  8 bits: the fifth bit of the scales
//   scales_l  8 nibbles, low nibble first: the other four
//   qs        64 bytes: in each half of 128 weights, the four fields of byte j
//             are weights j, j + 32, j + 64, j + 96
//
//   x[e] = d * (scale[e / 32] - 16) * (table[q[e]] + 5 * shift[e / 32])
#ifndef NIBBLE_FORMATS_IQ2_KS_H_
#define NIBBLE_FORMATS_IQ2_KS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq2_k.h"

namespace nibble {
namespace formats {

struct IQ2_KS : FormatBase {
  struct Block {
    uint8_t shifts[1];
    uint8_t scales_h[1];
    uint8_t scales_l[4];
    uint8_t qs[64];
  };
  static_assert(sizeof(Block) == 70, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 2;
  static constexpr int kMaxCode = 31, kShift = 5;
  static constexpr int kScaleBase = -16;
  using Codes = Iq2Table<Field<2, 32, &Block::qs>>;
  using ScaleCodes = Or<Field<4, 1, &Block::scales_l>,
                        Shl<4, Field<1, 1, &Block::scales_h>>>;
  using ShiftCodes = Field<1, 1, &Block::shifts>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_KS_H_
