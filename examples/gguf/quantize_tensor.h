// SPDX-License-Identifier: MIT
// One tensor through the quantizer, a few million weights at a time.
#ifndef NIBBLE_EXAMPLES_GGUF_QUANTIZE_TENSOR_H_
#define NIBBLE_EXAMPLES_GGUF_QUANTIZE_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/imatrix.h"
#include "gguf/row_error.h"
#include "gguf/thread_pool.h"
#include "nibble/matrix.h"
#include "nibble/quantize.h"
#include "nibble/status.h"

namespace nibble::gguf {

// A chunk of finished rows, in order. A failed Status stops the tensor.
struct PackedChunk {
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  uint64_t weights = 0;
};
using ChunkSink = std::function<Status(const PackedChunk&)>;

struct TensorResult {
  ErrorSums error;
  double seconds = 0;  // inside Quantize
};

// Reuses its buffers from tensor to tensor. Not thread-safe; uses the threads
// of the pool.
class TensorQuantizer {
 public:
  TensorQuantizer(Search search, WeightRule weights, ThreadPool& pool)
      : search_(search), weights_(weights), pool_(pool) {}

  // Converts `tensor` (floats, or a type the library decodes) to `type` (also
  // F32, F16 or BF16) and hands the rows to `sink`, a multiple of 16 at a
  // time but for the last. Rows that are of `type` already stay what they are.
  // `importance` may be null.
  // Errors name the tensor and, for NaN, infinite or too large weights, the
  // row and the column.
  Status Run(const Tensor& tensor, Type type, const Importance* importance,
             const ChunkSink& sink, TensorResult* result);

 private:
  Status RunRows(const Tensor& tensor, RowRange range, Type type,
                 const float* importance, const ChunkSink& sink,
                 TensorResult* result);
  Status ReadRows(const Tensor& tensor, RowRange range, ConstMatrix* rows);
  Status Decode(const ConstMatrix& stored, ConstMatrix* source);
  Status Pack(const ConstMatrix& source, const float* importance,
              const MutableMatrix& packed, TensorResult* result);
  Status ConvertRows(const ConstMatrix& source, const MutableMatrix& out);

  Search search_;
  WeightRule weights_;
  ThreadPool& pool_;
  std::vector<uint8_t> rows_;  // of interleaved tensors
  std::vector<uint8_t> packed_;
  std::vector<float> decoded_;
};

// The tensor as rows of its type. Requires a type of the library.
ConstMatrix RowsOf(const Tensor& tensor, Type type);

// "row 3, column 17: nan" for the first weight that is not finite, or NaN only
// if `infinite_is_fine`; empty if there is none. `first_row` is added.
std::string FindBadWeight(const ConstMatrix& rows, uint64_t first_row,
                          bool infinite_is_fine);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_QUANTIZE_TENSOR_H_
