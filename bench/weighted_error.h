// SPDX-License-Identifier: MIT
// Weighted relative errors of decoded rows, in double.
#ifndef NIBBLE_BENCH_WEIGHTED_ERROR_H_
#define NIBBLE_BENCH_WEIGHTED_ERROR_H_

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace nibble {

// Accumulates sum w (y - x)^2 and sum w x^2 over rows.
//   wrmse: w = importance
//   wrmse_mag: w = importance * sqrt(sigma2 + x^2), sigma2 = 2 * mean x^2 over
//   256 consecutive weights of the row
class WeightedError {
 public:
  // importance may be null (1 everywhere).
  void AddRow(const float* x, const float* y, const float* importance,
              size_t cols) {
    for (size_t begin = 0; begin < cols; begin += 256) {
      const size_t end = std::min(begin + 256, cols);
      double squares = 0;
      for (size_t c = begin; c < end; ++c) squares += Square(x[c]);
      const double sigma2 = 2 * squares / static_cast<double>(end - begin);
      for (size_t c = begin; c < end; ++c) {
        const double p = importance != nullptr ? importance[c] : 1.0;
        const double error = Square(static_cast<double>(y[c]) - x[c]);
        const double magnitude = p * std::sqrt(sigma2 + Square(x[c]));
        error_ += p * error;
        power_ += p * Square(x[c]);
        error_mag_ += magnitude * error;
        power_mag_ += magnitude * Square(x[c]);
      }
    }
  }
  double wrmse() const { return Root(error_, power_); }
  double wrmse_mag() const { return Root(error_mag_, power_mag_); }

 private:
  static double Square(double v) { return v * v; }
  static double Root(double error, double power) {
    return power > 0 ? std::sqrt(error / power) : 0.0;
  }
  double error_ = 0, power_ = 0, error_mag_ = 0, power_mag_ = 0;
};

}  // namespace nibble

#endif  // NIBBLE_BENCH_WEIGHTED_ERROR_H_
