// SPDX-License-Identifier: MIT
// Packed weights in any number of rows, of which few are distinct: quantizing
// gigabytes would take longer than multiplying them, and speed does not depend
// on what the codes are.
#ifndef NIBBLE_BENCH_REPEATED_ROWS_H_
#define NIBBLE_BENCH_REPEATED_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/product.h"
#include "bench/require.h"
#include "nibble/quantize.h"

namespace nibble {

// Rows quantized from normal numbers. Caches cannot know that they repeat.
class RepeatedRows {
 public:
  RepeatedRows(Type type, size_t cols)
      : stride_(RowBytes(type, cols)), bytes_(kDistinct * stride_) {
    const std::vector<float> values = NormalFloats(kDistinct * cols, 7, 0.02f);
    QuantizeOptions options;
    options.search = Search::kFast;
    Require(Quantize(FloatMatrix(values.data(), kDistinct, cols),
                     MutableMatrix(type, bytes_.data(), kDistinct, cols),
                     options));
  }

  // Writes rows * RowBytes(type, cols) bytes.
  void Fill(uint8_t* to, size_t rows) const {
    for (size_t r = 0; r < rows; r += kDistinct) {
      std::copy_n(bytes_.data(), std::min(kDistinct, rows - r) * stride_,
                  to + r * stride_);
    }
  }

 private:
  static constexpr size_t kDistinct = 32;

  size_t stride_;
  std::vector<uint8_t> bytes_;
};

}  // namespace nibble

#endif  // NIBBLE_BENCH_REPEATED_ROWS_H_
