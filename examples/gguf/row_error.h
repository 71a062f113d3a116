// SPDX-License-Identifier: MIT
// How far packed weights are from their source.
#ifndef NIBBLE_EXAMPLES_GGUF_ROW_ERROR_H_
#define NIBBLE_EXAMPLES_GGUF_ROW_ERROR_H_

#include <cstddef>

#include "gguf/thread_pool.h"
#include "nibble/matrix.h"
#include "nibble/status.h"

namespace nibble::gguf {

// Sums over weights x and their decoded approximations y, w = the importance of
// the column. Sums add up over rows and tensors.
struct ErrorSums {
  double weighted_error = 0;   // sum w (y - x)^2
  double weighted_square = 0;  // sum w x^2
  double xy = 0;
  double xx = 0;
  double yy = 0;

  ErrorSums& operator+=(const ErrorSums& other);

  // sqrt(sum w (y - x)^2 / sum w x^2): the weighted relative error; 0 for no
  // weights and for all-zero weights without error.
  double WeightedRmse() const;
  // The cosine between x and y; 1 for no weights.
  double Cosine() const;
};

// Adds the error of every row to `sums`. `source` is F32, F16 or BF16, `packed`
// any type, both of the same rows and cols; `importance` has `cols` values or
// is null for equal ones. The result does not depend on the number of threads.
Status AddError(const ConstMatrix& source, const ConstMatrix& packed,
                const float* importance, ThreadPool& pool, ErrorSums* sums);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_ROW_ERROR_H_
