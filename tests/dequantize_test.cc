// SPDX-License-Identifier: MIT
// Dequantize on every target against the conformance vectors and the scalar
// machine.
#include "nibble/dequantize.h"

#include <cmath>
#include <random>

#include "nibble/validate.h"
#include "tests/golden.h"

namespace nibble {
namespace {

std::vector<uint8_t> RandomBytes(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<uint8_t> bytes(n);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng());
  return bytes;
}

TEST_CASE("conformance vectors decode bit for bit on every target") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      const Golden golden = LoadGolden(format);
      const size_t cols = golden.decoded.size();
      std::vector<float> out(cols);
      const Status status =
          Dequantize(ConstMatrix(format.type, golden.packed.data(), 1, cols),
                     FloatMatrix(out.data(), 1, cols));
      REQUIRE(status.ok());
      for (size_t c = 0; c < cols; ++c) {
        REQUIRE(BitsOf(out[c]) == BitsOf(golden.decoded[c]));
      }
    });
  });
}

TEST_CASE("any bytes decode like the scalar machine, at odd addresses") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      const size_t cols = 3 * F::kBlock, rows = 5;
      const size_t stride = RowBytes(format.type, cols) + 3;
      const auto bytes = RandomBytes(rows * stride + 1, 7);
      std::vector<float> out(rows * cols);
      REQUIRE(Dequantize(ConstMatrix(format.type, bytes.data() + 1, rows, cols,
                                     stride),
                         FloatMatrix(out.data(), rows, cols))
                  .ok());
      for (size_t r = 0; r < rows; ++r) {
        const uint8_t* row = bytes.data() + 1 + r * stride;
        const float row_scale = formats::Reader<F>::RowScale(row);
        const auto* blocks =
            reinterpret_cast<const typename F::Block*>(row + F::kRowHeader);
        for (size_t c = 0; c < cols; ++c) {
          const float want = formats::Reader<F>::Weight(
              blocks[c / F::kBlock], row_scale, c % F::kBlock);
          const float got = out[r * cols + c];
          if (std::isnan(want)) {
            REQUIRE(std::isnan(got));
          } else {
            REQUIRE(BitsOf(got) == BitsOf(want));
          }
        }
      }
    });
  });
}

TEST_CASE("narrow results are the f32 results rounded to nearest even") {
  ForEachFormat([](auto format) {
    const Golden golden = LoadGolden(format);
    const size_t cols = golden.decoded.size();
    for (const Type type : {Type::kF16, Type::kBF16}) {
      std::vector<uint16_t> out(cols);
      REQUIRE(Dequantize(
                  ConstMatrix(format.type, golden.packed.data(), 1, cols),
                  MutableMatrix(type, reinterpret_cast<uint8_t*>(out.data()), 1,
                                cols))
                  .ok());
      for (size_t c = 0; c < cols; ++c) {
        const float x = golden.decoded[c];
        REQUIRE(out[c] ==
                (type == Type::kF16 ? F32ToF16(x) : F32ToBF16(x)));
      }
    }
  });
}

TEST_CASE("rows longer than a slice narrow like short ones") {
  ForEachFormat([](auto format) {
    const size_t cols = 1024 * 2 + 256;
    auto row = RandomBytes(RowBytes(format.type, cols), 11);
    std::vector<float> wide(cols);
    std::vector<uint16_t> narrow(cols);
    const ConstMatrix packed(format.type, row.data(), 1, cols);
    REQUIRE(Dequantize(packed, FloatMatrix(wide.data(), 1, cols)).ok());
    REQUIRE(Dequantize(packed,
                       MutableMatrix(Type::kBF16,
                                     reinterpret_cast<uint8_t*>(narrow.data()),
                                     1, cols))
                .ok());
    for (size_t c = 0; c < cols; ++c) REQUIRE(narrow[c] == F32ToBF16(wide[c]));
  });
}

TEST_CASE("bytes between the output rows are not touched") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const size_t cols = F::kBlock, rows = 3, stride = cols + 5;
    const auto bytes = RandomBytes(rows * RowBytes(format.type, cols), 5);
    std::vector<float> out(rows * stride, 42.0f);
    REQUIRE(Dequantize(ConstMatrix(format.type, bytes.data(), rows, cols),
                       FloatMatrix(out.data(), rows, cols, stride))
                .ok());
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = cols; c < stride; ++c) {
        REQUIRE(out[r * stride + c] == 42.0f);
      }
    }
  });
}

TEST_CASE("validate accepts the conformance vectors") {
  ForEachFormat([](auto format) {
    const Golden golden = LoadGolden(format);
    REQUIRE(Validate(ConstMatrix(format.type, golden.packed.data(), 1,
                                 golden.decoded.size()))
                .ok());
  });
}

TEST_CASE("validate names the row whose scale is not finite") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const size_t cols = 2 * F::kBlock, row_bytes = RowBytes(format.type, cols);
    std::vector<uint8_t> bytes(2 * row_bytes, 0);
    if constexpr (F::kRowHeader == 4) {
      const uint32_t nan = 0x7FC00000u;
      memcpy(bytes.data() + row_bytes, &nan, 4);
    } else if constexpr (F::kRowHeader == 2) {
      const uint16_t infinity = 0x7C00;
      memcpy(bytes.data() + row_bytes, &infinity, 2);
    } else {
      auto* blocks =
          reinterpret_cast<typename F::Block*>(bytes.data() + row_bytes);
      if constexpr (formats::ScaleOf<F>::type::kCoded) {
        blocks[1].d.bytes[0] = 0xFF;
      } else {
        formats::SetHalfBits<F>(blocks[1], 0x7C00);  // infinity
      }
    }
    const Status status =
        Validate(ConstMatrix(format.type, bytes.data(), 2, cols));
    REQUIRE(status.code() == StatusCode::kInvalidData);
    REQUIRE(status.message().find("row 1") != std::string::npos);
  });
}

}  // namespace
}  // namespace nibble
