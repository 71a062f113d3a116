// SPDX-License-Identifier: MIT
// What holds for every type whatever the shape and the numbers: random cases,
// the same ones every time.
#include <catch2/catch_test_macros.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "nibble/float16.h"
#include "nibble/nibble.h"

namespace nibble {
namespace {

// A matrix as someone might hold it: any float type, padded rows, any of a few
// distributions.
struct Case {
  Case(const TypeInfo& info, uint32_t seed) : rng(seed) {
    rows = 1 + rng() % 5;
    cols = info.block_weights * (1 + rng() % 5);
    const Type types[] = {Type::kF32, Type::kF16, Type::kBF16};
    source_type = types[rng() % 3];
    stride = (cols + rng() % 7) * (source_type == Type::kF32 ? 4 : 2);
    options.search = static_cast<Search>(rng() % 4);
    options.weights = static_cast<WeightRule>(rng() % 2);
    if (rng() % 3 != 0) FillImportance();
    Fill();
  }

  ConstMatrix Source() const {
    return ConstMatrix(source_type, source.data(), rows, cols, stride);
  }
  // The source widened, row after row.
  std::vector<float> Floats() const {
    std::vector<float> x(rows * cols);
    REQUIRE(Dequantize(Source(), FloatMatrix(x.data(), rows, cols)).ok());
    return x;
  }

  std::mt19937 rng;
  size_t rows, cols, stride;
  Type source_type;
  std::vector<uint8_t> source;
  std::vector<float> importance;
  QuantizeOptions options;

 private:
  void FillImportance() {
    std::normal_distribution<float> normal;
    importance.resize(cols);
    for (float& p : importance) {
      const float g = normal(rng);
      p = rng() % 8 == 0 ? 0.0f : 0.05f + g * g;
    }
    options.importance = importance.data();
  }

  float Draw(uint64_t kind) {
    std::normal_distribution<float> normal;
    std::student_t_distribution<float> heavy(3);
    switch (kind) {
      case 0:
        return normal(rng);
      case 1:
        return 0.02f * heavy(rng);
      case 2:  // sparse
        return rng() % 4 == 0 ? normal(rng) : 0.0f;
      case 3:  // a lattice, as of weights that were quantized before
        return 0.25f * static_cast<float>(static_cast<int>(rng() % 9) - 4);
      default:  // columns of very different size
        return normal(rng) * std::exp2(static_cast<float>(rng() % 12) - 8.0f);
    }
  }

  void Fill() {
    const auto kind = rng() % 5;
    source.assign(rows * stride, 0xFF);  // padding: NaN
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) {
        const float x = Draw(kind);
        uint8_t* at = &source[r * stride];
        if (source_type == Type::kF32) {
          memcpy(at + 4 * c, &x, 4);
        } else {
          const uint16_t half =
              source_type == Type::kF16 ? F32ToF16(x) : F32ToBF16(x);
          memcpy(at + 2 * c, &half, 2);
        }
      }
    }
  }
};

// Packed tightly, and decoded.
struct Packed {
  Packed(const TypeInfo& info, const ConstMatrix& source,
         const QuantizeOptions& options)
      : bytes(source.rows * RowBytes(info.type, source.cols)),
        view(info.type, bytes.data(), source.rows, source.cols),
        y(source.rows * source.cols) {
    const Status status = Quantize(source, view, options);
    INFO(status.message());
    REQUIRE(status.ok());
    REQUIRE(Validate(view).ok());
    REQUIRE(Dequantize(view, FloatMatrix(y.data(), source.rows, source.cols))
                .ok());
  }
  std::vector<uint8_t> bytes;
  MutableMatrix view;
  std::vector<float> y;
};

template <class Body>
void ForRandomCases(uint32_t first, uint32_t count, const Body& body) {
  for (const TypeInfo& info : QuantizedTypes()) {
    INFO(info.name);
    for (uint32_t seed = first; seed < first + count; ++seed) {
      INFO("seed " << seed);
      body(info, seed);
    }
  }
}

TEST_CASE("quantized rows are valid and closer than zeros") {
  ForRandomCases(100, 12, [](const TypeInfo& info, uint32_t seed) {
    Case c(info, seed);
    c.options.weights = WeightRule::kImportance;
    const Packed packed(info, c.Source(), c.options);
    const std::vector<float> x = c.Floats();
    double error = 0, power = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      REQUIRE(std::isfinite(packed.y[i]));
      const double p = c.importance.empty() ? 1.0 : c.importance[i % c.cols];
      error += p * std::pow(static_cast<double>(x[i]) - packed.y[i], 2);
      power += p * std::pow(static_cast<double>(x[i]), 2);
    }
    REQUIRE(error <= power);
  });
}

TEST_CASE("rows are quantized independently of each other", "[search]") {
  ForRandomCases(200, 6, [](const TypeInfo& info, uint32_t seed) {
    const Case c(info, seed);
    const Packed whole(info, c.Source(), c.options);
    const size_t row_bytes = RowBytes(info.type, c.cols);
    for (size_t r = 0; r < c.rows; ++r) {
      const Packed alone(info, c.Source().Rows(r, r + 1), c.options);
      REQUIRE(memcmp(alone.bytes.data(), &whole.bytes[r * row_bytes],
                     row_bytes) == 0);
    }
  });
}

TEST_CASE("twice the weights are twice the result, exactly") {
  ForRandomCases(300, 6, [](const TypeInfo& info, uint32_t seed) {
    const Case c(info, seed);
    std::vector<float> x = c.Floats();
    for (float& v : x) v *= 16.0f;  // scales far from the subnormal halves
    const Packed once(info, FloatMatrix(x.data(), c.rows, c.cols), c.options);
    for (float& v : x) v *= 2.0f;
    const Packed twice(info, FloatMatrix(x.data(), c.rows, c.cols), c.options);
    for (size_t i = 0; i < x.size(); ++i) {
      REQUIRE(twice.y[i] == 2.0f * once.y[i]);
    }
  });
}

// |result - exact| for weights and activations as floats: activations lose half
// a step of 1/127 of the largest in their 32 (int8) or 2^-8 of themselves
// (bf16, weights too); sums are in f32.
double Bound(const float* w, const float* x, size_t cols, bool bf16) {
  double bound = 0, magnitude = 0;
  for (size_t b = 0; b < cols; b += 32) {
    const size_t end = std::min(cols, b + 32);
    double peak = 0;
    for (size_t c = b; c < end; ++c) {
      peak = std::max(peak, std::fabs(static_cast<double>(x[c])));
    }
    for (size_t c = b; c < end; ++c) {
      bound += std::fabs(w[c]) * peak / 254.0;
      magnitude += std::fabs(static_cast<double>(w[c]) * x[c]);
    }
  }
  return (bf16 ? magnitude / 100.0 : 1.001 * bound) + 1e-5 * magnitude + 1e-30;
}

TEST_CASE("products are those of the decoded weights") {
  ForRandomCases(400, 5, [](const TypeInfo& info, uint32_t seed) {
    Case c(info, seed);
    const Packed packed(info, c.Source(), c.options);
    const size_t tokens = 1 + c.rng() % 20;
    std::normal_distribution<float> normal;
    std::vector<float> x(tokens * c.cols), y(tokens * c.rows, NAN);
    for (float& v : x) v = normal(c.rng) * (c.rng() % 64 == 0 ? 20.0f : 1.0f);
    REQUIRE(Matmul(packed.view, FloatMatrix(x.data(), tokens, c.cols),
                   FloatMatrix(y.data(), tokens, c.rows))
                .ok());
    const bool bf16 = ChooseActivationLayout(info.type, tokens).kind ==
                      ActivationKind::kBf16Panels;
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t r = 0; r < c.rows; ++r) {
        const float* w = &packed.y[r * c.cols];
        double exact = 0;
        for (size_t k = 0; k < c.cols; ++k) {
          exact += static_cast<double>(w[k]) * x[t * c.cols + k];
        }
        REQUIRE(std::fabs(y[t * c.rows + r] - exact) <=
                Bound(w, &x[t * c.cols], c.cols, bf16));
      }
    }
  });
}

}  // namespace
}  // namespace nibble
