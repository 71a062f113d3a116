// SPDX-License-Identifier: MIT
#include "nibble/experts.h"

#include <algorithm>
#include <atomic>

#include "nibble/cpu.h"
#include "src/aligned_memory.h"
#include "src/check.h"
#include "src/compute_kernels.h"
#include "src/cpu_init.h"
#include "src/matmul_job.h"
#include "src/routing.h"
#include "src/run_parts.h"
#include "src/token_rows.h"

namespace nibble {
namespace {

constexpr ActivationLayout kRowLayout{ActivationKind::kInt8Rows, 0};
constexpr ActivationLayout kPanelLayout{ActivationKind::kInt8Panels, 0};
constexpr ActivationLayout kTileLayout{ActivationKind::kBf16Panels, 0};

// Of `n` units of `unit` items each, the first at `base`: those that begin
// among `items`.
RowRange UnitsIn(RowRange items, size_t base, size_t unit, size_t n) noexcept {
  const auto units_before = [&](size_t item) {
    return item <= base ? 0 : std::min(n, (item - base + unit - 1) / unit);
  };
  return {units_before(items.begin), units_before(items.end)};
}

// The part's items among those of the call.
RowRange ItemsOf(RowRange call, size_t part, size_t parts) noexcept {
  const RowRange own = SplitRows(call.end - call.begin, {part, parts});
  return {call.begin + own.begin, call.begin + own.end};
}

// ---- Packing.

// Entries are shared out in whole blocks of kPackTokens of their expert.
struct PackJob {
  const ConstMatrix& x;
  const Routing& routing;
  Type type;
  uint8_t* out;
  RowRange entries;  // of this call
  size_t parts;

  Status Run(size_t part) const noexcept {
    const RowRange own = ItemsOf(entries, part, parts);
    Segments segments(routing, type, x.cols);
    Segment s;
    while (segments.Next(&s) && s.first < own.end) {
      const size_t blocks = (s.count + kPackTokens - 1) / kPackTokens;
      const RowRange in = UnitsIn(own, s.first, kPackTokens, blocks);
      if (in.begin == in.end || s.repeated) continue;
      NIBBLE_RETURN_IF_ERROR(PackTokens(
          s.layout, TokenRows{x, s.count, routing.x_rows, s.first},
          {in.begin * kPackTokens, std::min(in.end * kPackTokens, s.count)},
          out + s.offset));
    }
    return OkStatus();
  }
};

// The least entries from which tiles are chosen, up to `most`; 0: never.
size_t LeastTileEntries(Type type, size_t most) noexcept {
  if (!UsesAmx()) return 0;
  for (size_t n = 1; n <= most; ++n) {
    if (ChooseActivationLayout(type, n).kind == kTileLayout.kind) return n;
  }
  return 0;
}

// ---- Multiplying.

// The work of an expert is shared out in steps of some rows.
struct Steps {
  size_t rows;   // of each
  size_t count;  // in the expert
  size_t cost;   // of each
};

// Panels and tiles take whole panels; matvec a cache line of results, for the
// many cores that share few experts while generating.
//
// Costs are times of reading and unpacking the rows, and of each entry. Fitted
// to 768 x 2048 weights of Q4_K from memory on an Emerald Rapids (AMX, VNNI)
// and as AVX2 there, in units of 45 ns. Only the balance of the parts depends
// on them: 256 tokens choose 8 of 128 experts, 18 % of them the same one; of 8
// parts the slowest takes 1.05 (Q4_K) to 1.25 times (Q6_K) the mean.
Steps StepsOf(const Segment& s, const ConstMatrix& expert) noexcept {
  const auto steps_of = [&](size_t rows, size_t weights, size_t entry) {
    return Steps{rows, (expert.rows + rows - 1) / rows,
                 weights + entry * s.count};
  };
  const PanelShape& shape = FindComputeKernels(expert.type)->panels.shape;
  const bool quads = UsesExtension() || shape.math == PanelMath::kQuads;
  switch (s.layout.kind) {
    case ActivationKind::kInt8Rows:
      return quads ? steps_of(16, 12, 8) : steps_of(16, 13, 15);
    case ActivationKind::kInt8Panels:
      return quads ? steps_of(kSplitRows, 100, 7)
                   : steps_of(kSplitRows, 85, 15);
    case ActivationKind::kBf16Panels:
      break;
  }
  return steps_of(kSplitRows, 130, 2);
}

struct ExpertsJob {
  const ExpertWeights& weights;
  const PackedExpertActivations& x;
  const MutableMatrix& y;
  RowRange work;  // of this call
  size_t parts;
  uint8_t* scratch;
  size_t scratch_bytes;

  size_t TotalWork() const noexcept {
    size_t work_of_all = 0;
    Segments segments(x.routing, x.type, x.cols);
    for (Segment s; segments.Next(&s);) {
      const Steps steps = StepsOf(s, weights.first);
      work_of_all += steps.count * steps.cost;
    }
    return work_of_all;
  }

  void Run(size_t part) const noexcept {
    const RowRange own = ItemsOf(work, part, parts);
    size_t done = 0;
    Segments segments(x.routing, x.type, x.cols);
    for (Segment s; segments.Next(&s) && done < own.end;) {
      const Steps steps = StepsOf(s, weights.first);
      const RowRange in = UnitsIn(own, done, steps.cost, steps.count);
      done += steps.count * steps.cost;
      if (in.begin == in.end) continue;
      const size_t end = std::min(in.end * steps.rows, weights.first.rows);
      Multiply(JobOf(s, {in.begin * steps.rows, end}, part), 0);
    }
  }

 private:
  MatmulJob JobOf(const Segment& s, RowRange rows, size_t part) const noexcept {
    const Routing& routing = x.routing;
    MatmulJob job{weights.Expert(s.expert),
                  {s.layout, x.data + s.offset, s.count, x.cols},
                  y};
    if (routing.y_rows != nullptr) {
      job.y_rows = routing.y_rows + s.first;
    } else {
      job.y = y.Rows(s.first, s.first + s.count);
    }
    job.rows = rows;
    job.scratch = scratch + part * scratch_bytes;
    job.scratch_bytes = scratch_bytes;
    return job;
  }
};

size_t MostEntries(const Routing& routing) noexcept {
  size_t most = 0;
  for (size_t e = 0; e < routing.experts; ++e) {
    most = std::max<size_t>(most, routing.begin[e + 1] - routing.begin[e]);
  }
  return most;
}

// ---- Arguments.

Status CheckWeights(const ExpertWeights& weights) noexcept {
  const ConstMatrix& first = weights.first;
  NIBBLE_RETURN_IF_ERROR(CheckPackedMatrix("weights", first));
  const size_t bytes =
      (first.rows - 1) * first.stride_bytes + RowBytes(first.type, first.cols);
  if (weights.expert_stride_bytes < bytes) {
    return InvalidArgument("weights: stride %zu is below an expert's %zu bytes",
                           weights.expert_stride_bytes, bytes);
  }
  size_t all;
  if (__builtin_mul_overflow(weights.experts, weights.expert_stride_bytes,
                             &all)) {
    return InvalidArgument("weights: %zu experts of %zu bytes overflow",
                           weights.experts, weights.expert_stride_bytes);
  }
  return OkStatus();
}

Status CheckX(const PackedExpertActivations& x,
              const ExpertWeights& weights) noexcept {
  const ConstMatrix& first = weights.first;
  if (x.target != ChosenTargetBit()) {
    return InvalidArgument("x: packed under another target");
  }
  if (x.cols != first.cols) {
    return InvalidArgument("x has %zu columns, weights have %zu", x.cols,
                           first.cols);
  }
  if (!(ChooseActivationLayout(x.type, 1) ==
        ChooseActivationLayout(first.type, 1))) {
    return InvalidArgument("x: packed for %s, which shares no layout with %s",
                           TypeName(x.type), TypeName(first.type));
  }
  NIBBLE_RETURN_IF_ERROR(CheckRouting(x.routing));
  if (x.routing.experts != weights.experts) {
    return InvalidArgument("routing: %zu experts, weights have %zu",
                           x.routing.experts, weights.experts);
  }
  if (x.routing.entries() != 0 &&
      (x.data == nullptr || reinterpret_cast<uintptr_t>(x.data) % 64 != 0)) {
    return InvalidArgument("x: data is null or not aligned to 64 bytes");
  }
  return OkStatus();
}

Status CheckY(const MutableMatrix& y, const ExpertWeights& weights) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckMatrix("y", y));
  if (y.type != Type::kF32) {
    return InvalidArgument("y: %s given, F32 wanted", TypeName(y.type));
  }
  if (y.cols != weights.first.rows) {
    return InvalidArgument("y has %zu columns, experts have %zu rows", y.cols,
                           weights.first.rows);
  }
  return OkStatus();
}

}  // namespace

size_t PackedExpertActivationBytes(Type type, size_t experts, size_t entries,
                                   size_t cols) noexcept {
  InitializeCpu();
  if (experts == 0) return 0;
  const size_t rows = PackedActivationBytes(kRowLayout, entries, cols);
  const size_t panels = PackedActivationBytes(kPanelLayout, entries, cols);
  const size_t least = LeastTileEntries(type, entries);
  if (rows == 0 || panels == 0) return 0;
  if (least == 0) return std::max(rows, panels);
  // Tiles pad the tokens of each expert that has as many.
  size_t padded;
  if (__builtin_mul_overflow(std::min(experts, entries / least),
                             kBf16Tokens - 1, &padded) ||
      __builtin_add_overflow(padded, entries, &padded)) {
    return 0;
  }
  const size_t tiles = PackedActivationBytes(kTileLayout, padded, cols);
  return tiles == 0 ? 0 : std::max({rows, panels, tiles});
}

Status PackExpertActivations(Type type, const ConstMatrix& x,
                             const Routing& routing, void* out,
                             PackedExpertActivations* packed,
                             const PackExpertOptions& options) noexcept {
  InitializeCpu();
  if (FindComputeKernels(type) == nullptr) {
    return Unsupported("activations: no weights of type id %u (%s) here",
                       static_cast<unsigned>(type), TypeName(type));
  }
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("activations", x));
  NIBBLE_RETURN_IF_ERROR(CheckRouting(routing));
  NIBBLE_RETURN_IF_ERROR(CheckXRows(routing, x.rows));
  NIBBLE_RETURN_IF_ERROR(CheckShare(options.share));
  const size_t entries = routing.entries();
  if (packed == nullptr || (out == nullptr && entries != 0)) {
    return InvalidArgument("activations: %s is null",
                           packed == nullptr ? "packed" : "out");
  }
  if (reinterpret_cast<uintptr_t>(out) % 64 != 0) {
    return InvalidArgument("activations: out is not aligned to 64 bytes");
  }
  if (entries != 0 && PackedExpertActivationBytes(type, routing.experts,
                                                  entries, x.cols) == 0) {
    return InvalidArgument("activations: %zu x %zu is no size", entries,
                           x.cols);
  }
  const PackJob job{x,
                    routing,
                    type,
                    static_cast<uint8_t*>(out),
                    SplitRows(entries, options.share),
                    ThreadsOf(options.parallel)};
  // Parts are in order of the entries: the first that failed says what failed
  // first, once more and here.
  std::atomic<size_t> failed{job.parts};
  RunParts(options.parallel, job.parts, [&](size_t part) {
    if (job.Run(part).ok()) return;
    size_t first = failed.load();
    while (part < first && !failed.compare_exchange_weak(first, part)) {
    }
  });
  if (failed < job.parts) return job.Run(failed);
  *packed = {routing, type, static_cast<const uint8_t*>(out), x.cols,
             ChosenTargetBit()};
  return OkStatus();
}

size_t MatmulExpertsScratchBytes(Type type, size_t rows, size_t cols,
                                 size_t entries) noexcept {
  InitializeCpu();
  if (entries == 0 ||
      ChooseActivationLayout(type, entries).kind == kRowLayout.kind) {
    return 0;
  }
  const size_t panels = MatmulScratchBytes(kPanelLayout, rows, cols, entries);
  if (LeastTileEntries(type, entries) == 0) return panels;
  return std::max(panels, MatmulScratchBytes(kTileLayout, rows, cols, entries));
}

Status MatmulExperts(const ExpertWeights& weights,
                     const PackedExpertActivations& x, const MutableMatrix& y,
                     const MatmulOptions& options) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckWeights(weights));
  NIBBLE_RETURN_IF_ERROR(CheckX(x, weights));
  NIBBLE_RETURN_IF_ERROR(CheckY(y, weights));
  NIBBLE_RETURN_IF_ERROR(CheckYRows(x.routing, y.rows));
  NIBBLE_RETURN_IF_ERROR(CheckShare(options.share));
  ExpertsJob job{weights, x, y, {}, ThreadsOf(options.parallel), nullptr, 0};
  job.work = SplitRows(job.TotalWork(), options.share);
  job.scratch_bytes = MatmulExpertsScratchBytes(
      x.type, weights.first.rows, weights.first.cols, MostEntries(x.routing));
  AlignedMemory memory;
  if (job.scratch_bytes != 0) {
    NIBBLE_RETURN_IF_ERROR(memory.UseOrAllocate(
        options.scratch, options.scratch_bytes, job.scratch_bytes * job.parts));
    job.scratch = memory.get();
  }
  RunParts(options.parallel, job.parts, [&job](size_t part) { job.Run(part); });
  return OkStatus();
}

}  // namespace nibble
