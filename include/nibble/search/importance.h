// SPDX-License-Identifier: MIT
// Importance made safe to divide by.
#ifndef NIBBLE_SEARCH_IMPORTANCE_H_
#define NIBBLE_SEARCH_IMPORTANCE_H_

#include <cstddef>

namespace nibble {

// out[c] = importance[c] / mean, raised to at least 1e-7: a block whose
// importance is zero is still fitted, without weight against the others, and no
// sum is 0 / 0. All zero, like null, means 1 everywhere. The mean is a plain sum
// in double, so it does not depend on the target.
inline void PrepareImportance(const float* importance, size_t cols,
                              float* out) noexcept {
  constexpr double kFloor = 1e-7;
  double sum = 0;
  for (size_t c = 0; importance != nullptr && c < cols; ++c) {
    sum += static_cast<double>(importance[c]);
  }
  const double mean = sum / static_cast<double>(cols);
  for (size_t c = 0; c < cols; ++c) {
    double p = sum > 0 ? static_cast<double>(importance[c]) / mean : 1.0;
    if (p < kFloor) p = kFloor;
    out[c] = static_cast<float>(p);
  }
}

}  // namespace nibble

#endif  // NIBBLE_SEARCH_IMPORTANCE_H_
