// SPDX-License-Identifier: MIT
#include "nibble/matvec.h"

#include <algorithm>
#include <cstring>

#include "src/check.h"
#include "src/compute_kernels.h"
#include "src/cpu_init.h"
#include "src/matmul_job.h"
#include "src/run_parts.h"

namespace nibble {
namespace {

Status CheckActivations(const PackedActivations& x, const ConstMatrix& weights,
                        const ComputeKernels& kernels) noexcept {
  if (x.layout.kind != ActivationKind::kInt8Rows) {
    return InvalidArgument(
        "activations: layout kind %d, matvec wants kInt8Rows",
        static_cast<int>(x.layout.kind));
  }
  if (x.layout.order != kernels.order) {
    return InvalidArgument(
        "activations: packed in element order %d, %s wants %d", x.layout.order,
        TypeName(weights.type), kernels.order);
  }
  if (x.data == nullptr ||
      reinterpret_cast<uintptr_t>(x.data) % alignof(Int8RowChunk) != 0) {
    return InvalidArgument("activations: data is null or not aligned to %zu",
                           alignof(Int8RowChunk));
  }
  if (x.tokens == 0 || x.cols != weights.cols) {
    return InvalidArgument("activations: %zu x %zu, weights have %zu columns",
                           x.tokens, x.cols, weights.cols);
  }
  return OkStatus();
}

Status CheckOutput(const MutableMatrix& y, size_t tokens,
                   size_t rows) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckMatrix("y", y));
  if (y.type != Type::kF32) {
    return InvalidArgument("y: %s given, F32 wanted", TypeName(y.type));
  }
  if (y.rows != tokens || y.cols != rows) {
    return InvalidArgument("y: %zu x %zu, wanted %zu tokens x %zu rows", y.rows,
                           y.cols, tokens, rows);
  }
  return OkStatus();
}

MatvecArgs ArgsOf(const ConstMatrix& weights, const PackedActivations& x,
                  float* y, size_t y_stride) noexcept {
  MatvecArgs args;
  args.weights = weights.data;
  args.stride_bytes = weights.stride_bytes;
  args.rows = weights.rows;
  args.cols = weights.cols;
  args.x = reinterpret_cast<const Int8RowChunk*>(x.data);
  args.tokens = x.tokens;
  args.y = y;
  args.y_stride = y_stride;
  return args;
}

// The kernel for this CPU.
void Multiply(const ComputeKernels& kernels, const MatvecArgs& args) noexcept {
  const bool extended = kernels.extension_matvec != nullptr && UsesExtension();
  (extended ? kernels.extension_matvec : kernels.matvec)(args);
}

// Kernels write results at a stride. For rows of y by number they write here,
// on the stack, and the floats are moved: 4 KiB per some 100 KiB of weights.
struct Results {
  static constexpr size_t kTokens = 16, kRows = 64;
  float at[kTokens][kRows];
};

void MultiplyScattered(const MatmulJob& job, RowRange rows) noexcept {
  const ComputeKernels& kernels = *FindComputeKernels(job.weights.type);
  Results results;
  for (size_t r = rows.begin; r < rows.end; r += Results::kRows) {
    const size_t end = std::min(r + Results::kRows, rows.end);
    MatvecArgs args =
        ArgsOf(job.weights.Rows(r, end), job.x, results.at[0], Results::kRows);
    for (size_t t = 0; t < job.x.tokens; t += Results::kTokens) {
      args.tokens = std::min(Results::kTokens, job.x.tokens - t);
      Multiply(kernels, args);
      args.x += args.tokens * ChunksOf(args.cols);
      for (size_t i = 0; i < args.tokens; ++i) {
        memcpy(job.Result(t + i, r), results.at[i], (end - r) * sizeof(float));
      }
    }
  }
}

}  // namespace

void MultiplyInt8Rows(const MatmulJob& job, size_t part) noexcept {
  const RowRange rows = job.RowsOf(part, 1);
  if (rows.begin == rows.end) return;
  if (job.y_rows != nullptr && job.x.tokens > 1) {
    MultiplyScattered(job, rows);
    return;
  }
  const ComputeKernels& kernels = *FindComputeKernels(job.weights.type);
  Multiply(kernels, ArgsOf(job.weights.Rows(rows.begin, rows.end), job.x,
                           job.Result(0, rows.begin),
                           job.y.stride_bytes / sizeof(float)));
}

Status Matvec(const ConstMatrix& weights, const PackedActivations& x,
              const MutableMatrix& y, const MatvecOptions& options) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckPackedMatrix("weights", weights));
  const ComputeKernels& kernels = *FindComputeKernels(weights.type);
  NIBBLE_RETURN_IF_ERROR(CheckActivations(x, weights, kernels));
  NIBBLE_RETURN_IF_ERROR(CheckOutput(y, x.tokens, weights.rows));
  NIBBLE_RETURN_IF_ERROR(CheckShare(options.share));
  MatmulJob job{weights, x, y};
  job.rows = SplitRows(weights.rows, options.share);
  if (job.rows.begin == job.rows.end) return OkStatus();
  job.threads =
      std::min(ThreadsOf(options.parallel), job.rows.end - job.rows.begin);
  RunParts(options.parallel, job.threads,
           [&job](size_t part) { MultiplyInt8Rows(job, part); });
  return OkStatus();
}

Status Dot(const ConstMatrix& row, const PackedActivations& x, size_t token,
           float* result) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckPackedMatrix("row", row));
  const ComputeKernels& kernels = *FindComputeKernels(row.type);
  NIBBLE_RETURN_IF_ERROR(CheckActivations(x, row, kernels));
  if (row.rows != 1) {
    return InvalidArgument("row: %zu rows given, one wanted", row.rows);
  }
  if (token >= x.tokens) {
    return InvalidArgument("token %zu of %zu", token, x.tokens);
  }
  if (result == nullptr) return InvalidArgument("result is null");
  MatvecArgs args = ArgsOf(row, x, result, 1);
  args.x += token * ChunksOf(x.cols);
  args.tokens = 1;
  Multiply(kernels, args);
  return OkStatus();
}

}  // namespace nibble
