// SPDX-License-Identifier: MIT
// Q8_0: 8-bit codes, one fp16 scale per 32 weights. 8.5 bpw. (ggml)
//
//   d   fp16
//   qs  32 signed bytes; -128 decodes but is never written
//
//   x[e] = d * q[e]
#ifndef NIBBLE_FORMATS_Q8_0_H_
#define NIBBLE_FORMATS_Q8_0_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct Q8_0 : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[32];
  };
  static_assert(sizeof(Block) == 34, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kMaxCode = 128;
  using Codes = Signed<Field<8, 32, &Block::qs>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_Q8_0_H_
