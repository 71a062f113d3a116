// SPDX-License-Identifier: MIT
// NVFP4: 4-bit floats, an 8-bit float as scale per 16 of 64 weights. 4.5 bpw.
// (ggml)
//
//   d   4 bytes: unsigned E4M3 scales of the sub-blocks, halved (scales.h)
//   qs  32 bytes, 8 per sub-block: low nibbles are its weights 0..7, high
//       nibbles 8..15
//
//   x[e] = d[e / 16] * table[q[e]]
//
// A scale per tensor, where there is one, is a tensor of its own in the file.
#ifndef NIBBLE_FORMATS_NVFP4_H_
#define NIBBLE_FORMATS_NVFP4_H_

#include "nibble/formats/format.h"
#include "nibble/formats/fp4.h"

namespace nibble {
namespace formats {

struct NVFP4 : FormatBase {
  struct Block {
    E4M3Scales<4> d;
    uint8_t qs[32];
  };
  static_assert(sizeof(Block) == 36, "wire size");
  static constexpr size_t kBlock = 64, kSub = 16;
  static constexpr int kMaxCode = kFp4Max;
  using Codes = Fp4Table<Field<4, 8, &Block::qs>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_NVFP4_H_
