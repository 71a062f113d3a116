// SPDX-License-Identifier: MIT
// The exact search of grids: against every point and every sign pattern in
// double, for the grids of the formats and for made-up ones of other shapes.
#include "nibble/search/codebook_search-inl.h"

#include <array>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "nibble/dequantize.h"
#include "nibble/formats/grids.h"
#include "nibble/quantize.h"
#include "nibble/search/quantize_rows-inl.h"
#include "nibble/validate.h"
#include "src/aligned_memory.h"
#include "tests/for_each.h"

namespace nibble {
namespace {

namespace search = nibble::HWY_NAMESPACE;
using formats::Iq1sGrid;
using formats::Iq2xsGrid;
using formats::Iq3sGrid;
using formats::Iq3xxsGrid;
using search::SignRule;

// 1024 points of eight weights, as in a grid of 10 bits: every even code.
struct WideGrid {
  static constexpr size_t kPoints = 1024;
  static constexpr auto kTable = [] {
    std::array<uint64_t, kPoints> t{};
    constexpr uint64_t kValue[3] = {8, 25, 43};
    for (size_t p = 0; p < kPoints; ++p) {
      size_t digits = 2 * p + p / 512 * 2048;
      for (int k = 0; k < 8; ++k, digits /= 3) {
        t[p] |= kValue[digits % 3] << (8 * k);
      }
    }
    return t;
  }();
  static constexpr const uint64_t* Host() { return kTable.data(); }
};

// 256 points of four weights with eight levels.
struct ShortGrid {
  static constexpr size_t kPoints = 256;
  static constexpr auto kTable = [] {
    std::array<uint32_t, kPoints> t{};
    for (size_t p = 0; p < kPoints; ++p) {
      size_t digits = 13 * p + 5;
      for (int k = 0; k < 4; ++k, digits /= 8) {
        t[p] |= static_cast<uint32_t>(4 + 8 * (digits % 8)) << (8 * k);
      }
    }
    return t;
  }();
  static constexpr const uint32_t* Host() { return kTable.data(); }
};

// A group of weights, drawn to have outliers and exact zeros.
template <int kDim>
struct Sample {
  float x[kDim], w[kDim];
  float scale, shift = 0;

  explicit Sample(std::mt19937& rng) {
    std::student_t_distribution<float> heavy(5);
    std::normal_distribution<float> normal(0, 1);
    std::uniform_real_distribution<float> uniform(0, 1);
    for (int k = 0; k < kDim; ++k) {
      const float g = normal(rng);
      x[k] = uniform(rng) < 0.05f ? 0.0f : 0.5f * heavy(rng);
      w[k] = 0.05f + g * g;
    }
    scale = 0.01f + 0.05f * uniform(rng);
  }
};

// Weighted error of `point` with the signs of `mask`.
template <class Grid, int kZero, int kDim>
double ErrorOf(const Sample<kDim>& s, size_t point, unsigned mask) {
  double error = 0;
  for (int k = 0; k < kDim; ++k) {
    const double q =
        GridByte<Grid>(point, k) - kZero + static_cast<double>(s.shift);
    const double y = ((mask >> k) & 1) != 0 ? -q : q;
    const double difference = s.x[k] - static_cast<double>(s.scale) * y;
    error += static_cast<double>(s.w[k]) * difference * difference;
  }
  return error;
}

// The least errors with an even and with an odd number of minus signs.
struct Parities {
  double even = 1e300, odd = 1e300;

  void Offer(const Parities& other) {
    even = std::min(even, other.even);
    odd = std::min(odd, other.odd);
  }
};

template <class Grid, int kZero, int kDim>
Parities BestSigns(const Sample<kDim>& s, size_t point, bool has_signs) {
  Parities best;
  for (unsigned mask = 0; mask < (has_signs ? 1u << kDim : 1u); ++mask) {
    unsigned ones = 0;
    for (unsigned m = mask; m != 0; m &= m - 1) ++ones;
    double& least = ones % 2 == 0 ? best.even : best.odd;
    least = std::min(least, ErrorOf<Grid, kZero>(s, point, mask));
  }
  return best;
}

// What the rule makes of the errors of two groups.
double Together(SignRule rule, const Parities& a, const Parities& b) {
  if (rule == SignRule::kEven) return a.even + b.even;
  if (rule == SignRule::kEvenInTwo) {
    return std::min(a.even + b.even, a.odd + b.odd);
  }
  return std::min(a.even, a.odd) + std::min(b.even, b.odd);
}

// One FindAll of pairs of groups, each pair against brute force.
template <class Grid, class L, SignRule kRule, int kZero = 0>
void CheckFind(std::mt19937& rng) {
  using Scan = search::CodebookScan<Grid, L, kRule, kZero>;
  constexpr int kDim = Scan::kDim;
  constexpr size_t kLanes = L::kLanes;
  constexpr bool kHasSigns = kRule != SignRule::kInLevels;
  Arena size(nullptr);
  Scan scan;
  scan.Allocate(size);
  AlignedMemory memory;
  REQUIRE(memory.UseOrAllocate(nullptr, 0, size.used()).ok());
  Arena arena(memory.get());
  scan.Allocate(arena);

  std::vector<Sample<kDim>> samples[2];
  alignas(64) float x[2][kDim * kLanes], w[2][kDim * kLanes];
  alignas(64) float y[2][kDim * kLanes], shift[2][kLanes];
  alignas(64) float inverse[kLanes], scores[2][kLanes];
  alignas(64) int32_t codes[2][kLanes];
  for (size_t g = 0; g < 2; ++g) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      samples[g].emplace_back(rng);
      Sample<kDim>& s = samples[g].back();
      s.scale = samples[0][lane].scale;
      if (!kHasSigns) s.shift = lane % 2 != g ? 2.0f : 0.0f;
      inverse[lane] = 1.0f / s.scale;
      shift[g][lane] = s.shift;
      for (int k = 0; k < kDim; ++k) {
        x[g][k * kLanes + lane] = s.x[k];
        w[g][k * kLanes + lane] = s.w[k];
      }
    }
  }
  typename Scan::Group groups[2];
  typename Scan::Found found[2];
  for (size_t g = 0; g < 2; ++g) {
    groups[g].Load(x[g], w[g], y[g]);
    if (!kHasSigns) groups[g].shift = L::Load(shift[g]);
  }
  scan.template FindAll<2>(groups, L::Load(inverse), found);
  for (size_t g = 0; g < 2; ++g) {
    L::StoreI(found[g].code, codes[g]);
    L::Store(found[g].score, scores[g]);
  }

  for (size_t lane = 0; lane < kLanes; ++lane) {
    Parities best[2], chosen[2];
    double power = 0, reach = 0, score = 0;
    const double a = samples[0][lane].scale;
    const auto& levels = Scan::Book::kLevels;
    const double top = levels.value[levels.count - 1];
    for (size_t g = 0; g < 2; ++g) {
      const Sample<kDim>& s = samples[g][lane];
      for (size_t p = 0; p < Grid::kPoints; ++p) {
        best[g].Offer(BestSigns<Grid, kZero>(s, p, kHasSigns));
      }
      const size_t point = Scan::Book::Get().Point(codes[g][lane]);
      REQUIRE(point < Grid::kPoints);
      chosen[g] = BestSigns<Grid, kZero>(s, point, kHasSigns);
      score += scores[g][lane];
      for (int k = 0; k < kDim; ++k) {
        const double xk = s.x[k], wk = s.w[k];
        power += wk * xk * xk;
        reach += wk * top * a * (top * a + 4 * std::fabs(xk));
      }
    }
    // Scores have 2^17 steps up to `reach`; a sum rounds at most ten times.
    const double tolerance = reach * 10 / (1 << 17);
    const double least = Together(kRule, best[0], best[1]);
    REQUIRE(Together(kRule, chosen[0], chosen[1]) <= least + tolerance);
    REQUIRE(std::fabs(score * a * a + power - least) <= tolerance);
  }
}

TEST_CASE("the search finds the best point and signs of every group") {
  std::mt19937 rng(1);
  for (int i = 0; i < 12; ++i) {
    CheckFind<Iq2xsGrid, OneLane, SignRule::kEven>(rng);
    CheckFind<Iq2xsGrid, search::HwyLanes, SignRule::kEven>(rng);
    CheckFind<Iq3xxsGrid, OneLane, SignRule::kEvenInTwo>(rng);
    CheckFind<Iq3xxsGrid, search::HwyLanes, SignRule::kEvenInTwo>(rng);
    CheckFind<Iq3sGrid, search::HwyLanes, SignRule::kFree>(rng);
    CheckFind<Iq1sGrid, OneLane, SignRule::kInLevels, 9>(rng);
    CheckFind<Iq1sGrid, search::HwyLanes, SignRule::kInLevels, 9>(rng);
  }
}

TEST_CASE("grids of other sizes, dimensions and signs are searched as well") {
  std::mt19937 rng(2);
  for (int i = 0; i < 4; ++i) {
    CheckFind<Iq2xsGrid, search::HwyLanes, SignRule::kFree>(rng);
    CheckFind<WideGrid, search::HwyLanes, SignRule::kFree>(rng);
    CheckFind<WideGrid, search::HwyLanes, SignRule::kEven>(rng);
    CheckFind<ShortGrid, search::HwyLanes, SignRule::kFree>(rng);
    CheckFind<ShortGrid, OneLane, SignRule::kEven>(rng);
  }
}

// Follows the program of minima with sets of half codes instead of scores.
template <class Grid>
void CheckProgram() {
  using Book = Codebook<Grid>;
  const Book& book = Book::Get();
  std::vector<std::set<int>> node(Book::kHalfCodes);
  for (int h = 0; h < Book::kHalfCodes; ++h) node[h].insert(h);
  const auto add = [&](std::set<int>& set, int row) {
    const std::set<int>& other = node[row - Book::kFirstNode];
    set.insert(other.begin(), other.end());
  };
  for (int i = 0; i < book.pair_count(); ++i) {
    std::set<int> both;
    add(both, book.pairs()[i].a);
    add(both, book.pairs()[i].b);
    node.push_back(both);
  }
  std::set<size_t> points;
  for (const uint16_t* run = book.lists(); *run != 0;) {
    const int length = run[0], count = run[1];
    run += 2;
    for (int i = 0; i < count; ++i, run += 2 + length) {
      const int h2 = (run[0] - Book::PartRow(2)) +
                     (run[1] - Book::PartRow(3)) * Book::kPartCodes;
      std::set<int> members;
      for (int k = 0; k < length; ++k) add(members, run[2 + k]);
      for (const int h1 : members) {
        const int code = h1 | (h2 << Book::kHalfBits);
        const size_t p = book.Point(code);
        int expected = 0;
        for (int k = 0; k < Book::kDim; ++k) {
          expected +=
              Book::Digit(k) * Book::kLevels.CodeOf(GridByte<Grid>(p, k));
        }
        REQUIRE(code == expected);
        REQUIRE(points.insert(p).second);
      }
    }
  }
  REQUIRE(points.size() == Grid::kPoints);
}

TEST_CASE("the program of minima visits every point once") {
  CheckProgram<Iq2xsGrid>();
  CheckProgram<formats::Iq2xxsGrid>();
  CheckProgram<formats::Iq2sGrid>();
  CheckProgram<Iq3xxsGrid>();
  CheckProgram<Iq3sGrid>();
  CheckProgram<Iq1sGrid>();
  CheckProgram<WideGrid>();
  CheckProgram<ShortGrid>();
}

std::vector<float> QuantizedAndBack(Type type, const std::vector<float>& x,
                                    const std::vector<float>& importance,
                                    Search effort) {
  const size_t cols = x.size();
  std::vector<uint8_t> bytes(RowBytes(type, cols));
  QuantizeOptions options;
  options.importance = importance.empty() ? nullptr : importance.data();
  options.search = effort;
  REQUIRE(Quantize(FloatMatrix(x.data(), 1, cols),
                   MutableMatrix(type, bytes.data(), 1, cols), options)
              .ok());
  const ConstMatrix packed(type, bytes.data(), 1, cols);
  REQUIRE(Validate(packed).ok());
  std::vector<float> y(cols);
  REQUIRE(Dequantize(packed, FloatMatrix(y.data(), 1, cols)).ok());
  for (const float v : y) REQUIRE(std::isfinite(v));
  return y;
}

double RelativeError(const float* x, const float* y, size_t count) {
  double error = 0, power = 0;
  for (size_t i = 0; i < count; ++i) {
    error += std::pow(static_cast<double>(y[i]) - x[i], 2);
    power += std::pow(static_cast<double>(x[i]), 2);
  }
  return std::sqrt(error / power);
}

// Calls f(format) for the formats of grid points.
template <class Function>
void ForEachGridFormat(const Function& f) {
  ForEachFormat([&](auto format) {
    using F = typename decltype(format)::Format;
    if constexpr (formats::GridOf<typename F::Codes>::kIsGrid) f(format);
  });
}

TEST_CASE("grid points at the stored scales survive a round trip") {
  ForEachGridFormat([](auto format) {
    using F = typename decltype(format)::Format;
    using Grid = typename formats::GridOf<typename F::Codes>::Grid;
    constexpr int kDim = formats::GridOf<typename F::Codes>::kDim;
    std::mt19937 rng(3);
    std::vector<float> x(512);
    for (size_t i = 0; i < x.size(); i += kDim) {
      const size_t point = rng() % Grid::kPoints;
      const int multiplier = 9 + 2 * static_cast<int>(i / F::kSub % 4);
      for (int k = 0; k < kDim; ++k) {
        const int q = GridByte<Grid>(point, k) - F::kZero;
        const bool minus = F::kZero == 0 && k < 2;  // an even number of them
        x[i + k] = 0x1p-10f * static_cast<float>((minus ? -q : q) * multiplier);
      }
    }
    const auto y = QuantizedAndBack(format.type, x, {}, Search::kExhaustive);
    INFO(RelativeError(x.data(), y.data(), x.size()));
    REQUIRE(RelativeError(x.data(), y.data(), x.size()) <= 0.06);
  });
}

// The references write everything after a zero sub-block of IQ3_S one sub-block
// too early: errors above 100 %.
TEST_CASE("what follows a zero sub-block is in its place") {
  ForEachGridFormat([](auto format) {
    using F = typename decltype(format)::Format;
    std::mt19937 rng(6);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> x(512);
    for (float& v : x) v = normal(rng);
    const auto plain = QuantizedAndBack(format.type, x, {}, Search::kDefault);
    const double usual = RelativeError(x.data(), plain.data(), x.size());
    for (const size_t zero : {0, 32, 96, 224}) {
      std::fill_n(x.begin() + static_cast<ptrdiff_t>(zero), 32, 0.0f);
    }
    const auto y = QuantizedAndBack(format.type, x, {}, Search::kDefault);
    for (const size_t zero : {0, 32, 96, 224}) {
      // No level is 0: a zero sub-block is the smallest level at the smallest
      // of 16 (8) multipliers, below 1 % of the largest weight.
      for (size_t i = zero; i < zero + 32; ++i)
        REQUIRE(std::fabs(y[i]) < 0.03f);
    }
    INFO(RelativeError(x.data(), y.data(), 256) << ", usually " << usual);
    REQUIRE(RelativeError(x.data(), y.data(), 256) <= 1.15 * usual);
    REQUIRE(F::kBlock == 256);
  });
}

TEST_CASE("magnitudes and importances far apart stay finite and in order") {
  ForEachGridFormat([](auto format) {
    std::mt19937 rng(4);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> x(1024), importance(1024);
    for (size_t i = 0; i < x.size(); ++i) {
      // Sub-blocks from 1e-30 to 1e4; importance from 1e-20 to 1e20.
      x[i] =
          normal(rng) * std::pow(10.0f, static_cast<float>(i / 32 % 35) - 30);
      importance[i] = std::pow(10.0f, static_cast<float>(i % 41) - 20);
    }
    for (const Search effort : {Search::kFast, Search::kDefault,
                                Search::kGradient, Search::kExhaustive}) {
      QuantizedAndBack(format.type, x, importance, effort);
      // Without importance the large sub-blocks must come out about right.
      const auto y = QuantizedAndBack(format.type, x, {}, effort);
      INFO(RelativeError(x.data(), y.data(), x.size()));
      REQUIRE(RelativeError(x.data(), y.data(), x.size()) <= 0.6);
    }
  });
}

TEST_CASE("a row of blocks without importance equals one with little") {
  ForEachGridFormat([](auto format) {
    std::mt19937 rng(5);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> x(1024), importance(1024, 1.0f);
    for (float& v : x) v = normal(rng);
    std::fill_n(importance.begin() + 256, 256, 0.0f);
    const auto zero =
        QuantizedAndBack(format.type, x, importance, Search::kDefault);
    std::fill_n(importance.begin() + 256, 256, 1e-9f);
    REQUIRE(QuantizedAndBack(format.type, x, importance, Search::kDefault) ==
            zero);
  });
}

}  // namespace
}  // namespace nibble
