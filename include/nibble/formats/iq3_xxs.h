// SPDX-License-Identifier: MIT
// IQ3_XXS: groups of 4 weights from a 256-point grid, an even number of minus
// signs in every 8 weights, 4-bit scales per 32 of 256. 3.0625 bpw. (ggml)
//
//   d      fp16
//   qs     64 bytes: the grid point of each group of 4
//   words  8 of 32 bits, one per 32 weights: bits 0-6, 7-13, 14-20, 21-27 the
//          signs of the first seven of each 8 weights, bits 28-31 the scale
//
//   x[e] = d / 4 * (2 * scale[e / 32] + 1) * sign[e] * grid[q[e / 4]][e % 4]
#ifndef NIBBLE_FORMATS_IQ3_XXS_H_
#define NIBBLE_FORMATS_IQ3_XXS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ3_XXS : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[64];
    uint8_t words[32];
  };
  static_assert(sizeof(Block) == 98, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32;
  static constexpr int kMaxCode = 62;
  static constexpr float kFactor = 0.25f;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  using Codes = GridPoints<Iq3xxsGrid, Field<8, 64, &Block::qs>>;
  using Signs = ParitySigns<RecordField<7, 0, 4, 7, 4, &Block::words>>;
  using ScaleCodes = RecordField<4, 28, 1, 0, 4, &Block::words>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ3_XXS_H_
