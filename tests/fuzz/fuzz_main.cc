// SPDX-License-Identifier: MIT
// Runs a fuzz target without a fuzzer: over its seeds and RUNS mutations of
// them, the same ones every time, or over the files named.
//
//   decode_fuzz RUNS
//   decode_fuzz FILE...
//   decode_fuzz --seeds DIR   writes the seeds: a corpus for libFuzzer
#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/fuzz/fuzz.h"

namespace {

// Some bytes replaced, by anything or by what sits at the edge of a number; now
// and then the end cut off.
FuzzInput Mutated(FuzzInput input, std::mt19937* rng) {
  constexpr uint8_t kEdges[] = {0x00, 0x01, 0x7C, 0x7F, 0x80, 0xFC, 0xFF};
  const auto below = [rng](size_t n) { return (*rng)() % n; };
  for (size_t edits = below(9); edits > 0 && !input.empty(); --edits) {
    uint8_t& byte = input[below(input.size())];
    byte = below(2) == 0 ? kEdges[below(sizeof(kEdges))]
                         : static_cast<uint8_t>((*rng)());
  }
  if (below(8) == 0) input.resize(below(input.size() + 1));
  return input;
}

// At its exact size on the heap, where sanitizers see a byte too many.
void RunOne(const FuzzInput& input) {
  const FuzzInput exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

int RunFiles(int count, char** paths) {
  for (int i = 0; i < count; ++i) {
    std::ifstream in(paths[i], std::ios::binary);
    RunOne(FuzzInput(std::istreambuf_iterator<char>(in), {}));
  }
  return 0;
}

int WriteSeeds(const std::string& folder) {
  size_t i = 0;
  for (const FuzzInput& seed : Seeds()) {
    std::ofstream out(folder + "/seed" + std::to_string(i++), std::ios::binary);
    out.write(reinterpret_cast<const char*>(seed.data()),
              static_cast<std::streamsize>(seed.size()));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "1000";
  if (first == "--seeds" && argc == 3) return WriteSeeds(argv[2]);
  if (!std::all_of(first.begin(), first.end(),
                   [](char c) { return c >= '0' && c <= '9'; })) {
    return RunFiles(argc - 1, argv + 1);
  }
  const std::vector<FuzzInput> seeds = Seeds();
  for (const FuzzInput& seed : seeds) RunOne(seed);
  std::mt19937 rng(1);
  const size_t runs = std::stoul(first);
  for (size_t i = 0; i < runs; ++i) {
    RunOne(Mutated(seeds[i % seeds.size()], &rng));
  }
  std::printf("%zu seeds, %zu mutations\n", seeds.size(), runs);
  return 0;
}
