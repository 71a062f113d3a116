// SPDX-License-Identifier: MIT
// IQ3_KS: 3-bit codes into a table with an optional shift, 5-bit scales per 32 of
// 256, one fp16 scale per row. 3.1875 bpw. (ik_llama.cpp)
//
//   row       d, fp16, in front of the first block
//   scales_h  8 bits: the fifth bit of the scales
//   shifts    8 bits, one per sub-block
//   scales_l  4 bytes: low nibbles are sub-blocks 0..3, high nibbles 4..7
//   qs        64 bytes, the lower two bits: in each half of 128 weights, the
//             four fields of byte j are weights j, j + 32, j + 64, j + 96
//   qh        32 bytes, the third bit: bit s of byte j is weight 32 s + j
//
//   x[e] = d * (scale[e / 32] - 16) * (table[q[e]] + 4 * shift[e / 32])
//
// Bits and nibbles of scales lie the other way round than in IQ2_KS.
#ifndef NIBBLE_FORMATS_IQ3_KS_H_
#define NIBBLE_FORMATS_IQ3_KS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq3_k.h"

namespace nibble {
namespace formats {

struct IQ3_KS : FormatBase {
  struct Block {
    uint8_t scales_h[1];
    uint8_t shifts[1];
    uint8_t scales_l[4];
    uint8_t qs[64];
    uint8_t qh[32];
  };
  static_assert(sizeof(Block) == 102, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 2;
  static constexpr int kMaxCode = 63, kShift = 4;
  static constexpr int kScaleBase = -16;
  using Codes = Iq3Table<
      Or<Field<2, 32, &Block::qs>, Shl<2, Field<1, 32, &Block::qh>>>>;
  using ScaleCodes = Or<Field<4, 4, &Block::scales_l>,
                        Shl<4, Field<1, 1, &Block::scales_h>>>;
  using ShiftCodes = Field<1, 1, &Block::shifts>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ3_KS_H_
