// SPDX-License-Identifier: MIT
// The generator of trellis codes: a stored index is the seed of as many weights
// as a group has. With K the factor, modulo 2^32,
//
//   value j = sum of the four bytes of (K^(j + 1) * (index + kFirst) & kMask)
//             - kZero
//
// Six bits of every byte: the sum is 0 .. 252 and near normal, sigma 36.9.
#ifndef NIBBLE_FORMATS_TRELLIS_H_
#define NIBBLE_FORMATS_TRELLIS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/formats/nodes.h"

namespace nibble {
namespace formats {

struct TrellisGenerator {
  static constexpr uint32_t kFactor = 0xCBAC1FED, kMask = 0x3F3F3F3F;
  static constexpr uint32_t kFirst = 4096;
  static constexpr int kZero = 126;

  // K^n.
  static NIBBLE_HD constexpr uint32_t Power(size_t n) {
    uint32_t power = 1;
    for (size_t i = 0; i < n; ++i) power *= kFactor;
    return power;
  }
  // The sum of the bytes fits a byte, so a product gathers it in the top one.
  static NIBBLE_HD constexpr uint32_t Sum(uint32_t x) {
    return ((x & kMask) * 0x01010101u) >> 24;
  }
  static NIBBLE_HD constexpr int Value(uint32_t index, size_t j) {
    return static_cast<int>(Sum(Power(j + 1) * (index + kFirst))) - kZero;
  }
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_TRELLIS_H_
