// SPDX-License-Identifier: MIT
// IQ5_KS: 5-bit codes into a table with an optional shift, 7-bit odd scales per
// 32 of 256, one f32 scale per row. 5.25 bpw. (ik_llama.cpp)
//
//   row     d, f32, in front of the first block
//   scales  8 bytes: bits 1-7 the scale (2 * code - 127), bit 0 the shift
//   qs      128 bytes: 32 per 64 weights, low nibbles first
//   qh      32 bytes, the fifth bit: bit s of byte j is weight 32 s + j
//
//   x[e] = d * (2 * scale[e / 32] - 127) * (table[q[e]] + 2 * shift[e / 32])
#ifndef NIBBLE_FORMATS_IQ5_KS_H_
#define NIBBLE_FORMATS_IQ5_KS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq5_k.h"

namespace nibble {
namespace formats {

struct IQ5_KS : FormatBase {
  struct Block {
    uint8_t scales[8];
    uint8_t qs[128];
    uint8_t qh[32];
  };
  static_assert(sizeof(Block) == 168, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 4;
  static constexpr int kMaxCode = 126, kShift = 2;
  static constexpr int kScaleStep = 2, kScaleBase = -127;
  using Codes = Iq5Table<
      Or<Field<4, 32, &Block::qs>, Shl<4, Field<1, 32, &Block::qh>>>>;
  using ScaleCodes = Bits<7, 1, &Block::scales>;
  using ShiftCodes = Bits<1, 0, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ5_KS_H_
