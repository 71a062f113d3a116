// SPDX-License-Identifier: MIT
// Codebooks: grids of weight magnitudes, for the host and (as a twin made from
// the same initializer, since device code cannot read host arrays) the device.
#ifndef NIBBLE_FORMATS_GRIDS_H_
#define NIBBLE_FORMATS_GRIDS_H_

#include <cstdint>

#include "nibble/formats/nodes.h"

namespace nibble {
namespace formats {

// Points are eight bytes, weight k of the group in byte k.
alignas(64) inline constexpr uint64_t kIq2xsGrid[512] = {
#include "nibble/formats/tables/iq2xs_grid.inc"
};
#ifdef __CUDACC__
// Global memory and not __constant__: the lanes of a warp ask for 32 different
// points, which constant memory hands out one after the other, while 4 KiB of
// read-only loads stay in L1. A translation unit that never looks up a point
// gets no copy, so there is one: in the unit of the format.
static __device__ const uint64_t kDeviceIq2xsGrid[512] = {
#include "nibble/formats/tables/iq2xs_grid.inc"
};
#endif

struct Iq2xsGrid {
  static constexpr size_t kPoints = 512;
  static constexpr const uint64_t* Host() { return kIq2xsGrid; }
  static NIBBLE_HD uint64_t Point(uint32_t index) {
#ifdef __CUDA_ARCH__
    return kDeviceIq2xsGrid[index];
#else
    return kIq2xsGrid[index];
#endif
  }
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_GRIDS_H_
