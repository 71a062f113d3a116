// SPDX-License-Identifier: MIT
// Q4_K: 4-bit codes with 6-bit scales and mins per 32 of 256. 4.5 bpw. (ggml)
//
//   d, dmin  fp16
//   scales   12 bytes, b = 0..3:
//            byte b      bits 0-5 scale b,         bits 6-7 top of scale b+4
//            byte b + 4  bits 0-5 min b,           bits 6-7 top of min b+4
//            byte b + 8  bits 0-3 low of scale b+4, bits 4-7 low of min b+4
//   qs       128 bytes: per 64 weights 32 bytes, low nibbles first
//
//   x[e] = d * scale[e / 32] * q[e] - dmin * min[e / 32]
#ifndef NIBBLE_FORMATS_Q4_K_H_
#define NIBBLE_FORMATS_Q4_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

// Eight 6-bit numbers in three groups of four bytes: the first four in the low
// six bits at kFirst, the rest in nibbles at byte 8 and the top bits at kFirst.
template <auto kScales, int kFirst, int kNibble>
using SixBits = Halves<4, Bits<6, 0, kScales, kFirst>,
                       Or<Bits<4, kNibble, kScales, 8>,
                          Shl<4, Bits<2, 6, kScales, kFirst>>>>;

struct Q4_K : FormatBase {
  struct Block {
    Word16 d, dmin;
    uint8_t scales[12];
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 144, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32;
  static constexpr int kMaxCode = 15;
  using Codes = Field<4, 32, &Block::qs>;
  using ScaleCodes = SixBits<&Block::scales, 0, 0>;
  using MinCodes = SixBits<&Block::scales, 4, 4>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q4_K_H_
