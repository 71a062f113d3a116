// SPDX-License-Identifier: MIT
// IQ2_KT: 8 weights grown from a seed of 16 bits, table scales per 32 of 256, one
// f32 scale per row. 2.125 bpw. (ik_llama.cpp)
//
//   row     d, f32, in front of the first block
//   scales  4 bytes: low nibbles are sub-blocks 0..3, high nibbles 4..7
//   ql      32 words of 16 bits: the seed of each group of 8
//
//   x[e] = d * table[scale[e / 32]] * trellis(seed[e / 8])[e % 8]
#ifndef NIBBLE_FORMATS_IQ2_KT_H_
#define NIBBLE_FORMATS_IQ2_KT_H_

#include "nibble/formats/format.h"
#include "nibble/formats/iq4_nl.h"

namespace nibble {
namespace formats {

struct IQ2_KT : FormatBase {
  struct Block {
    uint8_t scales[4];
    uint8_t ql[64];
  };
  static_assert(sizeof(Block) == 68, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 4;
  static constexpr int kMaxCode = 126;
  static constexpr float kInferenceFactor = 1.05f;
  using Codes = Trellis<8, WordField<16, 0, &Block::ql>>;
  using ScaleCodes = Iq4Table<Field<4, 4, &Block::scales>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_KT_H_
