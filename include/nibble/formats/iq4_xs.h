// SPDX-License-Identifier: MIT
// IQ4_XS: 4-bit codes into a fixed non-linear table, signed 6-bit scales per 32
// of 256. 4.25 bpw. (ggml)
//
//   d         fp16
//   scales_h  2 bytes: bits 4-5 of the scales, four to a byte
//   scales_l  4 bytes: bits 0-3 of the scales, two to a byte
//   qs        128 bytes: 16 per sub-block, low nibbles first
//
//   x[e] = d * (scale[e / 32] - 32) * table[q[e]]
#ifndef NIBBLE_FORMATS_IQ4_XS_H_
#define NIBBLE_FORMATS_IQ4_XS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq4_nl.h"

namespace nibble {
namespace formats {

struct IQ4_XS : FormatBase {
  struct Block {
    Word16 d;
    uint8_t scales_h[2];
    uint8_t scales_l[4];
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 136, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32;
  static constexpr int kMaxCode = 127, kScaleBase = -32;
  using Codes = Iq4Table<Field<4, 16, &Block::qs>>;
  using ScaleCodes =
      Or<Field<4, 1, &Block::scales_l>, Shl<4, Field<2, 1, &Block::scales_h>>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ4_XS_H_
