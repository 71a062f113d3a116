// SPDX-License-Identifier: MIT
// Q1_0: signs, one fp16 scale per 128 weights. 1.125 bpw. (ggml)
//
//   d   fp16
//   qs  16 bytes, bit e % 8 of byte e / 8: set for +d
//
//   x[e] = d * (2 * q[e] - 1)
#ifndef NIBBLE_FORMATS_Q1_0_H_
#define NIBBLE_FORMATS_Q1_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q1_0 : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18, "wire size");
  static constexpr size_t kBlock = 128, kSub = 128;
  static constexpr int kZero = 1, kMaxCode = 2;
  static constexpr bool kMagnitudeCounts = false;
  using Codes = Shl<1, Field<1, 1, &Block::qs>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q1_0_H_
