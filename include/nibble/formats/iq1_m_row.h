// SPDX-License-Identifier: MIT
// IQ1_M_ROW: IQ1_M with 4-bit scales under one scale per row. 1.75 bpw.
// (a row of ik_llama.cpp's IQ1_M_R4, which files hold four rows at a time)
//
//   row     d, fp16, in front of the first block
//   qs      32 bytes: low 8 bits of the grid point of each group of 8
//   qh      32 nibbles, one per group: bits 0-2 the upper bits of the point,
//           bit 3 the minus sign of the shift
//   scales  16 nibbles, low nibble first
//
//   x[e] = d * scale[e / 16] * (t[e] + (minus[e / 8] ? -1/8 : 1/8))
//
// The file's groups hold blocks of 32; here eight of them are one block.
#ifndef NIBBLE_FORMATS_IQ1_M_ROW_H_
#define NIBBLE_FORMATS_IQ1_M_ROW_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ1_M_ROW : FormatBase {
  struct Block {
    uint8_t qs[32];
    uint8_t qh[16];
    uint8_t scales[8];
  };
  static_assert(sizeof(Block) == 56, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16, kRowHeader = 2;
  static constexpr int kZero = 9, kMaxCode = 18;
  static constexpr float kFactor = 0.125f;
  static constexpr bool kWantsImportance = true;
  using Points =
      GridPoints<Iq1sGrid, Or<Field<8, 32, &Block::qs>,
                              Shl<8, RecordField<3, 0, 2, 4, 1, &Block::qh>>>>;
  using Plus = Inverted<1, RecordField<1, 3, 2, 4, 1, &Block::qh>>;
  using Codes = Or<Shl<1, Each<8, Plus>>, Points>;
  using ScaleCodes = Field<4, 1, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ1_M_ROW_H_
