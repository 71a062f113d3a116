// SPDX-License-Identifier: MIT
// Q6_0: 6-bit codes, one fp16 scale per 32 weights. 6.5 bpw. (ik_llama.cpp)
//
//   d   fp16
//   qh  8 bytes: the fields of byte j are the upper two bits of weights
//       j (bits 0-1), j+16 (2-3), j+8 (4-5), j+24 (6-7)
//   qs  16 bytes: low nibbles are weights 0..15, high nibbles 16..31
//
//   x[e] = d * (q[e] - 32)
#ifndef NIBBLE_FORMATS_Q6_0_H_
#define NIBBLE_FORMATS_Q6_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q6_0 : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qh[8];
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 26, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kZero = 32, kMaxCode = 63;
  using Codes = Or<Field<4, 16, &Block::qs>,
                   Shl<4, Field<2, 8, &Block::qh, FieldOrder<0, 2, 1, 3>>>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q6_0_H_
