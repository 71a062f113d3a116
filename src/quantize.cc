// SPDX-License-Identifier: MIT
#include "nibble/quantize.h"

#include <cmath>
#include <mutex>

#include "src/aligned_memory.h"
#include "src/check.h"
#include "src/cpu_init.h"
#include "src/quantize_kernels.h"

namespace nibble {
namespace {

Status CheckImportance(const float* importance, size_t cols) noexcept {
  for (size_t c = 0; importance != nullptr && c < cols; ++c) {
    if (!std::isfinite(importance[c])) {
      return InvalidData("importance of column %zu is not finite", c);
    }
    if (importance[c] < 0.0f) {
      return InvalidData("importance of column %zu is negative: %g", c,
                         static_cast<double>(importance[c]));
    }
  }
  return OkStatus();
}

Status CheckArguments(const ConstMatrix& source, const MutableMatrix& packed,
                      const QuantizeOptions& options) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("source", source));
  NIBBLE_RETURN_IF_ERROR(CheckPackedMatrix("packed", packed));
  NIBBLE_RETURN_IF_ERROR(CheckShare(options.share));
  if (source.rows != packed.rows || source.cols != packed.cols) {
    return InvalidArgument("packed is %zu x %zu, source is %zu x %zu",
                           packed.rows, packed.cols, source.rows, source.cols);
  }
  if (options.search > Search::kExhaustive) {
    return InvalidArgument("search %d is unknown",
                           static_cast<int>(options.search));
  }
  if (options.weights > WeightRule::kImportance) {
    return InvalidArgument("weight rule %d is unknown",
                           static_cast<int>(options.weights));
  }
  return CheckImportance(options.importance, source.cols);
}

Status ToStatus(const QuantizeResult& result, Type type) noexcept {
  switch (result.problem) {
    case QuantizeResult::kNone:
      return OkStatus();
    case QuantizeResult::kNotFinite:
      return InvalidData("source row %zu, column %zu: not finite", result.row,
                         result.col);
    case QuantizeResult::kScaleOverflow:
      break;
  }
  return InvalidData("source row %zu, block at column %zu: too large for the "
                     "scales of %s",
                     result.row, result.col, TypeName(type));
}

// What the parts of one parallel call share.
struct ParallelQuantize {
  const QuantizeKernels* kernels;
  QuantizeJob job;
  size_t parts;
  size_t scratch_bytes;
  uint8_t* scratch;
  // The first failing row decides what is reported, whichever thread is first.
  std::mutex mutex;
  QuantizeResult worst;
};

void RunPart(void* arg, size_t part) {
  auto* shared = static_cast<ParallelQuantize*>(arg);
  QuantizeJob job = shared->job;
  const RowRange all = job.rows;
  job.rows = SplitRows(all.end - all.begin, {part, shared->parts});
  job.rows.begin += all.begin;
  job.rows.end += all.begin;
  job.scratch = shared->scratch + part * shared->scratch_bytes;
  const QuantizeResult result = shared->kernels->rows(job);
  if (result.problem == QuantizeResult::kNone) return;
  const std::lock_guard<std::mutex> lock(shared->mutex);
  if (shared->worst.problem == QuantizeResult::kNone ||
      result.row < shared->worst.row) {
    shared->worst = result;
  }
}

}  // namespace

size_t QuantizeScratchBytes(Type type, size_t cols) noexcept {
  InitializeCpu();
  const QuantizeKernels* kernels = FindQuantizeKernels(type);
  if (kernels == nullptr || RowBytes(type, cols) == 0) return 0;
  return kernels->scratch_bytes(cols);
}

Status Quantize(const ConstMatrix& source, const MutableMatrix& packed,
                const QuantizeOptions& options) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckArguments(source, packed, options));
  const QuantizeKernels* kernels = FindQuantizeKernels(packed.type);
  const bool parallel =
      options.parallel != nullptr && options.parallel->threads > 1;
  ParallelQuantize shared{};
  shared.kernels = kernels;
  shared.parts = parallel ? options.parallel->threads : 1;
  shared.scratch_bytes = kernels->scratch_bytes(source.cols);

  AlignedMemory owned;
  NIBBLE_RETURN_IF_ERROR(
      owned.UseOrAllocate(options.scratch, options.scratch_bytes,
                          shared.scratch_bytes * shared.parts));
  shared.scratch = owned.get();
  shared.job.source = source;
  shared.job.packed = packed;
  shared.job.rows = SplitRows(source.rows, options.share);
  shared.job.importance = options.importance;
  shared.job.search = options.search;
  shared.job.weights = options.weights;
  if (parallel) {
    options.parallel->run(options.parallel->context, shared.parts, &RunPart,
                          &shared);
  } else {
    RunPart(&shared, 0);
  }
  return ToStatus(shared.worst, packed.type);
}

}  // namespace nibble
