// SPDX-License-Identifier: MIT
// IQ2_KL: pairs of weights from a grid of 32, 6-bit scales per 32 of 256, one
// fp16 scale per row. 2.6875 bpw. (ik_llama.cpp)
//
//   row       d, fp16, in front of the first block
//   scales_h  2 bytes: the upper two bits of the scales, two bits each
//   scales_l  4 bytes: low nibbles of the scales, 0..3 in the low halves
//   qs        64 bytes, 16 per two sub-blocks: low four bits of the indices of
//             16 pairs, first sub-block in the low halves
//   qh        16 bytes: bit s of byte p is the fifth bit of pair p of
//             sub-block s
//
//   x[e] = d * (scale[e / 32] - 32) * grid[index[e / 2]][e % 2]
#ifndef NIBBLE_FORMATS_IQ2_KL_H_
#define NIBBLE_FORMATS_IQ2_KL_H_

#include "nibble/formats/format.h"

namespace nibble {
namespace formats {

#ifdef __CUDACC__
// As for the grids of grids.h: device code cannot read the host's array.
static __device__ const uint16_t kDeviceIq2klGrid[32] = {
#include "nibble/formats/tables/iq2kl_grid.inc"
};
#endif

struct Iq2klGrid {
  static constexpr size_t kBlockPairs = 128;
  static constexpr uint16_t kPairs[32] = {
#include "nibble/formats/tables/iq2kl_grid.inc"
  };
  // The eight values that members take.
  static constexpr int8_t kLevels[8] = {-63, -40, -23, -10, 1, 13, 28, 47};
  static constexpr uint64_t kAxis = PackBytes(kLevels);

  static NIBBLE_HD uint16_t Pair(uint32_t index) {
#ifdef __CUDA_ARCH__
    return kDeviceIq2klGrid[index];
#else
    return kPairs[index];
#endif
  }
};

struct IQ2_KL : FormatBase {
  struct Block {
    uint8_t scales_h[2];
    uint8_t scales_l[4];
    uint8_t qs[64];
    uint8_t qh[16];
  };
  static_assert(sizeof(Block) == 86, "wire size");
  static constexpr size_t kBlock = 256, kSub = 32, kRowHeader = 2;
  static constexpr int kMaxCode = 63, kScaleBase = -32;
  using Codes = PairLut<Iq2klGrid, Or<Field<4, 16, &Block::qs>,
                                      Shl<4, Field<1, 16, &Block::qh>>>>;
  using ScaleCodes = Or<Field<4, 4, &Block::scales_l>,
                        Shl<4, Field<2, 1, &Block::scales_h>>>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_IQ2_KL_H_
