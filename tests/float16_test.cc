// SPDX-License-Identifier: MIT
// fp16 and bf16 conversions against arithmetic in double.
#include "nibble/float16.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

namespace nibble {
namespace {

double HalfValue(uint32_t half) {
  const int exponent = static_cast<int>((half >> 10) & 31);
  const double mantissa = half & 1023;
  const double v = exponent == 0 ? std::ldexp(mantissa, -24)
                                 : std::ldexp(1024 + mantissa, exponent - 25);
  return (half & 0x8000) != 0 ? -v : v;
}

TEST_CASE("every half widens exactly") {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float x = F16ToF32(static_cast<uint16_t>(half));
    if ((half & 0x7C00) == 0x7C00) {
      REQUIRE(((half & 0x3FF) == 0 ? std::isinf(x) : std::isnan(x)));
    } else {
      REQUIRE(static_cast<double>(x) == HalfValue(half));
    }
    REQUIRE(std::signbit(x) == ((half & 0x8000) != 0));
  }
}

TEST_CASE("every finite half survives the round trip") {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    if ((half & 0x7C00) == 0x7C00) continue;
    REQUIRE(F32ToF16(F16ToF32(static_cast<uint16_t>(half))) == half);
  }
}

TEST_CASE("midpoints between halves go to the even one") {
  for (uint32_t half = 0; half < 0x7BFF; ++half) {
    const double low = HalfValue(half), high = HalfValue(half + 1);
    const float mid = static_cast<float>((low + high) / 2);  // exact
    REQUIRE(F32ToF16(mid) == (half % 2 == 0 ? half : half + 1));
    REQUIRE(F32ToF16(std::nextafter(mid, 0.0f)) == half);
    REQUIRE(F32ToF16(std::nextafter(mid, 1e9f)) == half + 1);
  }
}

TEST_CASE("halves overflow to infinity at 65520") {
  REQUIRE(F32ToF16(65504.0f) == 0x7BFF);
  REQUIRE(F32ToF16(std::nextafter(65520.0f, 0.0f)) == 0x7BFF);
  REQUIRE(F32ToF16(65520.0f) == 0x7C00);
  REQUIRE(F32ToF16(-1e30f) == 0xFC00);
  REQUIRE(F32ToF16(std::numeric_limits<float>::quiet_NaN()) == 0x7E00);
}

TEST_CASE("bf16 rounds to nearest even and keeps NaN") {
  REQUIRE(F32ToBF16(1.0f) == 0x3F80);
  REQUIRE(F32ToBF16(FloatOf(0x3F808000)) == 0x3F80);  // tie to even
  REQUIRE(F32ToBF16(FloatOf(0x3F818000)) == 0x3F82);  // tie to even
  REQUIRE(F32ToBF16(FloatOf(0x3F808001)) == 0x3F81);
  REQUIRE(std::isnan(BF16ToF32(F32ToBF16(FloatOf(0x7F800001)))));
  REQUIRE(BF16ToF32(0xC000) == -2.0f);
}

}  // namespace
}  // namespace nibble
