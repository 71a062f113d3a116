// SPDX-License-Identifier: MIT
// TQ1_0: ternary weights, one fp16 scale per 256. 1.6875 bpw. (ggml)
//
//   digits  52 bytes of five digits, the most significant first: digit n of
//           bytes 0..31 are weights 32 n + 0..31, of bytes 32..47 weights
//           160 + 16 n + 0..15; four digits of bytes 48..51, weights 240 + 4 n
//           + 0..3
//   d       fp16
//
//   x[e] = d * (digit[e] - 1)
#ifndef NIBBLE_FORMATS_TQ1_0_H_
#define NIBBLE_FORMATS_TQ1_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct TQ1_0 : FormatBase {
  struct Block {
    uint8_t digits[52];
    Word16 d;
  };
  static_assert(sizeof(Block) == 54, "wire size");
  struct Layout {
    static constexpr size_t kElements = 256;
    static NIBBLE_HD constexpr size_t Byte(size_t e) {
      return e < 160 ? e % 32 : e < 240 ? 32 + e % 16 : 48 + e % 4;
    }
    static NIBBLE_HD constexpr int Digit(size_t e) {
      return static_cast<int>(e < 160   ? e / 32
                              : e < 240 ? (e - 160) / 16
                                        : (e - 240) / 4);
    }
  };
  static constexpr size_t kBlock = 256, kSub = 256;
  static constexpr int kZero = 1, kMaxCode = 2;
  static constexpr bool kTernary = true;
  using Codes = Base3<Layout, &Block::digits>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_TQ1_0_H_
