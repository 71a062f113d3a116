// SPDX-License-Identifier: MIT
#include "nibble/matvec.h"

#include <algorithm>

#include "src/check.h"
#include "src/compute_kernels.h"
#include "src/cpu_init.h"

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

struct MatvecCall {
  const ComputeKernels* kernels;
  MatvecArgs args;
  size_t parts;

  void Run(size_t part) const noexcept {
    const RowRange range = SplitRows(args.rows, {part, parts});
    if (range.begin == range.end) return;
    MatvecArgs own = args;
    own.weights += range.begin * args.stride_bytes;
    own.y += range.begin;
    own.rows = range.end - range.begin;
    kernels->matvec(own);
  }
};

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

}  // namespace

Status Matvec(const ConstMatrix& weights, const PackedActivations& x,
              const MutableMatrix& y, const MatvecOptions& options) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckPackedMatrix("weights", weights));
  const ComputeKernels& kernels = *FindComputeKernels(weights.type);
  NIBBLE_RETURN_IF_ERROR(CheckActivations(x, weights, kernels));
  NIBBLE_RETURN_IF_ERROR(CheckOutput(y, x.tokens, weights.rows));
  NIBBLE_RETURN_IF_ERROR(CheckShare(options.share));
  const RowRange range = SplitRows(weights.rows, options.share);
  if (range.begin == range.end) return OkStatus();
  MatvecCall call = {&kernels,
                     ArgsOf(weights.Rows(range.begin, range.end), x,
                            reinterpret_cast<float*>(y.data) + range.begin,
                            y.stride_bytes / sizeof(float)),
                     1};
  const ParallelFor* parallel = options.parallel;
  if (parallel == nullptr || parallel->run == nullptr ||
      parallel->threads <= 1) {
    call.Run(0);
    return OkStatus();
  }
  call.parts = std::min(parallel->threads, call.args.rows);
  parallel->run(
      parallel->context, call.parts,
      [](void* arg, size_t part) {
        static_cast<const MatvecCall*>(arg)->Run(part);
      },
      &call);
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
  kernels.matvec(args);
  return OkStatus();
}

}  // namespace nibble
