// SPDX-License-Identifier: MIT
// workload TYPE TOKENS REPEATS: that many products and nothing else, for
// scripts/count-instructions. workload --list: targets, types and sizes.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "nibble/nibble.h"

namespace nibble {
namespace {

constexpr size_t kRows = 64, kCols = 4096;

struct alignas(64) Line {
  uint8_t bytes[64];
};

std::vector<Line> Lines(size_t bytes) {
  return std::vector<Line>(bytes / sizeof(Line) + 1);
}

Status Multiply(Type type, size_t tokens, int repeats) {
  // Zeros are valid rows of every type, and no kernel branches on its data.
  const size_t stride = RowBytes(type, kCols);
  const std::vector<uint8_t> bytes(kRows * stride);
  const ConstMatrix weights(type, bytes.data(), kRows, kCols);
  const std::vector<float> x(tokens * kCols, 1.0f);
  std::vector<float> y(tokens * kRows);

  const ActivationLayout layout = ChooseActivationLayout(type, tokens);
  std::vector<Line> memory =
      Lines(PackedActivationBytes(layout, tokens, kCols));
  PackedActivations packed;
  NIBBLE_RETURN_IF_ERROR(PackActivations(
      layout, FloatMatrix(x.data(), tokens, kCols), memory.data(), &packed));

  MatmulOptions options;
  options.scratch_bytes = MatmulScratchBytes(layout, kRows, kCols, tokens);
  std::vector<Line> scratch = Lines(options.scratch_bytes);
  options.scratch = scratch.data();
  for (int i = 0; i < repeats; ++i) {
    NIBBLE_RETURN_IF_ERROR(
        Matmul(weights, packed, FloatMatrix(y.data(), tokens, kRows), options));
  }
  return OkStatus();
}

int List() {
  std::printf("weights %zu\n", kRows * kCols);
  for (const std::string& target : AvailableTargets()) {
    std::printf("target %s\n", target.c_str());
  }
  for (const TypeInfo& info : QuantizedTypes()) {
    std::printf("type %s\n", TypeName(info.type));
  }
  return 0;
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return List();
  const auto type = TypeFromName(argc == 4 ? argv[1] : "");
  if (!type) {
    std::fprintf(stderr, "usage: workload TYPE TOKENS REPEATS | --list\n");
    return 2;
  }
  const Status status =
      Multiply(*type, std::strtoul(argv[2], nullptr, 10), std::atoi(argv[3]));
  if (!status.ok())
    std::fprintf(stderr, "workload: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace nibble

int main(int argc, char** argv) { return nibble::Main(argc, argv); }
