// SPDX-License-Identifier: MIT
// IQ1_M: groups of 8 ternary weights t from a 2048-point grid, each shifted by
// +-1/8, 3-bit scales per 16 of 256. 1.75 bpw. (ggml)
//
//   qs      32 bytes: low 8 bits of the grid point of each group of 8
//   qh      32 nibbles, one per group: bits 0-2 the upper bits of the point,
//           bit 3 the minus sign of the shift
//   scales  4 words of 16 bits: bits 0-2, 3-5, 6-8, 9-11 scales, bits 12-15 a
//           nibble of the fp16 d, the lowest in the first word
//
//   x[e] = d * (2 * scale[e / 16] + 1) * (t[e] + (minus[e / 8] ? -1/8 : 1/8))
//
// In eighths, the grid being 8 (t + 1) and plus the inverse of minus:
//
//   x[e] = d / 8 * (...) * (grid - 9 + 2 * plus)
#ifndef NIBBLE_FORMATS_IQ1_M_H_
#define NIBBLE_FORMATS_IQ1_M_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ1_M : FormatBase {
  struct Block {
    uint8_t qs[32];
    uint8_t qh[16];
    uint8_t scales[8];
  };
  static_assert(sizeof(Block) == 56, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kZero = 9, kMaxCode = 18;
  static constexpr float kFactor = 0.125f;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  static constexpr bool kWantsImportance = true;
  using Points =
      GridPoints<Iq1sGrid, Or<Field<8, 32, &Block::qs>,
                              Shl<8, RecordField<3, 0, 2, 4, 1, &Block::qh>>>>;
  using Plus = Inverted<1, RecordField<1, 3, 2, 4, 1, &Block::qh>>;
  using Codes = Or<Shl<1, Each<8, Plus>>, Points>;
  using ScaleCodes = RecordField<3, 0, 4, 3, 2, &Block::scales>;
  using HalfNibbles = WordField<4, 12, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ1_M_H_
