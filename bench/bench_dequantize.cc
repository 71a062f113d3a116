// SPDX-License-Identifier: MIT
#include <cstring>
#include <vector>

#include "bench/bench.h"
#include "nibble/dequantize.h"

namespace nibble {
namespace {

constexpr size_t kRows = 16, kCols = 4096;  // packed and decoded fit in L2

// The best target must agree with the others, bit for bit.
bool Agrees(const ConstMatrix& packed, const std::vector<float>& out,
            const std::string& target, benchmark::State& state) {
  std::vector<float> again(out.size());
  const bool ok =
      UseTarget("", state) &&
      Dequantize(packed, FloatMatrix(again.data(), kRows, kCols)).ok();
  return UseTarget(target, state) && ok &&
         memcmp(out.data(), again.data(), out.size() * sizeof(float)) == 0;
}

void Run(const BenchFormat& format, const std::string& target,
         benchmark::State& state) {
  if (!UseTarget(target, state)) return;
  const size_t row_bytes = RowBytes(format.type, kCols);
  format.fill(Arena(), kRows, kCols, row_bytes, 1);
  const ConstMatrix packed(format.type, Arena(), kRows, kCols);
  std::vector<float> out(kRows * kCols);
  const MutableMatrix to = FloatMatrix(out.data(), kRows, kCols);
  Status status = Dequantize(packed, to);
  if (!status.ok() || !Agrees(packed, out, target, state)) {
    return state.SkipWithError("wrong result");
  }
  Best best;
  for (auto _ : state) {
    const double seconds = Seconds([&] { status = Dequantize(packed, to); });
    state.SetIterationTime(seconds);
    best.Add(seconds);
  }
  state.counters["Gweights/s"] = 1e-9 * best.PerSecond(kRows * kCols);
  state.counters["GB/s"] =
      1e-9 * best.PerSecond(static_cast<double>(kRows * row_bytes));
}

}  // namespace

void RegisterDequantize(const BenchFormat& format, const std::string& target) {
  Register("dequantize", format.file, target, "r16_c4096",
           [=](benchmark::State& state) { Run(format, target, state); });
}

}  // namespace nibble
