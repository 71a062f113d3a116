// SPDX-License-Identifier: MIT
// What the benchmarks of products share: activations, and a check of results.
#ifndef NIBBLE_BENCH_PRODUCT_H_
#define NIBBLE_BENCH_PRODUCT_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "nibble/dequantize.h"
#include "nibble/matrix.h"

namespace nibble {

inline std::vector<float> NormalFloats(size_t count, uint32_t seed = 3,
                                       float deviation = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> x(count);
  for (float& v : x) v = normal(rng);
  return x;
}

// Is y, tokens x weights.rows, the product with x? The first rows, within 5 %
// of the norm of the products: activations have 8 bits.
inline bool IsProduct(const ConstMatrix& weights, const std::vector<float>& x,
                      const std::vector<float>& y, size_t tokens) {
  std::vector<float> w(weights.cols);
  for (size_t r = 0; r < std::min<size_t>(weights.rows, 8); ++r) {
    if (!Dequantize(weights.Rows(r, r + 1), FloatMatrix(w.data(), 1, w.size()))
             .ok()) {
      return false;
    }
    for (size_t t = 0; t < tokens; ++t) {
      double sum = 0, norm = 0;
      for (size_t c = 0; c < w.size(); ++c) {
        const double product = static_cast<double>(w[c]) * x[t * w.size() + c];
        sum += product;
        norm += product * product;
      }
      const double error = std::fabs(sum - y[t * weights.rows + r]);
      if (!(error <= 0.05 * std::sqrt(norm))) return false;
    }
  }
  return true;
}

}  // namespace nibble

#endif  // NIBBLE_BENCH_PRODUCT_H_
