// SPDX-License-Identifier: MIT
// IQ3_S: groups of 4 weights from a 512-point grid, a sign per weight, 4-bit
// scales per 32 of 256. 3.4375 bpw. (ggml)
//
//   d       fp16
//   qs      64 bytes: low 8 bits of the grid point of each group of 4
//   qh      64 bits: bit 8 of the grid points
//   signs   32 bytes: bit k of byte g is set if weight 8 g + k is negative
//   scales  8 nibbles, low nibble first
//
//   x[e] = d * (2 * scale[e / 32] + 1) * sign[e] * grid[q[e / 4]][e % 4]
#ifndef NIBBLE_FORMATS_IQ3_S_H_
#define NIBBLE_FORMATS_IQ3_S_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ3_S : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[64];
    uint8_t qh[8];
    uint8_t signs[32];
    uint8_t scales[4];
  };
  static_assert(sizeof(Block) == 110, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32;
  static constexpr int kMaxCode = 15;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  using Codes =
      GridPoints<Iq3sGrid,
                 Or<Field<8, 64, &Block::qs>, Shl<8, Field<1, 1, &Block::qh>>>>;
  using Signs = FreeSigns<Field<8, 32, &Block::signs>>;
  using ScaleCodes = Field<4, 1, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ3_S_H_
