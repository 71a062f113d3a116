// SPDX-License-Identifier: MIT
// Codes that are tied together: as good as trying every combination.
#include <cmath>
#include <random>

#include <catch2/catch_test_macros.hpp>
#include "hwy/highway.h"
#include "nibble/formats/iq2_kl.h"
#include "nibble/formats/iq4_kss.h"
#include "nibble/search/joint_codes-inl.h"

namespace nibble {
namespace {

namespace search_ns = nibble::HWY_NAMESPACE;
using formats::IQ4_KSS;

int Ones(int code) { return __builtin_popcount(static_cast<unsigned>(code)); }

// The least weighted error of four codes with an even number of ones.
double BestOfAllTuples(const float* x, const float* w, const size_t* at,
                       double scale, int shift) {
  double cost[4][16];
  for (size_t j = 0; j < 4; ++j) {
    for (int c = 0; c < 16; ++c) {
      const double r = x[at[j]] - scale * (formats::kIq4Levels[c] + shift);
      cost[j][c] = w[at[j]] * r * r;
    }
  }
  double best = 1e300;
  for (int t = 0; t < 65536; ++t) {
    if (Ones(t) % 2 != 0) continue;
    best = std::min(best, cost[0][t & 15] + cost[1][t >> 4 & 15] +
                              cost[2][t >> 8 & 15] + cost[3][t >> 12]);
  }
  return best;
}

// The reference repairs codes with the scale's magnitude where the scale is
// negative, and prices the repair on the first table line when it works on the
// second.
TEST_CASE("IQ4_KSS: four codes are the best of all with even parity, for "
          "either sign of the scale and on both table lines") {
  using Joint = search_ns::JointCodes<IQ4_KSS, OneLane>;
  std::mt19937 rng(1);
  std::student_t_distribution<float> heavy(5);
  std::uniform_real_distribution<float> weight(0.01f, 2.0f);
  for (const float scale : {0.01f, -0.01f, 0.003f, -0.03f}) {
    for (const int shift : {0, 4}) {
      float x[32], w[32];
      for (size_t i = 0; i < 32; ++i) {
        x[i] = 0.5f * heavy(rng);
        w[i] = weight(rng);
      }
      int32_t codes[32];
      Joint::Encode(x, w, 1.0f / scale, static_cast<float>(shift), codes);
      float sx, sq;
      Joint::Sums(x, w, 1.0f / scale, static_cast<float>(shift), sx, sq);
      double want_sx = 0, want_sq = 0;
      for (size_t word = 0; word < Joint::kWords; ++word) {
        size_t at[4];
        double error = 0;
        int ones = 0;
        for (size_t j = 0; j < 4; ++j) {
          at[j] = Joint::At(word, j);
          const int code = codes[at[j]];
          const double q = formats::kIq4Levels[code] + shift;
          const double r = x[at[j]] - static_cast<double>(scale) * q;
          error += w[at[j]] * r * r;
          want_sx += w[at[j]] * q * x[at[j]];
          want_sq += w[at[j]] * q * q;
          ones += Ones(code);
        }
        REQUIRE(ones % 2 == 0);
        REQUIRE(error <=
                BestOfAllTuples(x, w, at, scale, shift) * (1 + 1e-5) + 1e-9);
      }
      // The sums are those of the codes.
      REQUIRE(std::abs(sx - want_sx) <= 1e-4 * std::abs(want_sx));
      REQUIRE(std::abs(sq - want_sq) <= 1e-4 * want_sq);
    }
  }
}

TEST_CASE("IQ2_KL: the point of a pair is the nearest of the grid") {
  using Grid = formats::Iq2klGrid;
  using Joint = search_ns::JointCodes<formats::IQ2_KL, OneLane>;
  std::mt19937 rng(2);
  std::normal_distribution<float> normal(0.0f, 40.0f);
  std::uniform_real_distribution<float> weight(0.01f, 2.0f);
  for (int i = 0; i < 20000; ++i) {
    const float z[2] = {normal(rng), normal(rng)};
    const float w[2] = {weight(rng), weight(rng)};
    const auto cost = [&](uint32_t index) {
      double sum = 0;
      for (int m = 0; m < 2; ++m) {
        const auto level = static_cast<int8_t>(Grid::Pair(index) >> (8 * m));
        sum += w[m] * std::pow(static_cast<double>(z[m]) - level, 2);
      }
      return sum;
    };
    double best = 1e300;
    for (uint32_t index = 0; index < 32; ++index) {
      best = std::min(best, cost(index));
    }
    const auto p = Joint::Nearest<true>(z[0], z[1], w[0], w[1]);
    const auto code = static_cast<uint32_t>(p.code);
    REQUIRE(cost(code) <= best * (1 + 1e-5));
    REQUIRE(p.q0 == static_cast<int8_t>(Grid::Pair(code)));
    REQUIRE(p.q1 == static_cast<int8_t>(Grid::Pair(code) >> 8));
  }
}

}  // namespace
}  // namespace nibble
