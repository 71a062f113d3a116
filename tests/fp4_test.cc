// SPDX-License-Identifier: MIT
// 4-bit floats and their coded scales.
#include <cmath>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include "hwy/highway.h"
#include "nibble/formats/mxfp4.h"
#include "nibble/formats/nvfp4.h"
#include "nibble/search/quantize_rows-inl.h"
#include "src/aligned_memory.h"

namespace nibble {
namespace {

namespace search_ns = nibble::HWY_NAMESPACE;
using formats::MXFP4;
using formats::NVFP4;
using formats::Reader;
using formats::ScaleOf;

TEST_CASE("the nearest 4-bit float is the nearest") {
  using Levels = search_ns::Fp4Levels<OneLane>;
  for (int i = -20000; i <= 20000; ++i) {
    const float z = static_cast<float>(i) / 1000.0f;
    float best = 1e30f;
    for (const int8_t level : formats::kFp4Levels) {
      best = std::min(best, std::fabs(z - static_cast<float>(level)));
    }
    const float q = Levels::Near(z);
    REQUIRE(std::fabs(z - q) == best);
    const int32_t code = Levels::Code(z);
    REQUIRE(static_cast<float>(formats::kFp4Levels[code]) == q);
  }
}

template <class F>
void CheckAtLeast() {
  using Kind = typename ScaleOf<F>::type;
  for (uint32_t code = 0; code < Kind::kMaxCode; ++code) {
    const float d = Kind::Decode(code), next = Kind::Decode(code + 1);
    REQUIRE(d < next);
    REQUIRE(Kind::AtLeast(d) == code);
    REQUIRE(Kind::AtLeast(std::nextafter(d, 1e38f)) == code + 1);
    REQUIRE(Kind::AtLeast(next) == code + 1);
  }
  REQUIRE(Kind::AtLeast(0.0f) == 0);
  REQUIRE(Kind::AtLeast(3e38f) > Kind::kMaxCode);
}
TEST_CASE("codes of scales are found again") {
  CheckAtLeast<MXFP4>();
  CheckAtLeast<NVFP4>();
}

// Quantizes a row of levels times `scale` and returns what it decodes to.
template <class F>
void CheckStoredExactly(float scale) {
  std::vector<float> x(F::kBlock);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = scale * static_cast<float>(formats::kFp4Levels[(i * 5 + 2) % 16]);
  }
  typename F::Block block;
  QuantizeJob job;
  job.source = FloatMatrix(x.data(), 1, x.size());
  job.packed = MutableMatrix(Type::kF32, reinterpret_cast<uint8_t*>(&block), 1,
                             x.size(), sizeof(block));
  job.rows = {0, 1};
  AlignedMemory scratch;
  REQUIRE(
      scratch
          .UseOrAllocate(nullptr, 0,
                         search_ns::QuantizeRowsScratch<F, OneLane>(x.size()))
          .ok());
  job.scratch = scratch.get();
  REQUIRE(search_ns::QuantizeRows<F, OneLane>(job).problem ==
          QuantizeResult::kNone);
  for (size_t i = 0; i < x.size(); ++i) {
    REQUIRE(Reader<F>::Weight(block, 1.0f, i) == x[i]);
  }
}

// The reference stores every NVFP4 scale of 128 and more as the largest, 224.
TEST_CASE("blocks of 4-bit floats under every scale are stored exactly") {
  using Power = ScaleOf<MXFP4>::type;
  for (uint32_t code = 0; code <= Power::kMaxCode; ++code) {
    CheckStoredExactly<MXFP4>(Power::Decode(code));
  }
  using Small = ScaleOf<NVFP4>::type;
  for (uint32_t code = 0; code <= Small::kMaxCode; ++code) {
    CheckStoredExactly<NVFP4>(Small::Decode(code));
  }
}

}  // namespace
}  // namespace nibble
