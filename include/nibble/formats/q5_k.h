// SPDX-License-Identifier: MIT
// Q5_K: 5-bit codes with 6-bit scales and mins per 32 of 256. 5.5 bpw. (ggml)
//
//   d, dmin  fp16
//   scales   12 bytes, packed as in Q4_K
//   qh       32 bytes: bit e / 32 of byte e % 32 is the fifth bit of weight e
//   qs       128 bytes: per 64 weights 32 bytes, low nibbles first
//
//   x[e] = d * scale[e / 32] * q[e] - dmin * min[e / 32]
#ifndef NIBBLE_FORMATS_Q5_K_H_
#define NIBBLE_FORMATS_Q5_K_H_

#include "nibble/formats/format.h"
#include "nibble/formats/q4_k.h"

namespace nibble {
namespace formats {

struct Q5_K : FormatBase {
  struct Block {
    Word16 d, dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 176, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32;
  static constexpr int kMaxCode = 31;
  using Codes =
      Or<Field<4, 32, &Block::qs>, Shl<4, Field<1, 32, &Block::qh>>>;
  using ScaleCodes = SixBits<&Block::scales, 0, 0>;
  using MinCodes = SixBits<&Block::scales, 4, 4>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q5_K_H_
