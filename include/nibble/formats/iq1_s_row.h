// SPDX-License-Identifier: MIT
// IQ1_S_ROW: IQ1_S with one scale per row instead of one per 256. 1.5 bpw.
// (a row of ik_llama.cpp's IQ1_S_R4, which files hold four rows at a time)
//
//   row  d, fp16, in front of the first block
//   qs   32 bytes: low 8 bits of the grid point of each group of 8
//   qh   8 words of 16 bits, one per 32 weights: bits 0-2, 3-5, 6-8, 9-11 the
//        upper bits of the points, bits 12-14 the scale, bit 15 the minus sign
//        of the shift
//
//   x[e] = d * (2 * scale[e / 32] + 1) * (t[e] + (minus[e / 32] ? -1/8 : 1/8))
//
// The file's groups hold blocks of 32; here eight of them are one block.
#ifndef NIBBLE_FORMATS_IQ1_S_ROW_H_
#define NIBBLE_FORMATS_IQ1_S_ROW_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ1_S_ROW : FormatBase {
  struct Block {
    uint8_t qs[32];
    uint8_t qh[16];
  };
  static_assert(sizeof(Block) == 48, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 2;
  static constexpr int kZero = 9, kMaxCode = 16;
  static constexpr float kFactor = 0.125f;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  static constexpr bool kWantsImportance = true;
  using Codes =
      GridPoints<Iq1sGrid, Or<Field<8, 32, &Block::qs>,
                              Shl<8, RecordField<3, 0, 4, 3, 2, &Block::qh>>>>;
  using ScaleCodes = WordField<3, 12, &Block::qh>;
  using ShiftCodes = Inverted<1, WordField<1, 15, &Block::qh>>;
  static constexpr int kShift = 2;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ1_S_ROW_H_
