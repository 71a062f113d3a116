// SPDX-License-Identifier: MIT
// Any bytes are a legal row of any type: they decode to what the format's
// definition says, on the target in use, and nothing outside is touched.
//
// Input: type index, target index, blocks, then the row.
#include <cmath>
#include <random>

#include "nibble/formats/all.h"
#include "nibble/nibble.h"
#include "tests/fuzz/fuzz.h"

namespace nibble {
namespace {

constexpr size_t kMaxBlocks = 9;  // past every unrolled loop

// The weight by definition.
template <class F>
float Defined(const uint8_t* row, size_t c) {
  using formats::Reader;
  using Block = typename F::Block;
  const auto* blocks = reinterpret_cast<const Block*>(row + F::kRowHeader);
  return Reader<F>::Weight(blocks[c / F::kBlock], Reader<F>::RowScale(row),
                           c % F::kBlock);
}
float Defined(Type type, const uint8_t* row, size_t c) {
  switch (type) {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  case Type::k##symbol:                                          \
    return Defined<formats::symbol>(row, c);
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
    default:
      std::abort();
  }
}

bool SameNumber(float a, float b) {
  return BitsOf(a) == BitsOf(b) || (std::isnan(a) && std::isnan(b));
}

void CheckRow(const TypeInfo& info, const ConstMatrix& row) {
  // The result in a vector of its own, with a guard that must survive.
  constexpr float kGuard = -12345.0f;
  std::vector<float> x(row.cols + 1, kGuard);
  const Status decoded = Dequantize(row, FloatMatrix(x.data(), 1, row.cols));
  FUZZ_CHECK(decoded.ok(), decoded.message());
  FUZZ_CHECK(x[row.cols] == kGuard, info.name);
  bool finite = true;
  for (size_t c = 0; c < row.cols; ++c) {
    FUZZ_CHECK(SameNumber(x[c], Defined(info.type, row.data, c)), info.name);
    finite = finite && std::isfinite(x[c]);
  }
  const Status status = Validate(row);
  FUZZ_CHECK(status.ok() == status.message().empty(), status.message());
  // fp16 scales cannot overflow f32; the f32 scale of a row can, and so can the
  // last exponents of MXFP4 times a level.
  const bool may_overflow =
      info.row_header_bytes == 4 || info.type == Type::kMXFP4;
  FUZZ_CHECK(finite || !status.ok() || may_overflow, info.name);
}

}  // namespace
}  // namespace nibble

std::vector<FuzzInput> Seeds() {
  std::vector<FuzzInput> seeds;
  std::mt19937 rng(1);
  const size_t targets = nibble::AvailableTargets().size();
  size_t type = 0;
  for (const nibble::TypeInfo& info : nibble::QuantizedTypes()) {
    for (size_t target = 0; target < targets; ++target) {
      FuzzInput seed = {static_cast<uint8_t>(type),
                        static_cast<uint8_t>(target),
                        static_cast<uint8_t>(rng())};
      seed.resize(3 + nibble::RowBytes(
                          info.type, nibble::kMaxBlocks * info.block_weights));
      for (size_t i = 3; i < seed.size(); ++i) {
        seed[i] = static_cast<uint8_t>(rng());
      }
      seeds.push_back(seed);
    }
    ++type;
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::string> targets = nibble::AvailableTargets();
  FuzzReader input(data, size);
  const nibble::TypeList types = nibble::QuantizedTypes();
  const nibble::TypeInfo& info = types.first[input.Byte() % types.size()];
  const std::string& target = targets[input.Byte() % targets.size()];
  const size_t blocks = 1 + input.Byte() % nibble::kMaxBlocks;
  const size_t cols = blocks * info.block_weights;
  std::vector<uint8_t> row(nibble::RowBytes(info.type, cols));
  input.Fill(row.data(), row.size());
  FUZZ_CHECK(nibble::ForceTarget(target).ok(), target);
  nibble::CheckRow(info, nibble::ConstMatrix(info.type, row.data(), 1, cols));
  return 0;
}
