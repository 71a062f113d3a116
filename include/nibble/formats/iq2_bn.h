// SPDX-License-Identifier: MIT
// IQ2_BN: ternary weights in two bits, one f32 scale per row. 2 bpw.
// (ik_llama.cpp)
//
//   row  d, f32, in front of the first block
//   qs   16 bytes: bits 0-1 are weights 0..15, bits 2-3 16..31, and so on
//
//   x[e] = d * (q[e] - 1)
//
// Code 3 decodes to 2 d and is never written.
#ifndef NIBBLE_FORMATS_IQ2_BN_H_
#define NIBBLE_FORMATS_IQ2_BN_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct IQ2_BN : FormatBase {
  struct Block {
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 16, "wire size");
  static constexpr size_t kBlock = 64, kSub = 64, kRowHeader = 4;
  static constexpr int kZero = 1, kMaxCode = 3;
  static constexpr bool kTernary = true;
  using Codes = Field<2, 16, &Block::qs>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_BN_H_
