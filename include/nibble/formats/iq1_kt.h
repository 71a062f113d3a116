// SPDX-License-Identifier: MIT
// IQ1_KT: 8 weights grown from a seed of 13 bits, table scales per 32 of 256, one
// f32 scale per row. 1.75 bpw. (ik_llama.cpp)
//
//   row  d, f32, in front of the first block
//   sh   8 bytes: bits 0-3 the scale, bits 4-7 seed bit 12 of the groups of 8
//   ql   32 bytes: seed bits 0-7 of each group
//   qh   16 bytes: seed bits 8-11, low nibbles first
//
//   x[e] = d * table[scale[e / 32]] * trellis(seed[e / 8])[e % 8]
#ifndef NIBBLE_FORMATS_IQ1_KT_H_
#define NIBBLE_FORMATS_IQ1_KT_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq4_nl.h"

namespace nibble {
namespace formats {

struct IQ1_KT : FormatBase {
  struct Block {
    uint8_t sh[8];
    uint8_t ql[32];
    uint8_t qh[16];
  };
  static_assert(sizeof(Block) == 56, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 4;
  static constexpr int kMaxCode = 126;
  using Low = Or<Field<8, 32, &Block::ql>, Shl<8, Field<4, 16, &Block::qh>>>;
  using Codes =
      Trellis<8, Or<Low, Shl<12, RecordField<1, 4, 4, 1, 1, &Block::sh>>>>;
  using ScaleCodes = Iq4Table<Bits<4, 0, &Block::sh>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ1_KT_H_
