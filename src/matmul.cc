// SPDX-License-Identifier: MIT
#include "nibble/matmul.h"

#include "nibble/cpu.h"
#include "nibble/matvec.h"
#include "src/aligned_memory.h"
#include "src/check.h"
#include "src/cpu_init.h"
#include "src/matmul_job.h"
#include "src/run_parts.h"

namespace nibble {
namespace {

Status CheckShapes(const ConstMatrix& weights, size_t tokens, size_t cols,
                   const MutableMatrix& y) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckPackedMatrix("weights", weights));
  NIBBLE_RETURN_IF_ERROR(CheckMatrix("y", y));
  if (y.type != Type::kF32) {
    return InvalidArgument("y: %s given, F32 wanted", TypeName(y.type));
  }
  if (cols != weights.cols) {
    return InvalidArgument("x has %zu columns, weights have %zu", cols,
                           weights.cols);
  }
  if (y.rows != tokens || y.cols != weights.rows) {
    return InvalidArgument("y is %zu x %zu, must be %zu x %zu", y.rows, y.cols,
                           tokens, weights.rows);
  }
  return OkStatus();
}

Status CheckPacked(const PackedActivations& x) noexcept {
  if (PackedActivationBytes(x.layout, x.tokens, x.cols) == 0) {
    return InvalidArgument("x: %zu x %zu is no size of packed activations",
                           x.tokens, x.cols);
  }
  if (x.layout.kind == ActivationKind::kBf16Panels && !UsesAmx()) {
    return Unsupported("x: bf16 panels need AMX, which is not in use");
  }
  if (x.layout.kind == ActivationKind::kInt8Panels) {
    NIBBLE_RETURN_IF_ERROR(CheckPanelOrder("x", x.layout));
  }
  if (x.data == nullptr || reinterpret_cast<uintptr_t>(x.data) % 64 != 0) {
    return InvalidArgument("x: data is null or not aligned to 64 bytes");
  }
  return OkStatus();
}

}  // namespace

void Multiply(const MatmulJob& job, size_t part) noexcept {
  switch (job.x.layout.kind) {
    case ActivationKind::kInt8Rows:
      return MultiplyInt8Rows(job, part);
    case ActivationKind::kInt8Panels:
      return MultiplyInt8(job, part);
    case ActivationKind::kBf16Panels:
      return MultiplyBf16(job, part);
  }
}

size_t MatmulScratchBytes(ActivationLayout layout, size_t rows, size_t cols,
                          size_t tokens) noexcept {
  InitializeCpu();
  static_cast<void>(cols);
  switch (layout.kind) {
    case ActivationKind::kInt8Panels:
      return Int8ScratchBytes(tokens);
    case ActivationKind::kBf16Panels:
      return Bf16ScratchBytes(rows, tokens);
    default:
      return 0;
  }
}

Status Matmul(const ConstMatrix& weights, const PackedActivations& x,
              const MutableMatrix& y, const MatmulOptions& options) noexcept {
  InitializeCpu();
  if (x.layout.kind == ActivationKind::kInt8Rows) {
    return Matvec(weights, x, y, {options.share, options.parallel});
  }
  NIBBLE_RETURN_IF_ERROR(CheckShapes(weights, x.tokens, x.cols, y));
  NIBBLE_RETURN_IF_ERROR(CheckPacked(x));
  NIBBLE_RETURN_IF_ERROR(CheckShare(options.share));
  MatmulJob job{weights, x, y};
  job.threads = ThreadsOf(options.parallel);
  job.rows = SplitRows(weights.rows, options.share, kSplitRows);
  job.scratch_bytes =
      MatmulScratchBytes(x.layout, weights.rows, weights.cols, x.tokens);
  AlignedMemory memory;
  NIBBLE_RETURN_IF_ERROR(memory.UseOrAllocate(
      options.scratch, options.scratch_bytes, job.scratch_bytes * job.threads));
  job.scratch = memory.get();
  RunParts(options.parallel, job.threads,
           [&job](size_t part) { Multiply(job, part); });
  return OkStatus();
}

Status Matmul(const ConstMatrix& weights, const ConstMatrix& x,
              const MutableMatrix& y, const MatmulOptions& options) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("x", x));
  NIBBLE_RETURN_IF_ERROR(CheckShapes(weights, x.rows, x.cols, y));
  const ActivationLayout layout = ChooseActivationLayout(weights.type, x.rows);
  const size_t bytes = PackedActivationBytes(layout, x.rows, x.cols);
  AlignedMemory memory;
  NIBBLE_RETURN_IF_ERROR(memory.UseOrAllocate(nullptr, 0, bytes));
  PackedActivations packed;
  NIBBLE_RETURN_IF_ERROR(PackActivations(layout, x, memory.get(), &packed));
  return Matmul(weights, packed, y, options);
}

}  // namespace nibble
