// SPDX-License-Identifier: MIT
// IQ3_KT: magnitudes of 8 weights grown from a seed of 16 bits, signs of their
// own, 4-bit scales per 32 of 256, one f32 scale per row. 3.125 bpw.
// (ik_llama.cpp)
//
//   row     d, f32, in front of the first block
//   scales  4 bytes: low nibbles are sub-blocks 0..3, high nibbles 4..7
//   ql      32 words of 16 bits: the seed of each group of 8
//   qh      32 bytes: bit s of byte t is the sign of weight 32 s + t
//
//   x[e] = d * scale[e / 32] * sign[e] * |trellis(seed[e / 8])[e % 8]|
#ifndef NIBBLE_FORMATS_IQ3_KT_H_
#define NIBBLE_FORMATS_IQ3_KT_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

struct IQ3_KT : FormatBase {
  struct Block {
    uint8_t scales[4];
    uint8_t ql[64];
    uint8_t qh[32];
  };
  static_assert(sizeof(Block) == 100, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 4;
  static constexpr int kMaxCode = 126;
  static constexpr float kInferenceFactor = 1.01f;
  using Codes = Trellis<8, WordField<16, 0, &Block::ql>, true>;
  using Signs = FreeSigns<BitPlanes<&Block::qh>>;
  using ScaleCodes = Field<4, 4, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ3_KT_H_
