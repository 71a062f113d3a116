// SPDX-License-Identifier: MIT
// TQ2_0: ternary weights in two bits, one fp16 scale per 256. 2.0625 bpw. (ggml)
//
//   qs  64 bytes, 32 per 128 weights: bits 0-1 are its weights 0..31, bits 2-3
//       32..63, and so on
//   d   fp16
//
//   x[e] = d * (q[e] - 1)
//
// Code 3 decodes to 2 d and is never written.
#ifndef NIBBLE_FORMATS_TQ2_0_H_
#define NIBBLE_FORMATS_TQ2_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct TQ2_0 : FormatBase {
  struct Block {
    uint8_t qs[64];
    Word16 d;
  };
  static_assert(sizeof(Block) == 66, "wire size");
  static constexpr size_t kBlock = 256, kSub = 256;
  static constexpr int kZero = 1, kMaxCode = 3;
  static constexpr bool kTernary = true;
  using Codes = Field<2, 32, &Block::qs>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_TQ2_0_H_
