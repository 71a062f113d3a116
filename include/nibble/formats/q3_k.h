// SPDX-License-Identifier: MIT
// Q3_K: 3-bit codes with signed 6-bit scales per 16 of 256. 3.4375 bpw. (ggml)
//
//   hmask     32 bytes: bit e / 32 of byte e % 32 is the third bit of weight e
//   qs        64 bytes: per 128 weights 32 bytes of four 2-bit fields
//   scales    8 bytes: low nibbles of scales 0..7 and, in the high ones, 8..15
//   scales_h  4 bytes: bits 4-5 of scales j, j + 4, j + 8, j + 12 in byte j
//   d         fp16
//
//   x[e] = d * (scale[e / 16] - 32) * (q[e] - 4)
#ifndef NIBBLE_FORMATS_Q3_K_H_
#define NIBBLE_FORMATS_Q3_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q3_K : FormatBase {
  struct Block {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[8], scales_h[4];
    Word16 d;
  };
  static_assert(sizeof(Block) == 110, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kZero = 4, kMaxCode = 7, kScaleBase = -32;
  using Codes =
      Or<Field<2, 32, &Block::qs>, Shl<2, Field<1, 32, &Block::hmask>>>;
  using ScaleCodes =
      Or<Field<4, 8, &Block::scales>, Shl<4, Field<2, 4, &Block::scales_h>>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q3_K_H_
