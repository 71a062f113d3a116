// SPDX-License-Identifier: MIT
// Matmul of packed activations: unpacking of panels and micro-kernels.
#include <string>
#include <vector>

#include "bench/bench.h"
#include "bench/product.h"
#include "nibble/matmul.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

struct Shape {
  size_t rows, cols, tokens;
};

std::string NameOf(const Shape& shape) {
  return "r" + std::to_string(shape.rows) + "_c" + std::to_string(shape.cols) +
         "_t" + std::to_string(shape.tokens);
}

struct Setup {
  Setup(const BenchFormat& format, const Shape& shape)
      : weights(format.type, Arena(), shape.rows, shape.cols),
        x(NormalFloats(shape.tokens * shape.cols)),
        layout(ChooseActivationLayout(format.type, shape.tokens)),
        packed_bytes(PackedActivationBytes(layout, shape.tokens, shape.cols)),
        scratch_bytes(MatmulScratchBytes(layout, shape.rows, shape.cols,
                                         shape.tokens)),
        scratch(scratch_bytes),
        y(shape.tokens * shape.rows) {
    format.fill(Arena(), shape.rows, shape.cols, weights.stride_bytes, 1);
    options.scratch = scratch.data();
    options.scratch_bytes = scratch_bytes;
    status =
        PackActivations(layout, FloatMatrix(x.data(), shape.tokens, shape.cols),
                        packed_bytes.data(), &packed);
  }

  ConstMatrix weights;
  std::vector<float> x;
  ActivationLayout layout;
  AlignedBytes packed_bytes;
  PackedActivations packed;
  size_t scratch_bytes;
  AlignedBytes scratch;
  std::vector<float> y;
  MatmulOptions options;
  Status status;
};

void Run(const BenchFormat& format, const std::string& target,
         const Shape& shape, benchmark::State& state) {
  if (!UseTarget(target, state)) return;
  Setup setup(format, shape);
  const MutableMatrix to =
      FloatMatrix(setup.y.data(), shape.tokens, shape.rows);
  const auto multiply = [&] {
    setup.status = Matmul(setup.weights, setup.packed, to, setup.options);
  };
  if (setup.status.ok()) multiply();
  if (!setup.status.ok() ||
      !IsProduct(setup.weights, setup.x, setup.y, shape.tokens)) {
    return state.SkipWithError("wrong result");
  }
  Best best;
  for (auto _ : state) {
    const double seconds = Seconds(multiply);
    state.SetIterationTime(seconds);
    best.Add(seconds);
  }
  const double products =
      static_cast<double>(shape.rows * shape.cols * shape.tokens);
  state.counters["GFLOPS"] = 2e-9 * best.PerSecond(products);
}

}  // namespace

// The smallest is there to be checked quickly, a tail of tokens included.
void RegisterMatmul(const BenchFormat& format, const std::string& target) {
  for (const Shape& shape :
       {Shape{32, 512, 19}, Shape{256, 4096, 64}, Shape{256, 4096, 512}}) {
    Register(
        "matmul", format.file, target, NameOf(shape),
        [=](benchmark::State& state) { Run(format, target, shape, state); });
  }
}

}  // namespace nibble
