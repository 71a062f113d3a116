// SPDX-License-Identifier: MIT
// IQ2_XS: groups of 8 weights from a 512-point grid with an even number of minus
// signs, 4-bit scales per 16 of 256. 2.3125 bpw. (ggml)
//
//   d       fp16
//   qs      32 words of 16 bits, one per group of 8: bits 0-8 the grid point,
//           bits 9-15 the signs of the first seven weights
//   scales  16 nibbles, low nibble first
//
//   x[e] = d / 8 * (2 * scale[e / 16] + 1) * sign[e] * grid[q[e / 8]][e % 8]
#ifndef NIBBLE_FORMATS_IQ2_XS_H_
#define NIBBLE_FORMATS_IQ2_XS_H_

#include "nibble/formats/format.h"
#include "nibble/formats/grids.h"

namespace nibble {
namespace formats {

struct IQ2_XS : FormatBase {
  struct Block {
    Word16 d;
    uint8_t qs[64];
    uint8_t scales[8];
  };
  static_assert(sizeof(Block) == 74, "wire size");
  static constexpr size_t kBlock = 256, kSub = 16;
  static constexpr int kMaxCode = 43;
  static constexpr float kFactor = 0.125f;
  static constexpr int kScaleStep = 2, kScaleBase = 1;
  static constexpr bool kWantsImportance = true;
  using Codes = GridPoints<Iq2xsGrid, WordField<9, 0, &Block::qs>>;
  using Signs = ParitySigns<WordField<7, 9, &Block::qs>>;
  using ScaleCodes = Field<4, 1, &Block::scales>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_XS_H_
