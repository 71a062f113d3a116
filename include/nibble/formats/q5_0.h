// SPDX-License-Identifier: MIT
// Q5_0: 5-bit codes, one fp16 scale per 32 weights. 5.5 bpw. (ggml)
//
//   d   fp16
//   qh  32 bits: bit e is bit 4 of code e
//   qs  16 bytes: low nibbles are weights 0..15, high nibbles 16..31
//
//   x[e] = d * (q[e] - 16)
#ifndef NIBBLE_FORMATS_Q5_0_H_
#define NIBBLE_FORMATS_Q5_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q5_0 : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qh[4];
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 22, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kZero = 16, kMaxCode = 31;
  using Codes = Or<Field<4, 16, &Block::qs>, Shl<4, Field<1, 1, &Block::qh>>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q5_0_H_
