// SPDX-License-Identifier: MIT
// IQ1_S: groups of 8 ternary weights t from a 2048-point grid, shifted by +-1/8
// per 32, 3-bit scales per 32 of 256. 1.5625 bpw. (ggml)
//
//   d   fp16
//   qs  32 bytes: low 8 bits of the grid point of each group of 8
//   qh  8 words of 16 bits, one per 32 weights: bits 0-2, 3-5, 6-8, 9-11 the
//       upper bits of the points, bits 12-14 the scale, bit 15 the minus sign
//       of the shift
//
//   x[e] = d * (2 * scale[e / 32] + 1) * (t[e] + (minus[e / 32] ? -1/8 : 1/8))
//
// In eighths, the grid being 8 (t + 1) and plus the inverse of minus:
//
//   x[e] = d / 8 * (...) * (grid - 9 + 2 * plus)
#ifndef NIBBLE_FORMATS_IQ1_S_H_
#define NIBBLE_FORMATS_IQ1_S_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ1_S : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[32];
    uint8_t qh[16];
  };
  static_assert(sizeof(Block) == 50, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32;
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

#endif  // NIBBLE_FORMATS_IQ1_S_H_
