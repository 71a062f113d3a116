// SPDX-License-Identifier: MIT
#include "gguf/quantize_tensor.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "gguf/failure.h"
#include "gguf/tensor_types.h"
#include "nibble/dequantize.h"
#include "nibble/parallel.h"

namespace nibble::gguf {
namespace {

// Long enough to keep many threads busy, short enough for a lively progress bar
// and for buffers of a few tens of MB.
constexpr uint64_t kChunkWeights = uint64_t{4} << 20;
constexpr uint64_t kGroupRows = 16;  // the most that are interleaved

bool IsFloat(Type type) { return !FindTypeInfo(type)->quantized; }

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
      .count();
}

}  // namespace

ConstMatrix RowsOf(const Tensor& tensor, Type type) {
  return ConstMatrix(type, tensor.data, tensor.rows(), tensor.cols());
}

std::string FindBadWeight(const ConstMatrix& rows, uint64_t first_row,
                          bool infinite_is_fine) {
  std::vector<float> row(rows.cols);
  for (size_t r = 0; r < rows.rows; ++r) {
    const Status status =
        Dequantize(rows.Rows(r, r + 1), FloatMatrix(row.data(), 1, rows.cols));
    if (!status.ok()) return status.message();
    for (size_t c = 0; c < rows.cols; ++c) {
      if (std::isfinite(row[c]) || (infinite_is_fine && std::isinf(row[c]))) {
        continue;
      }
      return fmt::format("row {}, column {}: {}", first_row + r, c,
                         std::isnan(row[c]) ? "NaN" : "infinite");
    }
  }
  return "";
}

Status TensorQuantizer::Run(const Tensor& tensor, Type type,
                            const Importance* importance, const ChunkSink& sink,
                            TensorResult* result) {
  *result = TensorResult();
  const size_t matrices = importance != nullptr ? importance->matrices : 1;
  const uint64_t rows = tensor.rows() / matrices;
  // Whole groups of every interleaved type.
  const uint64_t step =
      (kChunkWeights / tensor.cols() / kGroupRows + 1) * kGroupRows;
  for (size_t m = 0; m < matrices; ++m) {
    const float* p = importance != nullptr ? importance->Of(m) : nullptr;
    for (uint64_t r = 0; r < rows; r += step) {
      const RowRange range = {m * rows + r,
                              m * rows + std::min(rows, r + step)};
      NIBBLE_RETURN_IF_ERROR(
          Prefix("tensor " + Quote(tensor.name),
                 RunRows(tensor, range, type, p, sink, result)));
    }
  }
  return OkStatus();
}

Status TensorQuantizer::RunRows(const Tensor& tensor, RowRange range, Type type,
                                const float* importance, const ChunkSink& sink,
                                TensorResult* result) {
  ConstMatrix stored, source;
  NIBBLE_RETURN_IF_ERROR(ReadRows(tensor, range, &stored));
  if (stored.type == type) {  // only the layout changes
    return sink({stored.data, stored.rows * stored.stride_bytes,
                 stored.rows * stored.cols});
  }
  NIBBLE_RETURN_IF_ERROR(Decode(stored, &source));
  packed_.resize(source.rows * RowBytes(type, source.cols));
  const MutableMatrix packed(type, packed_.data(), source.rows, source.cols);
  Status status = Pack(source, importance, packed, result);
  if (status.code() == StatusCode::kInvalidData) {
    // The library counts rows from the start of the chunk.
    const std::string where = FindBadWeight(source, range.begin, false);
    if (!where.empty()) return Status(StatusCode::kInvalidData, where);
    status = Prefix(fmt::format("in rows {} to {}, counted from the first",
                                range.begin, range.end - 1),
                    status);
  }
  NIBBLE_RETURN_IF_ERROR(status);
  NIBBLE_RETURN_IF_ERROR(
      AddError(source, packed, importance, pool_, &result->error));
  return sink({packed_.data(), packed_.size(), source.rows * source.cols});
}

// Rows as they lie in the file, or taken out of their groups.
Status TensorQuantizer::ReadRows(const Tensor& tensor, RowRange range,
                                 ConstMatrix* rows) {
  const Type type = *RowType(tensor.type);
  const InterleavedInfo* info = Interleaved(tensor.type);
  if (info == nullptr) {
    *rows = RowsOf(tensor, type).Rows(range.begin, range.end);
    return OkStatus();
  }
  const size_t row_bytes = RowBytes(type, tensor.cols());
  const size_t count = range.end - range.begin;
  rows_.resize(count * row_bytes);
  const MutableMatrix out(type, rows_.data(), count, tensor.cols());
  *rows = out;
  return Deinterleave(info->type, tensor.data + range.begin * row_bytes,
                      rows_.size(), out);
}

// Floats pass as they are; packed rows are decoded to F32.
Status TensorQuantizer::Decode(const ConstMatrix& stored, ConstMatrix* source) {
  *source = stored;
  if (IsFloat(stored.type)) return OkStatus();
  decoded_.resize(stored.rows * stored.cols);
  *source = FloatMatrix(static_cast<const float*>(decoded_.data()), stored.rows,
                        stored.cols);
  return ConvertRows(stored,
                     FloatMatrix(decoded_.data(), stored.rows, stored.cols));
}

Status TensorQuantizer::Pack(const ConstMatrix& source, const float* importance,
                             const MutableMatrix& packed,
                             TensorResult* result) {
  if (IsFloat(packed.type)) {
    NIBBLE_RETURN_IF_ERROR(ConvertRows(source, packed));
    const std::string bad = FindBadWeight(packed, 0, false);
    if (bad.empty()) return OkStatus();
    return Failure(StatusCode::kInvalidData, "{} as {}", bad,
                   TypeName(packed.type));
  }
  const ParallelFor parallel = pool_.AsParallelFor();
  QuantizeOptions options;
  options.search = search_;
  options.weights = weights_;
  options.importance = importance;
  options.parallel = &parallel;
  const auto begin = std::chrono::steady_clock::now();
  const Status status = Quantize(source, packed, options);
  result->seconds += SecondsSince(begin);
  return status;
}

Status TensorQuantizer::ConvertRows(const ConstMatrix& source,
                                    const MutableMatrix& out) {
  const size_t parts = std::min(pool_.threads(), source.rows);
  std::vector<Status> statuses(parts);
  pool_.Run(parts, [&](size_t part) {
    const RowRange range = SplitRows(source.rows, Share{part, parts});
    statuses[part] = Dequantize(source.Rows(range.begin, range.end),
                                out.Rows(range.begin, range.end));
  });
  for (const Status& status : statuses) NIBBLE_RETURN_IF_ERROR(status);
  return OkStatus();
}

}  // namespace nibble::gguf
