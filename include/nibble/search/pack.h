// SPDX-License-Identifier: MIT
// From numbers to a block, by the format's own description.
#ifndef NIBBLE_SEARCH_PACK_H_
#define NIBBLE_SEARCH_PACK_H_

#include <cstdint>
#include <cstring>

#include "nibble/formats/format.h"

namespace nibble {

// The numbers of one block as a search delivers them; null where the format has
// no such thing.
struct BlockNumbers {
  uint16_t d = 0;                   // fp16 bits
  uint16_t dmin = 0;                // fp16 bits
  const uint8_t* coded = nullptr;   // codes of the scales of other kinds
  const uint8_t* codes = nullptr;   // [kBlock] table indices
  const uint8_t* scales = nullptr;  // [kBlock / kSub] scale codes
  const uint8_t* mins = nullptr;    // [kBlock / kSub] min codes
  const uint8_t* shifts = nullptr;  // [kBlock / kSub], or per group, 0 or 1
  const uint16_t* points = nullptr;  // [kBlock / group] grid indices
  const uint8_t* signs = nullptr;    // [kBlock / 8] sign masks
};

template <class Node, class Block>
NIBBLE_INLINE void PutEach(Block& block, const uint8_t* codes, size_t count) {
  if constexpr (formats::kIsPresent<Node>) {
    for (size_t i = 0; i < count; ++i) {
      formats::Store::Put(Node(), block, i, codes[i]);
    }
  }
}

// Everything but codes: d, dmin, scales, mins and shifts.
template <class F>
NIBBLE_INLINE typename F::Block PackScales(const BlockNumbers& n) {
  typename F::Block block{};
  constexpr size_t kSubs = F::kBlock / F::kSub;
  if constexpr (formats::ScaleOf<F>::type::kCoded) {
    memcpy(block.d.bytes, n.coded, sizeof(block.d.bytes));
  } else if constexpr (F::kRowHeader == 0) {
    formats::SetHalfBits<F>(block, n.d);
  }
  if constexpr (formats::kIsPresent<typename F::MinCodes>) {
    memcpy(block.dmin.bytes, &n.dmin, 2);
  }
  PutEach<typename F::ScaleCodes>(block, n.scales, kSubs);
  if constexpr (!formats::IsConstant<typename F::MinCodes>::value) {
    PutEach<typename F::MinCodes>(block, n.mins, kSubs);
  }
  PutEach<typename F::ShiftCodes>(block, n.shifts, kSubs);
  return block;
}

template <class F>
NIBBLE_INLINE void PackBlock(const BlockNumbers& n, uint8_t* out) {
  typename F::Block block = PackScales<F>(n);
  formats::Store::PutAll(typename F::Codes(), block, n.codes);
  memcpy(out, &block, sizeof(block));
}

// For formats of grid points, with signs per group of 8 and a shift per group.
template <class F>
NIBBLE_INLINE void PackGridBlock(const BlockNumbers& n, uint8_t* out) {
  using Grid = formats::GridOf<typename F::Codes>;
  typename F::Block block = PackScales<F>(n);
  constexpr size_t kGroups = F::kBlock / Grid::kDim;
  for (size_t g = 0; g < kGroups; ++g) {
    formats::Store::Put(typename Grid::Index(), block, g, n.points[g]);
  }
  PutEach<typename Grid::Shifts>(block, n.shifts, kGroups);
  if constexpr (formats::kIsPresent<typename F::Signs>) {
    for (size_t g = 0; g < F::kBlock / 8; ++g) {
      formats::Store::PutSigns(typename F::Signs(), block, 8 * g, n.signs[g]);
    }
  }
  memcpy(out, &block, sizeof(block));
}

}  // namespace nibble

#endif  // NIBBLE_SEARCH_PACK_H_
