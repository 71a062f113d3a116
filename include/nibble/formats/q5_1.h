// SPDX-License-Identifier: MIT
// Q5_1: 5-bit codes, one fp16 scale and one fp16 offset per 32 weights. 6 bpw.
// (ggml)
//
//   d, dmin  fp16; dmin is the offset m, stored with its own sign
//   qh       4 bytes: bit e is the fifth bit of weight e
//   qs       16 bytes: low nibbles are weights 0..15, high nibbles 16..31
//
//   x[e] = d * q[e] + m
#ifndef NIBBLE_FORMATS_Q5_1_H_
#define NIBBLE_FORMATS_Q5_1_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q5_1 : FormatBase {
  struct Block {
    Word16 d, dmin;
    uint8_t qh[4];
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 24, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kMaxCode = 31;
  static constexpr float kMinFactor = -1.0f;
  using Codes =
      Or<Field<4, 16, &Block::qs>, Shl<4, Field<1, 1, &Block::qh>>>;
  using MinCodes = Constant<1>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q5_1_H_
