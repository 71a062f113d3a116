// SPDX-License-Identifier: MIT
#include "gguf/row_error.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "nibble/dequantize.h"
#include "nibble/parallel.h"

namespace nibble::gguf {
namespace {

ErrorSums RowSums(const float* x, const float* y, const float* importance,
                  size_t cols) {
  ErrorSums sums;
  for (size_t c = 0; c < cols; ++c) {
    const double w = importance != nullptr ? importance[c] : 1.0;
    const double a = x[c];
    const double b = y[c];
    sums.weighted_error += w * (b - a) * (b - a);
    sums.weighted_square += w * a * a;
    sums.xy += a * b;
    sums.xx += a * a;
    sums.yy += b * b;
  }
  return sums;
}

// The sums of the rows of one part, each row apart.
Status PartSums(const ConstMatrix& source, const ConstMatrix& packed,
                const float* importance, RowRange range, ErrorSums* rows) {
  const size_t cols = source.cols;
  std::vector<float> x(cols);
  std::vector<float> y(cols);
  for (size_t r = range.begin; r < range.end; ++r) {
    NIBBLE_RETURN_IF_ERROR(
        Dequantize(source.Rows(r, r + 1), FloatMatrix(x.data(), 1, cols)));
    NIBBLE_RETURN_IF_ERROR(
        Dequantize(packed.Rows(r, r + 1), FloatMatrix(y.data(), 1, cols)));
    rows[r] = RowSums(x.data(), y.data(), importance, cols);
  }
  return OkStatus();
}

}  // namespace

ErrorSums& ErrorSums::operator+=(const ErrorSums& other) {
  weighted_error += other.weighted_error;
  weighted_square += other.weighted_square;
  xy += other.xy;
  xx += other.xx;
  yy += other.yy;
  return *this;
}

double ErrorSums::WeightedRmse() const {
  return weighted_error == 0 ? 0 : std::sqrt(weighted_error / weighted_square);
}

double ErrorSums::Cosine() const {
  return xy == 0 && xx == yy ? 1 : xy / std::sqrt(xx * yy);
}

Status AddError(const ConstMatrix& source, const ConstMatrix& packed,
                const float* importance, ThreadPool& pool, ErrorSums* sums) {
  std::vector<ErrorSums> rows(source.rows);
  const size_t parts = std::min(pool.threads(), source.rows);
  std::vector<Status> statuses(parts);
  pool.Run(parts, [&](size_t part) {
    statuses[part] =
        PartSums(source, packed, importance,
                 SplitRows(source.rows, Share{part, parts}), rows.data());
  });
  for (const Status& status : statuses) NIBBLE_RETURN_IF_ERROR(status);
  // One row after the other: sums per part would depend on the parts.
  for (const ErrorSums& row : rows) *sums += row;
  return OkStatus();
}

}  // namespace nibble::gguf
