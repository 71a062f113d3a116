// SPDX-License-Identifier: MIT
// IQ1_BN: ternary weights, one fp16 scale per row. 1.625 bpw. (ik_llama.cpp)
//
//   row     d, fp16, in front of the first block
//   digits  13 bytes: 3 for the first 15 of every 16 weights, five digits to a
//           byte, last weight first; in the 13th the sixteenth weights of the
//           four groups, likewise
//
//   x[e] = d * (digit[e] - 1)
#ifndef NIBBLE_FORMATS_IQ1_BN_H_
#define NIBBLE_FORMATS_IQ1_BN_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct IQ1_BN : FormatBase {
  struct Block {
    uint8_t digits[13];
  };
  static_assert(sizeof(Block) == 13, "wire size");
  struct Layout {
    static constexpr size_t kElements = 64;
    static NIBBLE_HD constexpr size_t Byte(size_t e) {
      return e % 16 == 15 ? 12 : e / 16 * 3 + e % 16 / 5;
    }
    static NIBBLE_HD constexpr int Digit(size_t e) {
      return 4 - static_cast<int>(e % 16 == 15 ? e / 16 : e % 16 % 5);
    }
  };
  static constexpr size_t kBlock = 64, kSub = 64, kRowHeader = 2;
  static constexpr int kZero = 1, kMaxCode = 2;
  static constexpr bool kTernary = true;
  using Codes = Base3<Layout, &Block::digits>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ1_BN_H_
