// SPDX-License-Identifier: MIT
// Quantize a matrix and multiply a vector with it. The README shows this file's
// middle.
#include <cmath>
#include <cstdio>
#include <vector>

#include "nibble/nibble.h"

namespace {

using namespace nibble;

// The memory of packed activations starts at a multiple of 64 bytes.
struct alignas(64) Line {
  uint8_t bytes[64];
};

Status Example(const std::vector<float>& weights, size_t rows, size_t cols,
               const std::vector<float>& x, std::vector<float>* y) {
  // 4.5 bits per weight, the bytes a GGUF file holds.
  const Type type = Type::kQ4_K;
  std::vector<uint8_t> bytes(rows * RowBytes(type, cols));
  const MutableMatrix packed(type, bytes.data(), rows, cols);
  NIBBLE_RETURN_IF_ERROR(
      Quantize(FloatMatrix(weights.data(), rows, cols), packed));

  // Activations are packed once, for any number of matrices.
  const ActivationLayout layout = ChooseActivationLayout(type, 1);
  std::vector<Line> memory(PackedActivationBytes(layout, 1, cols) / 64 + 1);
  PackedActivations activations;
  NIBBLE_RETURN_IF_ERROR(PackActivations(layout, FloatMatrix(x.data(), 1, cols),
                                         memory.data(), &activations));

  return Matvec(packed, activations, FloatMatrix(y->data(), 1, rows));
}

}  // namespace

int main() {
  constexpr size_t kRows = 64, kCols = 512;
  std::vector<float> weights(kRows * kCols), x(kCols), y(kRows);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = std::sin(static_cast<float>(i));
  }
  for (size_t c = 0; c < kCols; ++c) x[c] = std::cos(static_cast<float>(c));
  const Status status = Example(weights, kRows, kCols, x, &y);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 1;
  }

  double error = 0.0, norm = 0.0;
  for (size_t r = 0; r < kRows; ++r) {
    double exact = 0.0;
    for (size_t c = 0; c < kCols; ++c) exact += weights[r * kCols + c] * x[c];
    error += (exact - y[r]) * (exact - y[r]);
    norm += exact * exact;
  }
  std::printf("%s: relative error %.3f\n", ChosenTarget().c_str(),
              std::sqrt(error / norm));
  return error < 0.02 * norm ? 0 : 1;
}
