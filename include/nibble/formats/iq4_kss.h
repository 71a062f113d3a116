// SPDX-License-Identifier: MIT
// IQ4_KSS: 4-bit codes into a table with an optional shift, four of them with an
// even number of ones together; what that saves holds 7-bit odd scales per 32 of
// 256. One f32 scale per row. 4 bpw. (ik_llama.cpp)
//
//   row  d, f32, in front of the first block
//   qs   64 u16 words, eight per sub-block: bits 1-15 of a word are a Gray code,
//        bits 0 of the eight are a byte: bits 1-7 the scale (2 * code - 127),
//        bit 0 the shift. The plain words are 16 bytes, low nibbles first
//
//   v = (word & 0xFFFE) ^ ((word & 0xFFFE) >> 1)
//   x[e] = d * (2 * scale[e / 32] - 127) * (table[q[e]] + 4 * shift[e / 32])
#ifndef NIBBLE_FORMATS_IQ4_KSS_H_
#define NIBBLE_FORMATS_IQ4_KSS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq4_nl.h"

namespace nibble {
namespace formats {

struct IQ4_KSS : FormatBase {
  struct Block {
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 128, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 4;
  static constexpr int kMaxCode = 127, kShift = 4;
  static constexpr int kScaleStep = 2, kScaleBase = -127;
  using Codes = Iq4Table<Gray<Field<4, 16, &Block::qs>>>;
  using ScaleCodes = LowBits<7, 1, &Block::qs>;
  using ShiftCodes = LowBits<1, 0, &Block::qs>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ4_KSS_H_
