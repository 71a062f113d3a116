// SPDX-License-Identifier: MIT
// Q2_K: 2-bit codes with 4-bit scales and mins per 16 of 256. 2.625 bpw. (ggml)
//
//   scales   16 bytes: bits 0-3 scale, bits 4-7 min
//   qs       64 bytes: per 128 weights 32 bytes of four 2-bit fields
//   d, dmin  fp16
//
//   x[e] = d * scale[e / 16] * q[e] - dmin * min[e / 16]
#ifndef NIBBLE_FORMATS_Q2_K_H_
#define NIBBLE_FORMATS_Q2_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q2_K : FormatBase {
  struct Block {
    uint8_t scales[16];
    uint8_t qs[64];
    Word16 d, dmin;
  };
  static_assert(sizeof(Block) == 84, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 3;
  using Codes = Field<2, 32, &Block::qs>;
  using ScaleCodes = Bits<4, 0, &Block::scales>;
  using MinCodes = Bits<4, 4, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q2_K_H_
