// SPDX-License-Identifier: MIT
// IQ2_K: 2-bit codes into a table with an optional shift, 4-bit scales per 16 of
// 256. 2.375 bpw. (ik_llama.cpp)
//
//   d       fp16
//   shifts  16 bits, one per sub-block
//   scales  16 nibbles, low nibble first: scale + 8
//   qs      64 bytes: in each half of 128 weights, the four fields of byte j are
//           weights j, j + 32, j + 64, j + 96
//
//   x[e] = d * (scale[e / 16] - 8) * (table[q[e]] + 5 * shift[e / 16])
#ifndef NIBBLE_FORMATS_IQ2_K_H_
#define NIBBLE_FORMATS_IQ2_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

// The levels of IQ2_K and IQ2_KS.
inline constexpr int8_t kIq2Levels[4] = {-31, -13, 1, 17};
template <class E>
using Iq2Table = LutOf<kIq2Levels, E>;

struct IQ2_K : FormatBase {
  struct Block {
    Word16 d;
    uint8_t shifts[2];
    uint8_t scales[8];
    uint8_t qs[64];
  };
  static_assert(sizeof(Block) == 76, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 31, kShift = 5;
  static constexpr int kScaleBase = -8;
  using Codes = Iq2Table<Field<2, 32, &Block::qs>>;
  using ScaleCodes = Field<4, 1, &Block::scales>;
  using ShiftCodes = Field<1, 1, &Block::shifts>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_K_H_
