// SPDX-License-Identifier: MIT
// Rounding of fitted scales to what a file can hold.
#ifndef NIBBLE_SEARCH_HALF_SCALE_H_
#define NIBBLE_SEARCH_HALF_SCALE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

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

// Stores the scale of a row at its head and puts what was stored, back in
// units, into *scale. False if it does not fit.
template <class F>
bool StoreRowScale(float* scale, float unit, float inverse,
                   uint8_t* row) noexcept {
  if constexpr (F::kRowHeader == 2) {
    uint16_t half;
    if (RoundScales(scale, &unit, &inverse, 1, &half, 1.0f / F::kFactor) == 0) {
      return false;
    }
    memcpy(row, &half, 2);
  } else {
    const float stored = *scale * (1.0f / F::kFactor) * unit;
    *scale = stored * inverse * F::kFactor;  // denormals may have rounded
    memcpy(row, &stored, 4);
  }
  return true;
}

}  // namespace nibble

#endif  // NIBBLE_SEARCH_HALF_SCALE_H_
