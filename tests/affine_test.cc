// SPDX-License-Identifier: MIT
// The affine searches: two-level scales on formats that differ in every
// parameter (codes of 2, 4 and 5 bits, sub-blocks of 16 and 32, scales of 4 and 6
// bits), and one exact offset per block.
#include <cmath>
#include <functional>
#include <random>

#include <catch2/catch_test_macros.hpp>
#include "hwy/highway.h"
#include "nibble/formats/q2_k.h"
#include "nibble/formats/q4_1.h"
#include "nibble/formats/q5_1.h"
#include "nibble/formats/q5_k.h"
#include "nibble/search/quantize_rows-inl.h"
#include "src/aligned_memory.h"

namespace nibble {
namespace {

namespace search_ns = nibble::HWY_NAMESPACE;
using formats::Reader;

template <class Body>
void ForEachAffine(const Body& body) {
  SECTION("2 bits") { body(formats::Q2_K()); }
  SECTION("4 bits") { body(formats::Q4_K()); }
  SECTION("5 bits") { body(formats::Q5_K()); }
}

constexpr Search kSearches[] = {Search::kFast, Search::kDefault,
                                Search::kGradient, Search::kExhaustive};

struct Case {
  size_t rows, cols;
  std::vector<float> x, importance;
};

template <class F, class L>
std::vector<typename F::Block> Pack(const Case& c, Search search,
                                    QuantizeResult* result = nullptr) {
  std::vector<typename F::Block> blocks(c.rows * c.cols / F::kBlock);
  const size_t row_bytes = c.cols / F::kBlock * sizeof(typename F::Block);
  QuantizeJob job;
  job.source = FloatMatrix(c.x.data(), c.rows, c.cols);
  job.packed =
      MutableMatrix(Type::kQ4_K, reinterpret_cast<uint8_t*>(blocks.data()),
                    c.rows, c.cols, row_bytes);
  job.rows = {0, c.rows};
  job.importance = c.importance.empty() ? nullptr : c.importance.data();
  job.search = search;
  AlignedMemory scratch;
  REQUIRE(scratch
              .UseOrAllocate(nullptr, 0,
                             search_ns::QuantizeRowsScratch<F, L>(c.cols))
              .ok());
  job.scratch = scratch.get();
  const QuantizeResult r = search_ns::QuantizeRows<F, L>(job);
  if (result != nullptr) {
    *result = r;
  } else {
    REQUIRE(r.problem == QuantizeResult::kNone);
  }
  return blocks;
}

// Weights of the squared error, as the default rule defines them.
std::vector<double> Weights(const Case& c) {
  std::vector<double> w(c.x.size());
  for (size_t b = 0; b < w.size(); b += 256) {
    double sigma2 = 0;
    for (size_t i = 0; i < 256; ++i) {
      sigma2 += 2.0 / 256 * std::pow(static_cast<double>(c.x[b + i]), 2);
    }
    for (size_t i = 0; i < 256; ++i) {
      const double x = c.x[b + i];
      const double p =
          c.importance.empty()
              ? 1.0
              : static_cast<double>(c.importance[(b + i) % c.cols]);
      w[b + i] = p * std::sqrt(sigma2 + x * x);
    }
  }
  return w;
}

template <class F>
double Error(const Case& c, const std::vector<typename F::Block>& blocks) {
  const auto w = Weights(c);
  double error = 0;
  for (size_t i = 0; i < c.x.size(); ++i) {
    const float y =
        Reader<F>::Weight(blocks[i / F::kBlock], 1.0f, i % F::kBlock);
    REQUIRE(std::isfinite(y));
    error += w[i] * std::pow(static_cast<double>(y - c.x[i]), 2);
  }
  return error;
}

// The plain way, in double: each sub-block from its minimum (at most 0) to its
// maximum, the largest scale and min at the top of their integers.
template <class F>
double PlainError(const Case& c) {
  using Scales = search_ns::AffineScales<F, OneLane>;
  const auto w = Weights(c);
  double error = 0;
  for (size_t b = 0; b < c.x.size(); b += F::kBlock) {
    double scale[Scales::kSubs], min[Scales::kSubs], d = 0, dmin = 0;
    for (size_t s = 0; s < Scales::kSubs; ++s) {
      const float* x = c.x.data() + b + s * F::kSub;
      const double low = std::min(0.0f, *std::min_element(x, x + F::kSub));
      const double high = *std::max_element(x, x + F::kSub);
      scale[s] = (high - low) / F::kMaxCode;
      min[s] = -low;
      d = std::max(d, scale[s] / Scales::kTopScale);
      dmin = std::max(dmin, min[s] / Scales::kTopMin);
    }
    for (size_t i = 0; i < F::kBlock; ++i) {
      const size_t s = i / F::kSub;
      const double a = d > 0 ? d * std::round(scale[s] / d) : 0;
      const double o = dmin > 0 ? dmin * std::round(min[s] / dmin) : 0;
      const double x = c.x[b + i];
      const double q = a > 0 ? std::round((x + o) / a) : 0;
      const double y =
          a * std::min(std::max(q, 0.0), 1.0 * F::kMaxCode) - o;
      error += w[b + i] * (y - x) * (y - x);
    }
  }
  return error;
}

// 2 x 1024 values from a generator called with index and random source.
Case Make(const std::function<double(size_t, std::mt19937&)>& value) {
  std::mt19937 rng(3);
  Case c{2, 1024, std::vector<float>(2048), {}};
  for (size_t i = 0; i < c.x.size(); ++i) {
    c.x[i] = static_cast<float>(value(i, rng));
  }
  return c;
}

double Normal(std::mt19937& rng) {
  return std::normal_distribution<double>(0, 1)(rng);
}
double HeavyTailed(std::mt19937& rng) {
  return 0.02 * std::student_t_distribution<double>(5)(rng);
}

struct NamedCase {
  const char* name;
  Case c;
};

std::vector<NamedCase> Cases() {
  const auto heavy = [](size_t, std::mt19937& rng) { return HeavyTailed(rng); };
  std::vector<NamedCase> cases = {
      {"heavy tails", Make(heavy)},
      {"all positive", Make([](size_t, std::mt19937& rng) {
         return 5 + std::abs(Normal(rng));
       })},
      {"all negative", Make([](size_t, std::mt19937& rng) {
         return -5 - std::abs(Normal(rng));
       })},
      {"far from zero", Make([](size_t, std::mt19937& rng) {
         return -1000 + Normal(rng);
       })},
      {"constant per sub-block", Make([](size_t i, std::mt19937&) {
         return std::sin(static_cast<double>(i / 16));
       })},
      {"alternating sign", Make([](size_t i, std::mt19937& rng) {
         return (i % 2 == 0 ? 1 : -1) * (1 + 0.01 * Normal(rng));
       })},
      {"one outlier", Make([](size_t i, std::mt19937& rng) {
         return i % 512 == 77 ? -30.0 : HeavyTailed(rng);
       })},
      {"sub-blocks of many sizes", Make([](size_t i, std::mt19937& rng) {
         return Normal(rng) * std::pow(10.0, static_cast<double>(i / 32 % 6));
       })},
      {"largest half", Make([](size_t i, std::mt19937&) {
         return i % 3 == 0 ? 65504.0 : -65504.0;
       })},
      {"two values", Make([](size_t, std::mt19937& rng) {
         return rng() % 2 == 0 ? 0.25 : -3.0;
       })},
  };
  for (const char* name : {"weights over 40 decades", "zero weights"}) {
    Case c = Make(heavy);
    for (size_t i = 0; i < c.cols; ++i) {
      const bool decades = name[0] == 'w';
      c.importance.push_back(
          decades ? std::pow(10.0f, static_cast<float>(i % 41) - 20.0f)
                  : static_cast<float>(i / 64 % 2));
    }
    cases.push_back({name, c});
  }
  return cases;
}

TEST_CASE("affine: lanes change no byte") {
  ForEachAffine([](auto format) {
    using F = decltype(format);
    for (const NamedCase& named : Cases()) {
      for (const Search search : kSearches) {
        INFO(named.name << ", search " << static_cast<int>(search));
        const auto one = Pack<F, OneLane>(named.c, search);
        const auto many = Pack<F, search_ns::HwyLanes>(named.c, search);
        REQUIRE(memcmp(one.data(), many.data(), one.size() * sizeof(one[0])) ==
                0);
      }
    }
  });
}

TEST_CASE("affine: never worse than minimum to maximum in double") {
  ForEachAffine([](auto format) {
    using F = decltype(format);
    for (const NamedCase& named : Cases()) {
      const double plain = PlainError<F>(named.c);
      for (const Search search : kSearches) {
        INFO(named.name << ", search " << static_cast<int>(search));
        const auto blocks = Pack<F, OneLane>(named.c, search);
        // The reference is not rounded to fp16; d and dmin are, by up to
        // 2^-11 of terms that may be larger than their difference.
        double power = 0;
        const auto w = Weights(named.c);
        for (size_t i = 0; i < w.size(); ++i) {
          power += w[i] * std::pow(static_cast<double>(named.c.x[i]), 2);
        }
        const double rounding = power * std::pow(2.0, -19);
        REQUIRE(Error<F>(named.c, blocks) <= plain + rounding);
      }
    }
  });
}

// d would be zero in fp16, but multiples of its smallest step fit.
TEST_CASE("affine: scales below the fp16 range use larger integers") {
  for (const double size : {1e-4, 1e-5, 3e-6}) {
    const Case c = Make(
        [&](size_t, std::mt19937& rng) { return size * Normal(rng); });
    const auto blocks = Pack<formats::Q4_K, OneLane>(c, Search::kDefault);
    double power = 0;
    const auto w = Weights(c);
    for (size_t i = 0; i < w.size(); ++i) {
      power += w[i] * std::pow(static_cast<double>(c.x[i]), 2);
    }
    INFO("size " << size);
    REQUIRE(std::sqrt(Error<formats::Q4_K>(c, blocks) / power) < 0.12);
  }
}

TEST_CASE("affine: values beyond fp16 are refused at their block") {
  ForEachAffine([](auto format) {
    using F = decltype(format);
    for (const double huge : {1e30, -1e30}) {
      const Case c = Make([&](size_t i, std::mt19937& rng) {
        return i == 1024 + 700 ? huge : HeavyTailed(rng);
      });
      QuantizeResult result;
      Pack<F, search_ns::HwyLanes>(c, Search::kDefault, &result);
      REQUIRE(result.problem == QuantizeResult::kScaleOverflow);
      REQUIRE(result.row == 1);
      REQUIRE(result.col == 512);
    }
  });
}

// The established search of Q4_1 and Q5_1 holds the offset at or below zero as
// soon as there is an importance: blocks of positive weights then waste codes.
template <class F>
void CheckPositiveOffset() {
  const Case c = Make([](size_t i, std::mt19937& rng) {
    return (i / F::kBlock % 2 == 0 ? 2 : -2) + 0.1 * Normal(rng);
  });
  for (const Search search : kSearches) {
    const auto blocks = Pack<F, search_ns::HwyLanes>(c, search);
    double worst = 0;
    for (size_t i = 0; i < c.x.size(); ++i) {
      const float y =
          Reader<F>::Weight(blocks[i / F::kBlock], 1.0f, i % F::kBlock);
      worst = std::max(worst, std::abs(static_cast<double>(y - c.x[i])));
    }
    // Five sigmas in kMaxCode steps; unused or clipped codes cost another step.
    REQUIRE(worst < 2 * 0.5 / F::kMaxCode);
  }
}

TEST_CASE("affine: offsets of either sign are stored") {
  SECTION("Q4_1") { CheckPositiveOffset<formats::Q4_1>(); }
  SECTION("Q5_1") { CheckPositiveOffset<formats::Q5_1>(); }
}

TEST_CASE("affine: offsets at the end of fp16 stay finite") {
  const Case c = Make([](size_t i, std::mt19937& rng) {
    return i % 2 == 0 ? -65504.0 : -65504.0 + 20000 * std::abs(Normal(rng));
  });
  for (const Search search : kSearches) {
    for (const auto& block : Pack<formats::Q4_1, OneLane>(c, search)) {
      REQUIRE(std::isfinite(Reader<formats::Q4_1>::Min(block, 0)));
    }
  }
}

// The exact ternary detection of ik_llama.cpp looks at a whole chunk of rows;
// here every block finds out by itself.
TEST_CASE("affine: ternary blocks are stored exactly") {
  for (const double size : {1.0, 0.02, 300.0}) {
    // Steps of an fp16 number, as weights trained for three levels have.
    const float a = F16ToF32(F32ToF16(static_cast<float>(size)));
    const Case c = Make([&](size_t i, std::mt19937& rng) {
      // Some sub-blocks with two levels or one.
      const unsigned levels = i / 16 % 7 == 0 ? 1 : i / 16 % 5 == 0 ? 2 : 3;
      const int level = static_cast<int>(rng() % levels) - (levels > 1 ? 1 : 0);
      return static_cast<double>(a) * level;
    });
    for (const Search search : kSearches) {
      INFO("size " << size << ", search " << static_cast<int>(search));
      const auto blocks = Pack<formats::Q2_K, search_ns::HwyLanes>(c, search);
      for (size_t i = 0; i < c.x.size(); ++i) {
        REQUIRE(Reader<formats::Q2_K>::Weight(blocks[i / 256], 1.0f,
                                              i % 256) == c.x[i]);
      }
    }
  }
}

TEST_CASE("affine: a free offset fits blocks far from zero") {
  using Fit = search_ns::AffineFit<OneLane, 32, 15, search_ns::Offset::kFree>;
  const AffinePlan plan = AffinePlanFor(Search::kDefault, 15);
  std::mt19937 rng(4);
  for (const double far : {0.0, 1.0, -1.0, 500.0}) {
    float x[32], w[32];
    for (int i = 0; i < 32; ++i) {
      x[i] = static_cast<float>(far + HeavyTailed(rng));
      w[i] = 1.0f;
    }
    Fit fit;
    fit.Run(x, w, plan, Fit::Candidates(plan));
    const double low = *std::min_element(x, x + 32);
    const double step = (*std::max_element(x, x + 32) - low) / 15;
    double ours = 0, plain = 0;
    for (const float v : x) {
      const double s = fit.scale, o = fit.offset;
      const double q = std::round((static_cast<double>(v) - o) / s);
      ours += std::pow(s * std::min(std::max(q, 0.0), 15.0) + o - v, 2);
      plain += std::pow(step * std::round((v - low) / step) + low - v, 2);
    }
    INFO("around " << far);
    REQUIRE(ours <= plain);
  }
}

}  // namespace
}  // namespace nibble
