// SPDX-License-Identifier: MIT
// Ternary formats: input that is ternary already, and the best threshold.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include "hwy/highway.h"
#include "nibble/formats/iq1_bn.h"
#include "nibble/formats/iq2_bn.h"
#include "nibble/formats/tq1_0.h"
#include "nibble/formats/tq2_0.h"
#include "nibble/search/quantize_rows-inl.h"
#include "src/aligned_memory.h"

namespace nibble {
namespace {

namespace search_ns = nibble::HWY_NAMESPACE;
using formats::Reader;

// One row of a format, quantized by importance alone and decoded.
template <class F>
std::vector<float> Roundtrip(const std::vector<float>& x,
                             const std::vector<float>& importance,
                             Search search) {
  const size_t bytes =
      F::kRowHeader + x.size() / F::kBlock * sizeof(typename F::Block);
  std::vector<uint8_t> row(bytes);
  QuantizeJob job;
  job.source = FloatMatrix(x.data(), 1, x.size());
  job.packed = MutableMatrix(Type::kF32, row.data(), 1, x.size(), bytes);
  job.rows = {0, 1};
  job.importance = importance.data();
  job.search = search;
  job.weights = WeightRule::kImportance;
  AlignedMemory scratch;
  REQUIRE(
      scratch
          .UseOrAllocate(nullptr, 0,
                         search_ns::QuantizeRowsScratch<F, OneLane>(x.size()))
          .ok());
  job.scratch = scratch.get();
  REQUIRE(search_ns::QuantizeRows<F, OneLane>(job).problem ==
          QuantizeResult::kNone);
  std::vector<float> y(x.size());
  const auto* blocks = reinterpret_cast<const typename F::Block*>(
      row.data() + F::kRowHeader);
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = Reader<F>::Weight(blocks[i / F::kBlock],
                             Reader<F>::RowScale(row.data()), i % F::kBlock);
  }
  return y;
}

template <class Body>
void ForEachTernary(const Body& body) {
  SECTION("IQ1_BN") { body(formats::IQ1_BN()); }
  SECTION("IQ2_BN") { body(formats::IQ2_BN()); }
  SECTION("TQ1_0") { body(formats::TQ1_0()); }
  SECTION("TQ2_0") { body(formats::TQ2_0()); }
}

std::vector<float> Random(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::student_t_distribution<float> heavy(5);
  std::vector<float> x(n);
  for (float& v : x) v = heavy(rng);
  return x;
}

TEST_CASE("weights that are ternary already are stored exactly") {
  ForEachTernary([](auto format) {
    using F = decltype(format);
    const std::vector<float> random = Random(512, 1);
    std::vector<float> importance = Random(512, 2);
    for (float& p : importance) p *= p;
    for (const float d : {0.0371093750f, 1.0f, 3.0f, 60000.0f}) {
      std::vector<float> x(512);
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = random[i] > 0.7f ? d : random[i] < -0.7f ? -d : 0.0f;
      }
      for (const Search search : {Search::kFast, Search::kDefault,
                                  Search::kGradient, Search::kExhaustive}) {
        REQUIRE(Roundtrip<F>(x, importance, search) == x);
      }
    }
  });
}

// The least weighted error over all thresholds, by sorting.
double LeastError(const float* x, const float* w, size_t n) {
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [x](size_t a, size_t b) {
    return std::fabs(x[a]) > std::fabs(x[b]);
  });
  double power = 0, sx = 0, sq = 0, best = 0;
  for (const size_t i : order) {
    const double a = std::fabs(static_cast<double>(x[i]));
    power += w[i] * a * a;
    sx += w[i] * a;
    sq += w[i];
    best = std::max(best, sx * sx / sq);
  }
  return power - best;
}

TEST_CASE("thresholds are the best there are, or close") {
  ForEachTernary([](auto format) {
    using F = decltype(format);
    const size_t n = F::kRowHeader != 0 ? 1024 : F::kBlock;
    for (uint32_t seed = 10; seed < 15; ++seed) {
      const std::vector<float> x = Random(n, seed);
      std::vector<float> importance = Random(n, seed + 100);
      for (float& p : importance) p = p * p + 0.01f;
      const double least = LeastError(x.data(), importance.data(), n);
      const auto error = [&](Search search) {
        const std::vector<float> y = Roundtrip<F>(x, importance, search);
        double sum = 0;
        for (size_t i = 0; i < n; ++i) {
          sum += importance[i] * std::pow(static_cast<double>(x[i]) - y[i], 2);
        }
        return sum;
      };
      REQUIRE(error(Search::kExhaustive) <= 1.0001 * least);
      REQUIRE(error(Search::kDefault) <= 1.005 * least);
      REQUIRE(error(Search::kFast) <= 1.02 * least);
    }
  });
}

}  // namespace
}  // namespace nibble
