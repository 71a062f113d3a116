// SPDX-License-Identifier: MIT
// Quantize: heavy-tailed rows with an importance, by the two searches that are
// meant for everyday use.
#include <cstring>
#include <random>
#include <vector>

#include "bench/bench.h"
#include "bench/weighted_error.h"
#include "nibble/dequantize.h"
#include "nibble/quantize.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

// The time is that of the searches, so few rows are enough.
constexpr size_t kRows = 4, kCols = 4096;

struct Setup {
  Setup(Type type, Search search)
      : x(kRows * kCols),
        importance(kCols),
        bytes(kRows * RowBytes(type, kCols)),
        packed(type, bytes.data(), kRows, kCols),
        scratch_bytes(QuantizeScratchBytes(type, kCols)),
        scratch(scratch_bytes) {
    std::mt19937 rng(42);
    std::student_t_distribution<float> heavy(5);
    std::uniform_real_distribution<float> uniform(0.05f, 4.0f);
    for (float& v : x) v = 0.02f * heavy(rng);
    for (float& v : importance) v = uniform(rng);
    options.search = search;
    options.importance = importance.data();
    options.scratch = scratch.data();
    options.scratch_bytes = scratch_bytes;
  }

  Status Run() {
    return Quantize(FloatMatrix(x.data(), kRows, kCols), packed, options);
  }

  std::vector<float> x, importance;
  std::vector<uint8_t> bytes;
  MutableMatrix packed;
  size_t scratch_bytes;
  AlignedBytes scratch;
  QuantizeOptions options;
};

// The bytes of the best target, and nearer to the weights than zeros are.
bool IsRight(const Setup& setup, Type type, Search search,
             const std::string& target, benchmark::State& state) {
  if (!UseTarget("", state)) return false;
  Setup best(type, search);  // scratch differs from target to target
  std::vector<float> decoded(best.x.size());
  if (!best.Run().ok() || best.bytes != setup.bytes ||
      !Dequantize(best.packed, FloatMatrix(decoded.data(), kRows, kCols))
           .ok()) {
    return false;
  }
  WeightedError error;
  for (size_t r = 0; r < kRows; ++r) {
    error.AddRow(best.x.data() + r * kCols, decoded.data() + r * kCols,
                 best.importance.data(), kCols);
  }
  return error.wrmse() < 1.0 && UseTarget(target, state);
}

void Run(Type type, Search search, const std::string& target,
         benchmark::State& state) {
  if (!UseTarget(target, state)) return;
  Setup setup(type, search);
  Status status = setup.Run();
  if (!status.ok() || !IsRight(setup, type, search, target, state)) {
    return state.SkipWithError("wrong result");
  }
  Best best;
  for (auto _ : state) {
    const double seconds = Seconds([&] { status = setup.Run(); });
    state.SetIterationTime(seconds);
    best.Add(seconds);
  }
  state.counters["Mweights/s"] = 1e-6 * best.PerSecond(kRows * kCols);
}

}  // namespace

void RegisterQuantize(const BenchFormat& format, const std::string& target) {
  const auto add = [&](const char* shape, Search search) {
    Register("quantize", format.file, target, shape,
             [=, type = format.type](benchmark::State& state) {
               Run(type, search, target, state);
             });
  };
  add("r4_c4096_default", Search::kDefault);
  add("r4_c4096_fast", Search::kFast);
}

}  // namespace nibble
