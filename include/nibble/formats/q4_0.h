// SPDX-License-Identifier: MIT
// Q4_0: 4-bit codes, one fp16 scale per 32 weights. 4.5 bpw. (ggml)
//
//   d   fp16
//   qs  16 bytes: low nibbles are weights 0..15, high nibbles 16..31
//
//   x[e] = d * (q[e] - 8)
#ifndef NIBBLE_FORMATS_Q4_0_H_
#define NIBBLE_FORMATS_Q4_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q4_0 : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kZero = 8, kMaxCode = 15;
  using Codes = Field<4, 16, &Block::qs>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q4_0_H_
