// SPDX-License-Identifier: MIT
// Rounding of fitted scales to what a file can hold.
#ifndef NIBBLE_SEARCH_HALF_SCALE_H_
#define NIBBLE_SEARCH_HALF_SCALE_H_

#include <cstddef>
#include <cstdint>

#include "nibble/float16.h"

namespace nibble {

// Rounds scale[i] * unit[i] * factor to fp16 for i < count and puts the stored
// value, back in units, into scale[i] (in the same sense: without the factor).
// Returns the index of the first that overflows, count if none does. Zeros are
// stored as +0 whatever their sign.
inline size_t RoundScales(float* scale, const float* unit,
                          const float* inverse, size_t count, uint16_t* half,
                          float factor = 1.0f) noexcept {
  for (size_t i = 0; i < count; ++i) {
    uint16_t h = F32ToF16(scale[i] * factor * unit[i]);
    if ((h & 0x7FFF) == 0) h = 0;
    if ((h & 0x7C00) == 0x7C00) return i;
    half[i] = h;
    scale[i] = F16ToF32(h) * inverse[i] * (1.0f / factor);
  }
  return count;
}

}  // namespace nibble

#endif  // NIBBLE_SEARCH_HALF_SCALE_H_
