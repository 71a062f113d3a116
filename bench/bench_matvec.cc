// SPDX-License-Identifier: MIT
// Matvec from memory and from the L2 cache, for one and for several tokens.
#include <cstring>
#include <vector>

#include "bench/bench.h"
#include "bench/product.h"
#include "bench/stream.h"
#include "nibble/matvec.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

struct Shape {
  size_t rows, cols, tokens;
  bool from_memory;  // a different matrix every time; else the same from L2
};

std::string NameOf(const Shape& shape) {
  return "r" + std::to_string(shape.rows) + "_c" + std::to_string(shape.cols) +
         "_t" + std::to_string(shape.tokens) +
         (shape.from_memory ? "" : "_cached");
}

struct Setup {
  Setup(const BenchFormat& format, const Shape& shape)
      : bytes(shape.rows * RowBytes(format.type, shape.cols)),
        matrices(shape.from_memory ? kArenaBytes / bytes : 1),
        x(NormalFloats(shape.tokens * shape.cols)),
        layout(ChooseActivationLayout(format.type, 1)),
        packed_bytes(PackedActivationBytes(layout, shape.tokens, shape.cols)),
        y(shape.tokens * shape.rows) {
    format.fill(Arena(), shape.rows, shape.cols, bytes / shape.rows, 1);
    for (size_t m = 1; m < matrices; ++m) {
      memcpy(Arena() + m * bytes, Arena(), bytes);
    }
    status =
        PackActivations(layout, FloatMatrix(x.data(), shape.tokens, shape.cols),
                        packed_bytes.data(), &packed);
  }

  size_t bytes, matrices;
  std::vector<float> x;
  ActivationLayout layout;
  AlignedBytes packed_bytes;
  PackedActivations packed;
  std::vector<float> y;
  Status status;
};

void Run(const BenchFormat& format, const std::string& target,
         const Shape& shape, benchmark::State& state) {
  if (!UseTarget(target, state)) return;
  Setup setup(format, shape);
  const MutableMatrix to =
      FloatMatrix(setup.y.data(), shape.tokens, shape.rows);
  size_t next = 0;
  const auto matrix = [&] {
    next = (next + 1) % setup.matrices;
    return ConstMatrix(format.type, Arena() + next * setup.bytes, shape.rows,
                       shape.cols);
  };
  if (!setup.status.ok() || !Matvec(matrix(), setup.packed, to).ok() ||
      !IsProduct(matrix(), setup.x, setup.y, shape.tokens)) {
    return state.SkipWithError("wrong result");
  }
  Best best, stream;
  for (auto _ : state) {
    const ConstMatrix weights = matrix();
    const double seconds =
        Seconds([&] { setup.status = Matvec(weights, setup.packed, to); });
    state.SetIterationTime(seconds);
    best.Add(seconds);
    if (shape.from_memory) {  // alternate: neighbours disturb both alike
      const uint8_t* p = matrix().data;
      stream.Add(Seconds(
          [&] { benchmark::DoNotOptimize(StreamRead(p, setup.bytes)); }));
    }
  }
  const double bytes = static_cast<double>(setup.bytes);
  state.counters["Gweights/s"] =
      1e-9 * best.PerSecond(static_cast<double>(shape.rows * shape.cols));
  state.counters["GB/s"] = 1e-9 * best.PerSecond(bytes);
  if (shape.from_memory) {
    state.counters["stream_GB/s"] = 1e-9 * stream.PerSecond(bytes);
    state.counters["of_stream"] =
        best.PerSecond(bytes) / stream.PerSecond(bytes);
  }
}

void RunPack(const std::string& target, benchmark::State& state) {
  if (!UseTarget(target, state)) return;
  const size_t cols = 4096;
  const std::vector<float> x = NormalFloats(cols);
  const ActivationLayout layout = {ActivationKind::kInt8Rows, 0};
  AlignedBytes out(PackedActivationBytes(layout, 1, cols));
  PackedActivations packed;
  Best best;
  for (auto _ : state) {
    Status status;
    const double seconds = Seconds([&] {
      status = PackActivations(layout, FloatMatrix(x.data(), 1, cols),
                               out.data(), &packed);
    });
    if (!status.ok()) state.SkipWithError(status.message().c_str());
    state.SetIterationTime(seconds);
    best.Add(seconds);
  }
  state.counters["Gfloats/s"] =
      1e-9 * best.PerSecond(static_cast<double>(cols));
}

}  // namespace

void RegisterMatvec(const BenchFormat& format, const std::string& target) {
  for (const Shape& shape :
       {Shape{4096, 4096, 1, true}, Shape{4096, 4096, 4, true},
        Shape{4096, 4096, 8, true}, Shape{96, 4096, 1, false},
        Shape{96, 4096, 4, false}}) {
    Register(
        "matvec", format.file, target, NameOf(shape),
        [=](benchmark::State& state) { Run(format, target, shape, state); });
  }
}

void RegisterPackActivations(const std::string& target) {
  Register("pack_activations", "f32", target, "t1_c4096",
           [=](benchmark::State& state) { RunPack(target, state); });
}

}  // namespace nibble
