// SPDX-License-Identifier: MIT
// IQ2_XXS: groups of 8 weights from a 256-point grid with an even number of
// minus signs, 4-bit scales per 32 of 256. 2.0625 bpw. (ggml)
//
//   d        fp16
//   records  8 of 8 bytes, one per 32 weights: four bytes name the points, then
//            a word of 32 bits: bits 0-6, 7-13, 14-20, 21-27 the signs of the
//            first seven weights of each group, bits 28-31 the scale
//
//   x[e] = d / 8 * (2 * scale[e / 32] + 1) * sign[e] * grid[q[e / 8]][e % 8]
#ifndef NIBBLE_FORMATS_IQ2_XXS_H_
#define NIBBLE_FORMATS_IQ2_XXS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ2_XXS : FormatBase {
  struct Block {
    Word16 d;
    uint8_t records[64];
  };
  static_assert(sizeof(Block) == 66, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32;
  static constexpr int kMaxCode = 43;
  static constexpr float kFactor = 0.125f;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  static constexpr bool kWantsImportance = true;
  using Codes =
      GridPoints<Iq2xxsGrid, RecordField<8, 0, 4, 8, 8, &Block::records>>;
  using Signs = ParitySigns<RecordField<7, 32, 4, 7, 8, &Block::records>>;
  using ScaleCodes = RecordField<4, 60, 1, 0, 8, &Block::records>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_XXS_H_
