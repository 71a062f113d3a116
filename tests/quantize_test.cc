// SPDX-License-Identifier: MIT
// Quantize: the same bytes everywhere, errors that a plain double reference does
// not beat, and a Status or a sane result for every extreme.
#include "nibble/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <sstream>
#include <thread>

#include "bench/threads.h"
#include "bench/weighted_error.h"
#include "hwy/highway.h"
#include "nibble/dequantize.h"
#include "nibble/search/codebook_tables.h"
#include "nibble/search/quantize_rows-inl.h"
#include "nibble/validate.h"
#include "src/aligned_memory.h"
#include "tests/for_each.h"

namespace nibble {
namespace {

// A source matrix with its importance.
struct Rows {
  size_t rows, cols;
  std::vector<float> x;
  std::vector<float> importance;
};

Rows HeavyTailed(size_t rows, size_t cols, uint32_t seed) {
  std::mt19937 rng(seed);
  std::student_t_distribution<float> heavy(5);
  std::normal_distribution<float> normal(0, 1);
  Rows m{rows, cols, std::vector<float>(rows * cols), std::vector<float>(cols)};
  for (float& v : m.x) v = 0.02f * heavy(rng);
  for (float& p : m.importance) {
    const float g = normal(rng);
    p = 0.05f + g * g;
  }
  return m;
}

// Packs m; `options.importance` is taken from m.
std::vector<uint8_t> Pack(const Rows& m, Type type, QuantizeOptions options) {
  std::vector<uint8_t> bytes(m.rows * RowBytes(type, m.cols));
  options.importance = m.importance.empty() ? nullptr : m.importance.data();
  const Status status =
      Quantize(FloatMatrix(m.x.data(), m.rows, m.cols),
               MutableMatrix(type, bytes.data(), m.rows, m.cols), options);
  INFO(status.message());
  REQUIRE(status.ok());
  return bytes;
}

std::vector<float> Unpack(const Rows& m, Type type,
                          const std::vector<uint8_t>& bytes) {
  std::vector<float> y(m.rows * m.cols);
  REQUIRE(Dequantize(ConstMatrix(type, bytes.data(), m.rows, m.cols),
                     FloatMatrix(y.data(), m.rows, m.cols))
              .ok());
  return y;
}

double Wrmse(const Rows& m, const std::vector<float>& y, bool magnitude) {
  WeightedError error;
  for (size_t r = 0; r < m.rows; ++r) {
    error.AddRow(m.x.data() + r * m.cols, y.data() + r * m.cols,
                 m.importance.empty() ? nullptr : m.importance.data(), m.cols);
  }
  return magnitude ? error.wrmse_mag() : error.wrmse();
}

// Packs m with the one-lane instance of the searches: the reference.
template <class F>
std::vector<uint8_t> PackOneLane(const Rows& m, Type type, Search search,
                                 WeightRule rule) {
  namespace search_ns = nibble::HWY_NAMESPACE;
  std::vector<uint8_t> bytes(m.rows * RowBytes(type, m.cols));
  QuantizeJob job;
  job.source = FloatMatrix(m.x.data(), m.rows, m.cols);
  job.packed = MutableMatrix(type, bytes.data(), m.rows, m.cols);
  job.rows = {0, m.rows};
  job.importance = m.importance.empty() ? nullptr : m.importance.data();
  job.search = search;
  job.weights = rule;
  AlignedMemory scratch;
  REQUIRE(scratch
              .UseOrAllocate(
                  nullptr, 0,
                  search_ns::QuantizeRowsScratch<F, OneLane>(m.cols))
              .ok());
  job.scratch = scratch.get();
  const QuantizeResult result = search_ns::QuantizeRows<F, OneLane>(job);
  REQUIRE(result.problem == QuantizeResult::kNone);
  return bytes;
}

constexpr Search kSearches[] = {Search::kFast, Search::kDefault,
                                Search::kGradient, Search::kExhaustive};
constexpr WeightRule kRules[] = {WeightRule::kImportanceMagnitude,
                                 WeightRule::kImportance};

TEST_CASE("bytes are those of the one-lane reference on every target") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    for (const Search search : kSearches) {
      for (const WeightRule rule : kRules) {
        const Rows m = HeavyTailed(2, F::kBlock * 3, 5);
        const auto want = PackOneLane<F>(m, format.type, search, rule);
        for (const std::string& target : AvailableTargets()) {
          REQUIRE(ForceTarget(target).ok());
          QuantizeOptions options;
          options.search = search;
          options.weights = rule;
          INFO("target " << target << ", search " << static_cast<int>(search));
          REQUIRE(Pack(m, format.type, options) == want);
          REQUIRE(ChosenTarget() == target);
        }
        REQUIRE(ForceTarget("").ok());
      }
    }
  });
}

TEST_CASE("bytes are the same for every number of columns on every target") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    // Around every slice and vector edge: 1 .. 17 blocks, and past a slice.
    for (const size_t blocks : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 19}) {
      const Rows m = HeavyTailed(3, F::kBlock * blocks, 6);
      const auto want = PackOneLane<F>(m, format.type, Search::kDefault,
                                       WeightRule::kImportanceMagnitude);
      for (const std::string& target : AvailableTargets()) {
        REQUIRE(ForceTarget(target).ok());
        INFO("target " << target << ", " << blocks << " blocks");
        REQUIRE(Pack(m, format.type, {}) == want);
      }
      REQUIRE(ForceTarget("").ok());
    }
  });
}

// Down to scales that are subnormal halves, or round to none: there the largest
// weight may come out beyond the highest code.
TEST_CASE("bytes are the same for weights of every size on every target") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    for (const float size : {1e-30f, 3e-8f, 1e-7f, 3e-7f, 1e-6f, 3e-6f, 1e-5f,
                             3e-5f, 1e-4f, 1e-3f, 1e2f}) {
      Rows m = HeavyTailed(2, F::kBlock * 17, 18);
      for (float& v : m.x) v *= size / 0.02f;
      const auto want = PackOneLane<F>(m, format.type, Search::kDefault,
                                       WeightRule::kImportanceMagnitude);
      for (const std::string& target : AvailableTargets()) {
        REQUIRE(ForceTarget(target).ok());
        INFO("target " << target << ", size " << size);
        REQUIRE(Pack(m, format.type, {}) == want);
      }
      REQUIRE(ForceTarget("").ok());
    }
  });
}

TEST_CASE("bytes do not depend on threads, shares or strides") {
  ForEachFormat([](auto format) {
    const Rows m = HeavyTailed(13, 512, 7);
    const auto want = Pack(m, format.type, {});
    const Threads threads(3);
    QuantizeOptions options;
    options.parallel = threads.get();
    REQUIRE(Pack(m, format.type, options) == want);

    const size_t row_bytes = RowBytes(format.type, m.cols);
    const size_t stride = row_bytes + 7;
    std::vector<uint8_t> padded(m.rows * stride, 0xAB);
    for (size_t part = 0; part < 4; ++part) {
      QuantizeOptions share;
      share.importance = m.importance.data();
      share.share = {part, 4};
      REQUIRE(Quantize(FloatMatrix(m.x.data(), m.rows, m.cols),
                       MutableMatrix(format.type, padded.data(), m.rows,
                                     m.cols, stride),
                       share)
                  .ok());
    }
    for (size_t r = 0; r < m.rows; ++r) {
      REQUIRE(memcmp(padded.data() + r * stride, want.data() + r * row_bytes,
                     row_bytes) == 0);
      for (size_t i = row_bytes; i < stride; ++i) {
        REQUIRE(padded[r * stride + i] == 0xAB);
      }
    }
  });
}

TEST_CASE("F16 and BF16 sources give the bytes of their f32 values") {
  ForEachFormat([](auto format) {
    Rows m = HeavyTailed(3, 512, 8);
    for (const Type type : {Type::kF16, Type::kBF16}) {
      std::vector<uint16_t> narrow(m.x.size());
      for (size_t i = 0; i < narrow.size(); ++i) {
        narrow[i] = type == Type::kF16 ? F32ToF16(m.x[i]) : F32ToBF16(m.x[i]);
        m.x[i] = type == Type::kF16 ? F16ToF32(narrow[i])
                                    : BF16ToF32(narrow[i]);
      }
      std::vector<uint8_t> bytes(m.rows * RowBytes(format.type, m.cols));
      QuantizeOptions options;
      options.importance = m.importance.data();
      REQUIRE(Quantize(ConstMatrix(type,
                                   reinterpret_cast<uint8_t*>(narrow.data()),
                                   m.rows, m.cols),
                       MutableMatrix(format.type, bytes.data(), m.rows, m.cols),
                       options)
                  .ok());
      REQUIRE(bytes == Pack(m, format.type, {}));
    }
  });
}

// Pooled weighted errors on heavy-tailed rows that the established quantizer
// (ik_llama.cpp) reaches on 256 x 4096 of them; ours must not be above. A type
// without a line has no established quantizer and no business passing.
double EstablishedWrmse(Type type) {
  const std::vector<uint8_t> text = ReadTestFile("golden/established.tsv");
  std::istringstream lines(std::string(text.begin(), text.end()));
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string name;
    double wrmse = 0.0;
    if (fields >> name >> wrmse && name == TypeName(type)) return wrmse;
  }
  FAIL("tests/golden/established.tsv has no line for " << TypeName(type));
  return 0.0;
}

TEST_CASE("the default search is at least as accurate as the established one",
          "[search]") {
  ForEachFormat([](auto format) {
    const Rows m = HeavyTailed(256, 4096, 42);
    const auto y = Unpack(m, format.type, Pack(m, format.type, {}));
    REQUIRE(Wrmse(m, y, false) <= EstablishedWrmse(format.type));
  });
}

TEST_CASE("searching harder does not hurt", "[search]") {
  ForEachFormat([](auto format) {
    const Rows m = HeavyTailed(8, 1024, 9);
    const auto error = [&](Search search) {
      QuantizeOptions options;
      options.search = search;
      return Wrmse(m, Unpack(m, format.type, Pack(m, format.type, options)),
                   true);
    };
    const double by_default = error(Search::kDefault);
    REQUIRE(by_default <= error(Search::kFast) * 1.0005);
    REQUIRE(error(Search::kExhaustive) <= by_default * 1.0005);
    // The published rule scans a narrower range: no worse than 6 % more error.
    REQUIRE(error(Search::kGradient) <= by_default * 1.06);
  });
}

TEST_CASE("each weight rule wins under its own measure", "[search]") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    if (FindTypeInfo(format.type)->bits_per_weight() > 8) {
      return;  // rounding ignores the weights
    }
    if (!F::kMagnitudeCounts) return;        // one rule under two names
    const Rows m = HeavyTailed(32, 2048, 10);
    const auto error = [&](WeightRule rule, bool magnitude) {
      QuantizeOptions options;
      options.weights = rule;
      return Wrmse(m, Unpack(m, format.type, Pack(m, format.type, options)),
                   magnitude);
    };
    REQUIRE(error(WeightRule::kImportance, false) <
            error(WeightRule::kImportanceMagnitude, false));
    REQUIRE(error(WeightRule::kImportanceMagnitude, true) <
            error(WeightRule::kImportance, true));
  });
}

// The established quantizer of IQ2_KS looks for better multipliers as if the
// row's scale were positive; half of all rows have a negative one.
TEST_CASE("tables fit a row and its negative equally well", "[search]") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    if constexpr (formats::TableOf<typename F::Codes>::kSize != 0) {
      Rows m = HeavyTailed(16, 1024, 17);
      for (const Search search : kSearches) {
        QuantizeOptions options;
        options.search = search;
        const auto y = Unpack(m, format.type, Pack(m, format.type, options));
        for (float& v : m.x) v = -v;
        const auto z = Unpack(m, format.type, Pack(m, format.type, options));
        bool mirrored = true;
        for (size_t i = 0; i < y.size(); ++i) {
          mirrored = mirrored && y[i] == -z[i];
        }
        REQUIRE(mirrored);
      }
    }
  });
}

// Packs and checks: valid rows, finite values, relative rms error of each row of
// the plain (unweighted) kind below `bound`.
void CheckSane(const Rows& m, Type type, double bound) {
  const auto bytes = Pack(m, type, {});
  REQUIRE(Validate(ConstMatrix(type, bytes.data(), m.rows, m.cols)).ok());
  const auto y = Unpack(m, type, bytes);
  double error = 0, power = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    REQUIRE(std::isfinite(y[i]));
    error += std::pow(static_cast<double>(y[i]) - m.x[i], 2);
    power += std::pow(static_cast<double>(m.x[i]), 2);
  }
  INFO("relative error " << std::sqrt(error / std::max(power, 1e-300)));
  REQUIRE(error <= bound * bound * power);
}

Rows Filled(size_t cols, const std::vector<float>& pattern) {
  Rows m{2, cols, std::vector<float>(2 * cols), {}};
  for (size_t i = 0; i < m.x.size(); ++i) m.x[i] = pattern[i % pattern.size()];
  return m;
}

TEST_CASE("zero rows decode to zeros") {
  ForEachFormat([](auto format) {
    const Rows m = Filled(512, {0.0f, -0.0f});
    for (const Search search : kSearches) {
      QuantizeOptions options;
      options.search = search;
      const auto y = Unpack(m, format.type, Pack(m, format.type, options));
      for (const float v : y) REQUIRE(v == 0.0f);
    }
  });
}

// The relative error with which a row of zeros but for one weight can be stored.
// Two bits a weight cannot hold an outlier and its neighbours; in a grid without
// zeros the best point for it says how far off they are. A trellis is random:
// among few points with a large coordinate none has zeros beside it.
template <class F>
double OutlierBound(int column) {
  using Grid = formats::GridOf<typename F::Codes>;
  constexpr double kBits = 8.0 * sizeof(typename F::Block) / F::kBlock;
  if constexpr (formats::TrellisOf<typename F::Codes>::kIsTrellis) {
    return kBits < 3 ? 0.85 : kBits < 4 ? 0.5 : 0.15;
  } else if constexpr (!Grid::kIsGrid) {
    return kBits < 1.5 ? 1.0 : kBits < 3 ? 0.75 : 0.1;  // signs: only a mean
  } else {
    constexpr int kDim = Grid::kDim, kHighest = F::kMaxCode - F::kZero;
    double least = kHighest, best = 1e300;  // least magnitude of a level
    const auto level = [](size_t p, int k) {
      return std::abs(GridByte<typename Grid::Grid>(p, k) - F::kZero);
    };
    for (size_t p = 0; p < Grid::Grid::kPoints; ++p) {
      for (int k = 0; k < kDim; ++k) least = std::min<double>(least, level(p, k));
    }
    for (size_t p = 0; p < Grid::Grid::kPoints; ++p) {
      double others = (F::kSub - kDim) * least * least;
      for (int k = 0; k < kDim; ++k) {
        if (k != column % kDim) others += level(p, k) * level(p, k);
      }
      best = std::min(best, others / std::pow(level(p, column % kDim), 2));
    }
    return 1.15 * std::sqrt(best);  // and the other sub-blocks
  }
}

// A weight that every block can hold.
template <class F>
float LargestWeight() {
  using Kind = typename formats::ScaleOf<F>::type;
  if constexpr (F::kRowHeader == 4) {
    return std::numeric_limits<float>::max();
  } else if constexpr (Kind::kCoded) {
    return Kind::Decode(Kind::kMaxCode) * F::kMaxCode;
  } else {
    return 65504.0f;
  }
}

TEST_CASE("extreme values give finite results with small errors") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    SECTION("constant") { CheckSane(Filled(512, {0.37f}), format.type, 0.4); }
    SECTION("constant negative") {
      CheckSane(Filled(512, {-0.37f}), format.type, 0.4);
    }
    SECTION("alternating sign") {
      CheckSane(Filled(512, {1.0f, -1.0f}), format.type, 0.4);
    }
    SECTION("largest half") {
      const float x = std::min(65504.0f, LargestWeight<F>());
      CheckSane(Filled(512, {x, -x, 1.0f}), format.type,
                FindTypeInfo(format.type)->bits_per_weight() < 1.5 ? 0.6 : 0.4);
    }
    SECTION("one outlier") {
      Rows m = Filled(512, {0.0f});
      m.x[37] = 3.0f;
      CheckSane(m, format.type, OutlierBound<F>(37));
    }
    SECTION("denormals") {  // below every fp16 scale: zeros at worst
      CheckSane(Filled(512, {1e-40f, -3e-41f}), format.type, 1.0);
    }
    SECTION("smallest and largest together") {
      Rows m = Filled(512, {1e-30f, -1e-38f});
      m.x[5] = 1000.0f;
      CheckSane(m, format.type, OutlierBound<F>(5));
    }
  });
}

TEST_CASE("values beyond a half scale are refused or stored") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const Rows m = Filled(512, {1e30f, -1e30f, 5e29f});
    std::vector<uint8_t> bytes(m.rows * RowBytes(format.type, m.cols), 0x55);
    const Status status =
        Quantize(FloatMatrix(m.x.data(), m.rows, m.cols),
                 MutableMatrix(format.type, bytes.data(), m.rows, m.cols));
    if (LargestWeight<F>() >= 1e30f) {
      REQUIRE(status.ok());
      CheckSane(m, format.type, 0.4);
    } else {
      REQUIRE(status.code() == StatusCode::kInvalidData);
      REQUIRE(status.message().find("row 0") != std::string::npos);
      for (const uint8_t b : bytes) REQUIRE(b == 0x55);  // nothing written
    }
  });
}

TEST_CASE("a row with one weight beyond a half scale is not written") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    if (LargestWeight<F>() >= 1e30f) return;
    Rows m = HeavyTailed(2, F::kBlock * 19, 19);
    m.x.back() = -1e30f;
    const size_t row_bytes = RowBytes(format.type, m.cols);
    std::string message;
    for (const std::string& target : AvailableTargets()) {
      REQUIRE(ForceTarget(target).ok());
      std::vector<uint8_t> bytes(m.rows * row_bytes, 0x55);
      const Status status =
          Quantize(FloatMatrix(m.x.data(), m.rows, m.cols),
                   MutableMatrix(format.type, bytes.data(), m.rows, m.cols));
      INFO("target " << target << ": " << status.message());
      REQUIRE(status.code() == StatusCode::kInvalidData);
      if (message.empty()) message = status.message();
      REQUIRE(message.find("row 1, block at column ") != std::string::npos);
      REQUIRE(status.message() == message);  // the column, too
      REQUIRE(std::count(bytes.begin() + row_bytes, bytes.end(), 0x55) ==
              static_cast<std::ptrdiff_t>(row_bytes));
      REQUIRE(std::count(bytes.begin(), bytes.begin() + row_bytes, 0x55) <
              static_cast<std::ptrdiff_t>(row_bytes));
    }
    REQUIRE(ForceTarget("").ok());
  });
}

TEST_CASE("any importance that is not negative is legal") {
  ForEachFormat([](auto format) {
    Rows m = HeavyTailed(2, 1024, 11);
    SECTION("zero for a sub-block, a block, and almost everything") {
      for (size_t c = 0; c < m.cols; ++c) {
        if (c < 16 || (c >= 256 && c < 512) || c > 600) m.importance[c] = 0;
      }
    }
    SECTION("zero everywhere") {
      for (float& p : m.importance) p = 0;
    }
    SECTION("over forty orders of magnitude") {
      for (size_t c = 0; c < m.cols; ++c) {
        m.importance[c] =
            std::pow(10.0f, static_cast<float>(c % 41) - 20.0f);
      }
    }
    SECTION("the smallest and the largest floats") {
      for (size_t c = 0; c < m.cols; ++c) {
        m.importance[c] = c % 2 == 0 ? 1e-45f : 3e38f;
      }
    }
    // A weight that does not count may come out as any level. Of the ternary
    // ones that is up to twice its error as zero: the point follows the others,
    // as those of a trellis do.
    using F = typename decltype(format)::Format;
    const bool free = FindTypeInfo(format.type)->bits_per_weight() < 2 ||
                      formats::TrellisOf<typename F::Codes>::kIsTrellis;
    CheckSane(m, format.type, free ? 1.5 : 1.0);
  });
}

// A reference's fit of positive scales divides by the sum of w l^2 unasked: NaN,
// which its rows then hold, where no weight counts or every level is zero.
TEST_CASE("a positive fit with nothing to fit gives no NaN scale") {
  ForEachFormat([](auto format) {
    for (const WeightRule rule : kRules) {
      Rows m = HeavyTailed(3, 1024, 20);
      for (size_t c = 0; c < m.cols; ++c) {
        if (c < 256) m.importance[c] = 0.0f;                // no weight
        if (c >= 256 && c < 512) m.x[m.cols + c] = 0.0f;    // no level
        if (c >= 512 && c < 768) m.x[2 * m.cols + c] = -1;  // none above the min
      }
      for (const Search search : kSearches) {
        QuantizeOptions options;
        options.search = search;
        options.weights = rule;
        const auto bytes = Pack(m, format.type, options);
        const ConstMatrix packed(format.type, bytes.data(), m.rows, m.cols);
        REQUIRE(Validate(packed).ok());
        std::vector<float> y(m.rows * m.cols);
        REQUIRE(Dequantize(packed, FloatMatrix(y.data(), m.rows, m.cols)).ok());
        REQUIRE(std::all_of(y.begin(), y.end(),
                            [](float v) { return std::isfinite(v); }));
      }
    }
  });
}

TEST_CASE("zero importance everywhere equals none") {
  ForEachFormat([](auto format) {
    Rows m = HeavyTailed(2, 512, 12);
    for (float& p : m.importance) p = 0;
    const auto zero = Pack(m, format.type, {});
    m.importance.clear();
    REQUIRE(Pack(m, format.type, {}) == zero);
  });
}

TEST_CASE("weights that are not finite are named") {
  ForEachFormat([](auto format) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
      Rows m = HeavyTailed(4, 512, 13);
      m.x[2 * 512 + 77] = bad;
      std::vector<uint8_t> bytes(m.rows * RowBytes(format.type, m.cols));
      const Threads threads(2);
      QuantizeOptions options;
      options.parallel = threads.get();
      const Status status =
          Quantize(FloatMatrix(m.x.data(), m.rows, m.cols),
                   MutableMatrix(format.type, bytes.data(), m.rows, m.cols),
                   options);
      REQUIRE(status.code() == StatusCode::kInvalidData);
      REQUIRE(status.message().find("row 2, column 77") != std::string::npos);
    }
  });
}

TEST_CASE("bad importance, options and scratch are refused") {
  Rows m = HeavyTailed(2, 512, 14);
  std::vector<uint8_t> bytes(m.rows * RowBytes(Type::kQ4_0, m.cols));
  const auto refused = [&](const QuantizeOptions& options, const char* why) {
    const Status status =
        Quantize(FloatMatrix(m.x.data(), m.rows, m.cols),
                 MutableMatrix(Type::kQ4_0, bytes.data(), m.rows, m.cols),
                 options);
    REQUIRE_FALSE(status.ok());
    INFO(status.message());
    REQUIRE(status.message().find(why) != std::string::npos);
  };
  QuantizeOptions options;
  options.importance = m.importance.data();
  m.importance[3] = -1.0f;
  refused(options, "column 3 is negative");
  m.importance[3] = std::numeric_limits<float>::quiet_NaN();
  refused(options, "column 3 is not finite");
  m.importance[3] = 1.0f;
  options.share = {2, 2};
  refused(options, "part 2 of 2");
  options.share = {};
  alignas(64) uint8_t scratch[64];
  options.scratch = scratch;
  options.scratch_bytes = sizeof(scratch);
  refused(options, "scratch has 64 bytes");
}

TEST_CASE("the caller's scratch is enough and used") {
  ForEachFormat([](auto format) {
    const Rows m = HeavyTailed(2, 768, 15);
    const size_t bytes = QuantizeScratchBytes(format.type, m.cols);
    REQUIRE(bytes > 0);
    std::vector<uint8_t> memory(bytes + 128, 0xCD);
    auto* aligned = reinterpret_cast<uint8_t*>(
        (reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
    QuantizeOptions options;
    options.scratch = aligned;
    options.scratch_bytes = bytes;
    REQUIRE(Pack(m, format.type, options) == Pack(m, format.type, {}));
    for (uint8_t* p = aligned + bytes; p < memory.data() + memory.size(); ++p) {
      REQUIRE(*p == 0xCD);
    }
  });
}

}  // namespace
}  // namespace nibble
