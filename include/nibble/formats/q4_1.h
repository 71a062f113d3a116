// SPDX-License-Identifier: MIT
// Q4_1: 4-bit codes, one fp16 scale and one fp16 offset per 32 weights. 5 bpw.
// (ggml)
//
//   d, dmin  fp16; dmin is the offset m, stored with its own sign
//   qs       16 bytes: low nibbles are weights 0..15, high nibbles 16..31
//
//   x[e] = d * q[e] + m
#ifndef NIBBLE_FORMATS_Q4_1_H_
#define NIBBLE_FORMATS_Q4_1_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q4_1 : FormatBase {
  struct Block {
    Word16 d, dmin;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 20, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kMaxCode = 15;
  static constexpr float kMinFactor = -1.0f;
  using Codes = Field<4, 16, &Block::qs>;
  using MinCodes = Constant<1>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q4_1_H_
