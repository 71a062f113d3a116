// SPDX-License-Identifier: MIT
// Q2_0: 2-bit codes, one fp16 scale per 64 weights. 2.25 bpw. (ggml)
//
//   d   fp16
//   qs  16 bytes of four neighbouring weights each, lowest bits first
//
//   x[e] = d * (q[e] - 1): levels -d, 0, d, 2 d, so that the sign of d matters
#ifndef NIBBLE_FORMATS_Q2_0_H_
#define NIBBLE_FORMATS_Q2_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q2_0 : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18, "wire size");
  static constexpr size_t kBlock = 64, kSub = 64;
  static constexpr int kZero = 1, kMaxCode = 3;
  using Codes = Field<2, 1, &Block::qs>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q2_0_H_
