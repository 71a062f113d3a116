// SPDX-License-Identifier: MIT
// Any floats are quantized to rows that validate and decode to finite numbers,
// or refused with a reason.
//
// Input: type index, target index, search, weight rule and importance, then
// importance if any, then the weights.
#include <algorithm>
#include <cmath>
#include <random>

#include "nibble/nibble.h"
#include "tests/fuzz/fuzz.h"

namespace nibble {
namespace {

constexpr size_t kCols = 256;  // of every type

void CheckRow(const TypeInfo& info, const std::vector<float>& weights,
              const QuantizeOptions& options) {
  constexpr uint8_t kGuard = 0xA5;
  const size_t bytes = RowBytes(info.type, kCols);
  std::vector<uint8_t> packed(bytes + 1, kGuard);
  const MutableMatrix row(info.type, packed.data(), 1, kCols);
  const Status status =
      Quantize(FloatMatrix(weights.data(), 1, kCols), row, options);
  FUZZ_CHECK(packed[bytes] == kGuard, info.name);
  FUZZ_CHECK(status.ok() == status.message().empty(), status.message());
  const bool finite = std::all_of(weights.begin(), weights.end(),
                                  [](float x) { return std::isfinite(x); });
  FUZZ_CHECK(finite || !status.ok(), info.name);
  if (!status.ok()) {
    FUZZ_CHECK(std::all_of(packed.begin(), packed.end(),
                           [](uint8_t b) { return b == kGuard; }),
               info.name);
    return;
  }
  const Status valid = Validate(row);
  FUZZ_CHECK(valid.ok(), valid.message());
  std::vector<float> decoded(kCols);
  FUZZ_CHECK(Dequantize(row, FloatMatrix(decoded.data(), 1, kCols)).ok(),
             info.name);
  for (const float x : decoded) FUZZ_CHECK(std::isfinite(x), info.name);
}

}  // namespace
}  // namespace nibble

std::vector<FuzzInput> Seeds() {
  std::vector<FuzzInput> seeds;
  std::mt19937 rng(1);
  const size_t types = nibble::QuantizedTypes().size();
  for (size_t type = 0; type < types; ++type) {
    for (uint8_t choices = 0; choices < 16; ++choices) {
      FuzzInput seed = {static_cast<uint8_t>(type), static_cast<uint8_t>(rng()),
                        choices};
      for (size_t i = 0; i < 2 * nibble::kCols; ++i) {
        // Importance must not be negative; weights alternate.
        float x = static_cast<float>(rng() % 2000 + 1) / 1000.0f;
        if (i >= nibble::kCols && i % 2 != 0) x = -x;
        const auto* bytes = reinterpret_cast<const uint8_t*>(&x);
        seed.insert(seed.end(), bytes, bytes + sizeof(x));
      }
      seeds.push_back(seed);
    }
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::string> targets = nibble::AvailableTargets();
  FuzzReader input(data, size);
  const nibble::TypeList types = nibble::QuantizedTypes();
  const nibble::TypeInfo& info = types.first[input.Byte() % types.size()];
  const std::string& target = targets[input.Byte() % targets.size()];
  const uint8_t choices = input.Byte();
  std::vector<float> importance(nibble::kCols), weights(nibble::kCols);
  input.Fill(importance.data(), nibble::kCols * sizeof(float));
  input.Fill(weights.data(), nibble::kCols * sizeof(float));

  nibble::QuantizeOptions options;
  options.search = static_cast<nibble::Search>(choices & 3);
  options.weights = static_cast<nibble::WeightRule>((choices >> 2) & 1);
  if ((choices & 8) != 0) options.importance = importance.data();
  FUZZ_CHECK(nibble::ForceTarget(target).ok(), target);
  nibble::CheckRow(info, weights, options);
  return 0;
}
