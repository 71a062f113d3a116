// SPDX-License-Identifier: MIT
// IQ4_NL: 4-bit codes into a fixed non-linear table, one fp16 scale per 32.
// 4.5 bpw. (ggml)
//
//   d   fp16
//   qs  16 bytes: low nibbles are weights 0..15, high nibbles 16..31
//
//   x[e] = d * table[q[e]]
#ifndef NIBBLE_FORMATS_IQ4_NL_H_
#define NIBBLE_FORMATS_IQ4_NL_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

// The levels of IQ4_NL, IQ4_XS and (line 0) IQ4_K, IQ4_KS and IQ4_KSS.
inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35,
                                          -22,  -10,  1,   13,  25,  38,
                                          53,   69,   89,  113};
template <class E>
using Iq4Table = Lut16<PackBytes(kIq4Levels), PackBytes(kIq4Levels + 8), E>;

struct IQ4_NL : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18, "wire size");
  static constexpr size_t kBlock = 32, kSub = 32;
  static constexpr int kMaxCode = 127;
  using Codes = Iq4Table<Field<4, 16, &Block::qs>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ4_NL_H_
