// SPDX-License-Identifier: MIT
// Codebooks: grids of weight magnitudes, for the host and (as a twin of the
// same table, since device code cannot read host arrays) the device.
#ifndef NIBBLE_FORMATS_GRIDS_H_
#define NIBBLE_FORMATS_GRIDS_H_

#include <cstdint>
#include <type_traits>

#include "nibble/formats/nodes.h"

namespace nibble {
namespace formats {

// The points of a grid: words of four or eight bytes, weight k of the group in
// byte k.
template <class Word, size_t kCount>
struct GridTable {
  alignas(64) Word point[kCount];
};

#ifdef __CUDACC__
// Global memory and not __constant__: the lanes of a warp ask for 32 different
// points, which constant memory hands out one after the other, while 1 to 16 KiB
// of read-only loads stay in L1. A translation unit that never looks up a point
// gets no copy, so there is one: in the unit of the format.
template <const auto& kTable>
static __device__ const auto kDeviceGrid = kTable;
#endif

template <const auto& kTable>
struct Grid {
  using Point = std::decay_t<decltype(kTable.point[0])>;
  static constexpr size_t kPoints = sizeof(kTable) / sizeof(Point);
  static constexpr const Point* Host() { return kTable.point; }
  static NIBBLE_HD Point At(uint32_t index) {
#ifdef __CUDA_ARCH__
    return kDeviceGrid<kTable>.point[index];
#else
    return kTable.point[index];
#endif
  }
};

inline constexpr GridTable<uint64_t, 256> kIq2xxsTable = {{
#include "nibble/formats/tables/iq2xxs_grid.inc"
}};
using Iq2xxsGrid = Grid<kIq2xxsTable>;

inline constexpr GridTable<uint64_t, 512> kIq2xsTable = {{
#include "nibble/formats/tables/iq2xs_grid.inc"
}};
using Iq2xsGrid = Grid<kIq2xsTable>;

inline constexpr GridTable<uint64_t, 1024> kIq2sTable = {{
#include "nibble/formats/tables/iq2s_grid.inc"
}};
using Iq2sGrid = Grid<kIq2sTable>;

inline constexpr GridTable<uint32_t, 256> kIq3xxsTable = {{
#include "nibble/formats/tables/iq3xxs_grid.inc"
}};
using Iq3xxsGrid = Grid<kIq3xxsTable>;

inline constexpr GridTable<uint32_t, 512> kIq3sTable = {{
#include "nibble/formats/tables/iq3s_grid.inc"
}};
using Iq3sGrid = Grid<kIq3sTable>;

inline constexpr GridTable<uint64_t, 2048> kIq1sTable = {{
#include "nibble/formats/tables/iq1s_grid.inc"
}};
using Iq1sGrid = Grid<kIq1sTable>;

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_GRIDS_H_
