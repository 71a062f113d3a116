// SPDX-License-Identifier: MIT
// Experts beside matmul: packing and multiplying rows that were routed to many
// matrices, and the same number of rows times a single matrix.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "bench/product.h"
#include "nibble/experts.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

struct Shape {
  size_t experts, used, tokens, rows, cols;
};

std::string NameOf(const Shape& shape) {
  return "r" + std::to_string(shape.rows) + "_c" + std::to_string(shape.cols) +
         "_e" + std::to_string(shape.experts) + "_u" +
         std::to_string(shape.used) + "_t" + std::to_string(shape.tokens);
}

// Tokens choose different experts at random, as routers do in the mean.
class Router {
 public:
  explicit Router(const Shape& shape)
      : shape_(shape),
        order_(shape.experts),
        ids_(shape.tokens * shape.used),
        memory_(RoutingBytes(shape.experts, shape.tokens, shape.used) / 4) {
    std::iota(order_.begin(), order_.end(), 0);
  }
  // The previous choice is lost.
  Routing Next() {
    for (size_t t = 0; t < shape_.tokens; ++t) {
      for (size_t k = 0; k < shape_.used; ++k) {
        std::swap(order_[k], order_[k + rng_() % (shape_.experts - k)]);
      }
      std::copy_n(order_.begin(), shape_.used, ids_.begin() + t * shape_.used);
    }
    TokenRouting routing;
    const Status status = RouteTokens({ids_.data(), shape_.tokens, shape_.used},
                                      shape_.experts, memory_.data(), &routing);
    return status.ok() ? routing.TokensToSlots() : Routing{};
  }

 private:
  const Shape shape_;
  std::mt19937 rng_{7};
  std::vector<int32_t> order_, ids_;
  std::vector<uint32_t> memory_;
};

// Every expert is a copy of the same matrix, which caches cannot know.
struct Setup {
  Setup(const BenchFormat& format, const Shape& shape_in)
      : shape(shape_in),
        slots(shape.tokens * shape.used),
        weights(ConstMatrix(format.type, Arena(), shape.rows, shape.cols),
                shape.experts),
        x(NormalFloats(shape.tokens * shape.cols)),
        memory(PackedExpertActivationBytes(format.type, shape.experts, slots,
                                           shape.cols)),
        scratch_bytes(MatmulExpertsScratchBytes(format.type, shape.rows,
                                                shape.cols, slots)),
        scratch(scratch_bytes),
        y(slots * shape.rows) {
    const size_t bytes = weights.expert_stride_bytes;
    format.fill(Arena(), shape.rows, shape.cols, bytes / shape.rows, 1);
    for (size_t e = 1; e < shape.experts; ++e) {
      memcpy(Arena() + e * bytes, Arena(), bytes);
    }
    options.scratch = scratch.data();
    options.scratch_bytes = scratch_bytes;
  }
  Status Pack(const Routing& routing) {
    return PackExpertActivations(
        weights.first.type, FloatMatrix(x.data(), shape.tokens, shape.cols),
        routing, memory.data(), &packed);
  }
  Status Multiply() {
    return MatmulExperts(weights, packed,
                         FloatMatrix(y.data(), slots, shape.rows), options);
  }
  // As many rows, one after the other, to one expert.
  std::vector<float> SlotRows() const {
    std::vector<float> rows(slots * shape.cols);
    for (size_t s = 0; s < slots; ++s) {
      std::copy_n(x.begin() + s / shape.used * shape.cols, shape.cols,
                  rows.begin() + s * shape.cols);
    }
    return rows;
  }
  bool IsRight() { return IsProduct(weights.first, SlotRows(), y, slots); }

  const Shape shape;
  const size_t slots;
  ExpertWeights weights;
  std::vector<float> x;
  AlignedBytes memory;
  PackedExpertActivations packed;
  size_t scratch_bytes;
  AlignedBytes scratch;
  std::vector<float> y;
  MatmulOptions options;
};

// Seconds of a plain matmul with as many rows of activations.
double PlainSeconds(Setup& s) {
  const std::vector<float> rows = s.SlotRows();
  const ActivationLayout layout =
      ChooseActivationLayout(s.weights.first.type, s.slots);
  AlignedBytes memory(PackedActivationBytes(layout, s.slots, s.shape.cols));
  PackedActivations packed;
  if (!PackActivations(layout, FloatMatrix(rows.data(), s.slots, s.shape.cols),
                       memory.data(), &packed)
           .ok()) {
    return 0;
  }
  double best = 1e30;
  for (int i = 0; i < 5; ++i) {
    best = std::min(
        best, Seconds([&] {
          benchmark::DoNotOptimize(Matmul(
              s.weights.first, packed,
              FloatMatrix(s.y.data(), s.slots, s.shape.rows), s.options));
        }));
  }
  return best;
}

size_t ExpertsInUse(const Routing& routing) {
  size_t used = 0;
  for (size_t e = 0; e < routing.experts; ++e) {
    used += routing.begin[e] != routing.begin[e + 1];
  }
  return used;
}

void Run(const BenchFormat& format, const std::string& target,
         const Shape& shape, benchmark::State& state) {
  if (!UseTarget(target, state)) return;
  Setup setup(format, shape);
  Router router(shape);
  if (!setup.Pack(router.Next()).ok() || !setup.Multiply().ok() ||
      !setup.IsRight()) {
    return state.SkipWithError("wrong result");
  }
  Best best, pack;
  double bytes = 0, per_byte = 1e30;
  for (auto _ : state) {
    const Routing routing = router.Next();
    pack.Add(Seconds([&] { benchmark::DoNotOptimize(setup.Pack(routing)); }));
    const double seconds =
        Seconds([&] { benchmark::DoNotOptimize(setup.Multiply()); });
    state.SetIterationTime(seconds);
    best.Add(seconds);
    bytes = static_cast<double>(ExpertsInUse(routing) *
                                setup.weights.expert_stride_bytes);
    per_byte = std::min(per_byte, seconds / bytes);
  }
  const double flop =
      2.0 * static_cast<double>(shape.rows * shape.cols * setup.slots);
  state.counters["GFLOPS"] = 1e-9 * best.PerSecond(flop);
  state.counters["GB/s"] = 1e-9 / per_byte;
  state.counters["pack_us"] = 1e6 / pack.PerSecond(1);
  state.counters["plain_GFLOPS"] = 1e-9 * flop / PlainSeconds(setup);
}

}  // namespace

// The smallest is there to be checked quickly; the others are a layer of a
// model with many small experts, from one token to a prompt.
void RegisterExperts(const BenchFormat& format, const std::string& target) {
  for (const Shape& shape :
       {Shape{8, 2, 19, 32, 512}, Shape{256, 8, 1, 768, 2048},
        Shape{256, 8, 8, 768, 2048}, Shape{256, 8, 64, 768, 2048},
        Shape{256, 8, 512, 768, 2048}}) {
    if (shape.experts * shape.rows * RowBytes(format.type, shape.cols) >
        kArenaBytes) {
      continue;
    }
    Register(
        "experts", format.file, target, NameOf(shape),
        [=](benchmark::State& state) { Run(format, target, shape, state); });
  }
}

}  // namespace nibble
