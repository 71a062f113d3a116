// SPDX-License-Identifier: MIT
// IQ4_KT: 4 weights grown from a seed of 15 bits and one per 32 of 256, 7-bit
// scales per 32, one f32 scale per row. 4 bpw. (ik_llama.cpp)
//
//   row  d, f32, in front of the first block
//   sb   8 words of 32 bits, one per 32 weights: bit 0 seed bit 15 of all groups,
//        bits 1-7 the scale, 3 bits at 8 + 3 g seed bits 12-14 of group g
//   ql   64 bytes: seed bits 0-7 of each group of 4
//   qh   32 bytes: seed bits 8-11, low nibbles first
//
//   x[e] = d * (scale[e / 32] - 64) * trellis(seed[e / 4])[e % 4]
#ifndef NIBBLE_FORMATS_IQ4_KT_H_
#define NIBBLE_FORMATS_IQ4_KT_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct IQ4_KT : FormatBase {
  struct Block {
    uint8_t sb[32];
    uint8_t ql[64];
    uint8_t qh[32];
  };
  static_assert(sizeof(Block) == 128, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 4;
  static constexpr int kMaxCode = 126;
  static constexpr int kScaleBase = -64;
  using Low = Or<Field<8, 64, &Block::ql>, Shl<8, Field<4, 32, &Block::qh>>>;
  using Fifteen = Or<Low, Shl<12, RecordField<3, 8, 8, 3, 4, &Block::sb>>>;
  using Book = Each<8, RecordField<1, 0, 1, 0, 4, &Block::sb>>;
  using Codes = Trellis<4, Or<Fifteen, Shl<15, Book>>>;
  using ScaleCodes = RecordField<7, 1, 1, 0, 4, &Block::sb>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ4_KT_H_
