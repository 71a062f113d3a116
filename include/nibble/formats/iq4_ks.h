// SPDX-License-Identifier: MIT
// IQ4_KS: 4-bit codes into a table with an optional shift, 7-bit odd scales per
// 32 of 256, one f32 scale per row. 4.25 bpw. (ik_llama.cpp)
//
//   row     d, f32, in front of the first block
//   scales  8 bytes: bits 1-7 the scale (2 * code - 127), bit 0 the shift
//   qs      128 bytes: 16 per sub-block, low nibbles first
//
//   x[e] = d * (2 * scale[e / 32] - 127) * (table[q[e]] + 4 * shift[e / 32])
//
// The "second table" of the original is the first plus 4, hence a shift.
#ifndef NIBBLE_FORMATS_IQ4_KS_H_
#define NIBBLE_FORMATS_IQ4_KS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq4_nl.h"

namespace nibble {
namespace formats {

struct IQ4_KS : FormatBase {
  struct Block {
    uint8_t scales[8];
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 136, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 4;
  static constexpr int kMaxCode = 127, kShift = 4;
  static constexpr int kScaleStep = 2, kScaleBase = -127;
  using Codes = Iq4Table<Field<4, 16, &Block::qs>>;
  using ScaleCodes = Bits<7, 1, &Block::scales>;
  using ShiftCodes = Bits<1, 0, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ4_KS_H_
