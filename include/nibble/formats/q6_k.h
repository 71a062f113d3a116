// SPDX-License-Identifier: MIT
// Q6_K: 6-bit codes with signed 8-bit scales per 16 of 256. 6.5625 bpw. (ggml)
//
//   ql      128 bytes: per 128 weights 64 bytes, low nibbles first
//   qh      64 bytes: per 128 weights 32 bytes of four 2-bit fields
//   scales  16 signed bytes
//   d       fp16
//
//   x[e] = d * scale[e / 16] * (q[e] - 32)
#ifndef NIBBLE_FORMATS_Q6_K_H_
#define NIBBLE_FORMATS_Q6_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q6_K : FormatBase {
  struct Block {
    uint8_t ql[128];
    uint8_t qh[64];
    uint8_t scales[16];
    Word16 d;
  };
  static_assert(sizeof(Block) == 210, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kZero = 32, kMaxCode = 63;
  using Codes = Or<Field<4, 64, &Block::ql>, Shl<4, Field<2, 32, &Block::qh>>>;
  using ScaleCodes = Signed<Field<8, 16, &Block::scales>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q6_K_H_
