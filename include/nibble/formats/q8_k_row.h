// SPDX-License-Identifier: MIT
// Q8_K_ROW: 8-bit codes, one fp16 scale per 256 weights. 8.0625 bpw.
// (a row of ik_llama.cpp's Q8_K_R8 and Q8_K_R16, which files hold eight or
// sixteen rows at a time)
//
//   d   fp16
//   qs  256 signed bytes
//
//   x[e] = d * q[e]
#ifndef NIBBLE_FORMATS_Q8_K_ROW_H_
#define NIBBLE_FORMATS_Q8_K_ROW_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q8_K_ROW : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[256];
  };
  static_assert(sizeof(Block) == 258, "wire size");
  static constexpr size_t kBlock = 256, kSub = 256;
  static constexpr int kMaxCode = 128;
  using Codes = Signed<Field<8, 256, &Block::qs>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q8_K_ROW_H_
