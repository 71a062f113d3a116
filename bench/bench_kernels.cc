// SPDX-License-Identifier: MIT
// Every verb x format x target. Select with --benchmark_filter, for example
// 'matvec/q4_k/.*'; pin to a core (taskset -c 0). GB/s count the bytes of the
// weights; "stream" is a plain read of the same memory at the same moment.
#include <cstdio>
#include <cstring>

#include "bench/bench.h"
#include "bench/page_buffer.h"
#include "nibble/cpu.h"
#include "nibble/formats/all.h"
#include "tests/random_rows.h"

namespace nibble {

uint8_t* Arena() {
  static PageBuffer buffer(kArenaBytes);
  return buffer.data();
}

bool UseTarget(const std::string& target, benchmark::State& state) {
  const Status status = ForceTarget(target);
  if (!status.ok()) state.SkipWithError(status.message().c_str());
  return status.ok();
}

namespace {

void RegisterAll() {
  const BenchFormat formats[] = {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  {Type::k##symbol, #file, &FillRandomRows<formats::symbol>},
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
  };
  for (const std::string& target : AvailableTargets()) {
    RegisterPackActivations(target);
    for (const BenchFormat& format : formats) {
      RegisterDequantize(format, target);
      RegisterMatvec(format, target);
      RegisterMatmul(format, target);
      RegisterExperts(format, target);
      RegisterQuantize(format, target);
    }
  }
}

void AddContext() {
  std::string targets;
  for (const std::string& target : AvailableTargets()) {
    targets += (targets.empty() ? "" : " ") + target;
  }
  benchmark::AddCustomContext("targets", targets);
  benchmark::AddCustomContext("compiler", __VERSION__);
  memset(Arena(), 1, kArenaBytes);
  benchmark::AddCustomContext(
      "huge_pages", std::to_string(PageBuffer::HugeKib() >> 10) + " of " +
                        std::to_string(kArenaBytes >> 20) + " MiB");
}

}  // namespace
}  // namespace nibble

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  nibble::AddContext();
  nibble::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
