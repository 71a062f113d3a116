// SPDX-License-Identifier: MIT
// MXFP4: 4-bit floats, one power of two per 32 weights. 4.25 bpw. (OCP, ggml)
//
//   d   one byte: the scale is 2^(d - 128), 255 is not a number
//   qs  16 bytes: low nibbles are weights 0..15, high nibbles 16..31
//
//   x[e] = 2^(d - 128) * table[q[e]]
//
// The table is that of doubled values, hence 128 and not 127.
#ifndef NIBBLE_FORMATS_MXFP4_H_
#define NIBBLE_FORMATS_MXFP4_H_

#include "nibble/formats/format.h"
#include "nibble/formats/fp4.h"

namespace nibble {
namespace formats {

struct MXFP4 : FormatBase {
  struct Block {
    Exponent8 d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 17, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kMaxCode = kFp4Max;
  using Codes = Fp4Table<Field<4, 16, &Block::qs>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_MXFP4_H_
