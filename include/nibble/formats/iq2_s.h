// SPDX-License-Identifier: MIT
// IQ2_S: groups of 8 weights from a 1024-point grid, a sign per weight, 4-bit
// scales per 16 of 256. 2.5625 bpw. (ggml)
//
//   d       fp16
//   qs      32 bytes: low 8 bits of the grid point of each group of 8
//   signs   32 bytes: bit k of byte g is set if weight 8 g + k is negative
//   qh      upper 2 bits of the grid points, four groups to a byte, lowest
//           bits first
//   scales  16 nibbles, low nibble first
//
//   x[e] = d / 8 * (2 * scale[e / 16] + 1) * sign[e] * grid[q[e / 8]][e % 8]
#ifndef NIBBLE_FORMATS_IQ2_S_H_
#define NIBBLE_FORMATS_IQ2_S_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ2_S : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[32];
    uint8_t signs[32];
    uint8_t qh[8];
    uint8_t scales[8];
  };
  static_assert(sizeof(Block) == 82, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 43;
  static constexpr float kFactor = 0.125f;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  static constexpr bool kWantsImportance = true;
  using Codes =
      GridPoints<Iq2sGrid,
                 Or<Field<8, 32, &Block::qs>, Shl<8, Field<2, 1, &Block::qh>>>>;
  using Signs = FreeSigns<Field<8, 32, &Block::signs>>;
  using ScaleCodes = Field<4, 1, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_S_H_
