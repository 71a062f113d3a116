// SPDX-License-Identifier: MIT
// IQ5_K: 5-bit codes into a table with an optional shift, 6-bit scales per 16 of
// 256. 5.5 bpw. (ik_llama.cpp)
//
//   d         fp16
//   shifts    16 bits, one per sub-block
//   scales_h  16 fields of 2 bits, lowest first: the upper bits of the scales
//   scales_l  16 nibbles, low nibble first: the lower ones
//   qs        128 bytes: 32 per 64 weights, low nibbles first
//   qh        32 bytes, the fifth bit: bit s of byte j is weight 32 s + j
//
//   x[e] = d * (scale[e / 16] - 32) * (table[q[e]] + 2 * shift[e / 16])
#ifndef NIBBLE_FORMATS_IQ5_K_H_
#define NIBBLE_FORMATS_IQ5_K_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

// The levels of IQ5_K and IQ5_KS.
inline constexpr int8_t kIq5Levels[32] = {
    -126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36,
    -30,  -24,  -18,  -12, -6,  -1,  5,   11,  17,  23,  29,
    36,   43,   51,   59,  68,  77,  87,  97,  109, 121};
template <class E>
using Iq5Table = LutOf<kIq5Levels, E>;

struct IQ5_K : FormatBase {
  struct Block {
    Word16 d;
    uint8_t shifts[2];
    uint8_t scales_h[4];
    uint8_t scales_l[8];
    uint8_t qs[128];
    uint8_t qh[32];
  };
  static_assert(sizeof(Block) == 176, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 126, kShift = 2;
  static constexpr int kScaleBase = -32;
  using Codes = Iq5Table<
      Or<Field<4, 32, &Block::qs>, Shl<4, Field<1, 32, &Block::qh>>>>;
  using ScaleCodes = Or<Field<4, 1, &Block::scales_l>,
                        Shl<4, Field<2, 1, &Block::scales_h>>>;
  using ShiftCodes = Field<1, 1, &Block::shifts>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ5_K_H_
