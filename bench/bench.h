// SPDX-License-Identifier: MIT
// What the benchmarks share. Names are verb/format/target/shape; every
// benchmark checks its own result before it measures.
#ifndef NIBBLE_BENCH_BENCH_H_
#define NIBBLE_BENCH_BENCH_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/timing.h"
#include "nibble/matrix.h"
#include "nibble/type.h"

namespace nibble {

struct BenchFormat {
  Type type;
  const char* file;  // "q4_k"
  // Random codes and finite scales.
  void (*fill)(uint8_t* rows, size_t count, size_t cols, size_t stride,
               uint32_t seed);
};

// One function per verb, called once per format and target.
void RegisterDequantize(const BenchFormat& format, const std::string& target);
void RegisterExperts(const BenchFormat& format, const std::string& target);
void RegisterMatmul(const BenchFormat& format, const std::string& target);
void RegisterMatvec(const BenchFormat& format, const std::string& target);
void RegisterQuantize(const BenchFormat& format, const std::string& target);
// One function per verb without weights, called once per target.
void RegisterPackActivations(const std::string& target);

// Scratch every benchmark may use, on huge pages: larger than last-level
// caches.
inline constexpr size_t kArenaBytes = size_t{512} << 20;
uint8_t* Arena();

// The best of the iterations: on shared machines the mean tells about the
// neighbours.
class Best {
 public:
  void Add(double seconds) { seconds_ = std::min(seconds_, seconds); }
  double PerSecond(double amount) const { return amount / seconds_; }

 private:
  double seconds_ = 1e30;
};

// "verb/q4_k/AVX2/shape", run under its target.
template <class Body>
void Register(const std::string& verb, const std::string& format,
              const std::string& target, const std::string& shape, Body body) {
  const std::string name = verb + "/" + format + "/" + target + "/" + shape;
  benchmark::RegisterBenchmark(name.c_str(), body)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

// Makes the library use `target`, or skips the benchmark.
bool UseTarget(const std::string& target, benchmark::State& state);

}  // namespace nibble

#endif  // NIBBLE_BENCH_BENCH_H_
