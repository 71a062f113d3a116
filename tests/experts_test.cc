// SPDX-License-Identifier: MIT
// Experts on every target against Matmul with the rows of one expert alone, bit
// for bit, and against double arithmetic on the decoded weights.
#include "nibble/experts.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "nibble/cpu.h"
#include "nibble/dequantize.h"
#include "tests/backwards.h"
#include "tests/for_each.h"
#include "tests/guarded_bytes.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Around every change of layout and every unroll, empty experts at both ends.
const std::vector<size_t> kCounts = {0,  1,  2,  3,  4, 5, 1, 11, 12, 13,
                                     16, 17, 33, 70, 0, 1, 7, 8,  9,  0};

// The arrays of a routing.
struct Lists {
  std::vector<uint32_t> begin, x_rows, y_rows;

  Routing View() const {
    return {begin.size() - 1, begin.data(), x_rows.data(), y_rows.data()};
  }
  size_t entries() const { return begin.back(); }

  // So many entries per expert, rows of x at random, rows of y in random order.
  Lists(const std::vector<size_t>& counts, size_t x_count, size_t y_count,
        uint32_t seed = 31) {
    begin.push_back(0);
    for (const size_t n : counts) {
      begin.push_back(begin.back() + static_cast<uint32_t>(n));
    }
    std::mt19937 rng(seed);
    std::vector<uint32_t> order(y_count);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), rng);
    y_rows.assign(order.begin(), order.begin() + begin.back());
    for (size_t i = 0; i < begin.back(); ++i) {
      x_rows.push_back(static_cast<uint32_t>(rng() % x_count));
    }
  }
};

// One call with all it needs. Rows of x that no entry takes are NaN: packing
// them would fail.
struct Product {
  static constexpr size_t kXRows = 60, kMoreYRows = 5;

  Type type;
  size_t rows, cols;
  Lists routing;
  std::vector<uint8_t> bytes;
  std::vector<float> x;
  std::vector<float> y;

  template <class F>
  Product(FormatCase<F> format, const std::vector<size_t>& counts,
          size_t rows_in = 70, size_t cols_in = 512)
      : type(format.type),
        rows(rows_in),
        cols(cols_in),
        routing(counts, kXRows,
                std::accumulate(counts.begin(), counts.end(), kMoreYRows)),
        bytes(counts.size() * rows * RowBytes(type, cols)),
        x(RandomActivations(kXRows * cols, 17)) {
    const size_t stride = RowBytes(type, cols);
    FillRandomRows<F>(bytes.data(), counts.size() * rows, cols, stride, 23);
    std::mt19937 rng(29);
    std::uniform_real_distribution<float> uniform(0.01f, 0.02f);
    SetScales<F>(bytes.data(), counts.size() * rows, cols, stride,
                 [&] { return F32ToF16(uniform(rng)); });
    HideUnused();
    y.assign((routing.entries() + kMoreYRows) * rows, 42.0f);
  }
  void HideUnused() {
    std::vector<bool> used(kXRows);
    for (const uint32_t row : routing.x_rows) used[row] = true;
    for (size_t r = 0; r < kXRows; ++r) {
      if (!used[r]) std::fill_n(x.begin() + r * cols, cols, kNaN);
    }
  }

  size_t experts() const { return routing.begin.size() - 1; }
  ExpertWeights Weights() const {
    return {ConstMatrix(type, bytes.data(), rows, cols), experts()};
  }
  ConstMatrix X() const {
    return FloatMatrix(static_cast<const float*>(x.data()), kXRows, cols);
  }
  MutableMatrix Y() { return FloatMatrix(y.data(), y.size() / rows, rows); }
  size_t PackedBytes() const {
    return PackedExpertActivationBytes(type, experts(), routing.entries(),
                                       cols);
  }
};

void RequireOk(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}

// What Matmul gives for each expert alone, in the rows of y; 42 elsewhere.
std::vector<float> OneByOne(Product& p) {
  std::vector<float> want(p.y.size(), 42.0f);
  const ExpertWeights weights = p.Weights();
  for (size_t e = 0; e < p.experts(); ++e) {
    const size_t first = p.routing.begin[e];
    const size_t count = p.routing.begin[e + 1] - first;
    if (count == 0) continue;
    std::vector<float> x(count * p.cols), y(count * p.rows);
    for (size_t i = 0; i < count; ++i) {
      std::copy_n(p.x.begin() + p.routing.x_rows[first + i] * p.cols, p.cols,
                  x.begin() + i * p.cols);
    }
    RequireOk(
        Matmul(weights.Expert(e),
               FloatMatrix(static_cast<const float*>(x.data()), count, p.cols),
               FloatMatrix(y.data(), count, p.rows)));
    for (size_t i = 0; i < count; ++i) {
      std::copy_n(y.begin() + i * p.rows, p.rows,
                  want.begin() + p.routing.y_rows[first + i] * p.rows);
    }
  }
  return want;
}

// Packs into just as many bytes as asked for, and multiplies.
void Run(Product& p, const MatmulOptions& options = {}) {
  GuardedBytes memory(p.PackedBytes(), Guard::kBehind);
  PackedExpertActivations packed;
  RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                  memory.data(), &packed));
  RequireOk(MatmulExperts(p.Weights(), packed, p.Y(), options));
}

void RequireOneByOne(Product& p, const MatmulOptions& options = {}) {
  CAPTURE(p.rows, p.cols, p.experts(), p.routing.entries());
  const std::vector<float> want = OneByOne(p);
  Run(p, options);
  REQUIRE(p.y == want);
}

FormatCase<formats::Q4_0> Q4_0() { return {Type::kQ4_0, "q4_0"}; }
FormatCase<formats::Q6_K> Q6_K() { return {Type::kQ6_K, "q6_k"}; }

// ---- Results.

TEST_CASE("every expert gives what matmul gives for its rows alone") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      Product p(format, kCounts);
      RequireOneByOne(p);
    });
  });
}

TEST_CASE("rows around every step of sharing, columns around chunks") {
  ForEachTarget([] {
    for (const size_t rows : {1, 16, 31, 32, 33, 64, 65, 130}) {
      for (const size_t cols : {32, 256, 288, 1056}) {
        Product p(Q4_0(), {2, 0, 1, 13, 5}, rows, cols);
        RequireOneByOne(p);
      }
    }
  });
}

TEST_CASE("all entries to one of many experts") {
  ForEachTarget([] {
    for (const size_t entries : {1, 4, 40, 600}) {
      std::vector<size_t> counts(64);
      counts[37] = entries;
      Product p(Q4_0(), counts, 40, 256);
      RequireOneByOne(p);
    }
  });
}

// As while generating: each expert one entry, few rows of x between them.
TEST_CASE("one row goes to many experts") {
  ForEachTarget([] {
    for (const size_t x_rows : {1, 2, 60}) {
      Product p(Q6_K(), std::vector<size_t>(130, 1), 33, 256);
      for (size_t i = 0; i < p.routing.entries(); ++i) {
        p.routing.x_rows[i] = static_cast<uint32_t>(i * 7 % x_rows);
      }
      p.x = RandomActivations(p.x.size(), 5);
      RequireOneByOne(p);
    }
  });
}

// Numbers far beyond the table of rows that were packed lately.
TEST_CASE("rows whose numbers end in the same bits stay apart") {
  ForEachTarget([] {
    Product p(Q4_0(), std::vector<size_t>(6, 1), 8, 32);
    const std::vector<uint32_t> numbers = {3, 67, 131, 67, 3, 67};
    p.routing.x_rows = numbers;
    p.x = RandomActivations(132 * p.cols, 7);
    const std::vector<float> want = OneByOne(p);
    AlignedBytes memory(p.PackedBytes());
    PackedExpertActivations packed;
    RequireOk(PackExpertActivations(
        p.type, FloatMatrix(static_cast<const float*>(p.x.data()), 132, p.cols),
        p.routing.View(), memory.data(), &packed));
    RequireOk(MatmulExperts(p.Weights(), packed, p.Y()));
    REQUIRE(p.y == want);
  });
}

TEST_CASE("random routings") {
  ForEachTarget([] {
    for (uint32_t seed = 0; seed < 40; ++seed) {
      std::mt19937 rng(seed);
      std::vector<size_t> counts(1 + rng() % 40);
      for (size_t& n : counts) n = rng() % 3 == 0 ? 0 : rng() % 20;
      if (std::accumulate(counts.begin(), counts.end(), size_t{0}) == 0) {
        counts[0] = 1;
      }
      Product p(Q4_0(), counts, 1 + rng() % 80, 32 * (1 + rng() % 12));
      RequireOneByOne(p);
    }
  });
}

TEST_CASE("results are the products of the decoded weights") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      Product p(format, {3, 0, 1, 20}, 40, 1024);
      std::mt19937 rng(5);
      std::normal_distribution<float> normal;
      for (float& v : p.x) v = normal(rng);
      Run(p);
      std::vector<float> w(p.rows * p.cols);
      double error = 0.0, total = 0.0;
      for (size_t e = 0; e < p.experts(); ++e) {
        RequireOk(Dequantize(p.Weights().Expert(e),
                             FloatMatrix(w.data(), p.rows, p.cols)));
        for (size_t i = p.routing.begin[e]; i < p.routing.begin[e + 1]; ++i) {
          const float* x = p.x.data() + p.routing.x_rows[i] * p.cols;
          const float* y = p.y.data() + p.routing.y_rows[i] * p.rows;
          for (size_t r = 0; r < p.rows; ++r) {
            const double want = std::inner_product(
                x, x + p.cols, w.data() + r * p.cols, 0.0, std::plus<double>(),
                [](double a, double b) { return a * b; });
            error += (y[r] - want) * (y[r] - want);
            total += want * want;
          }
        }
      }
      REQUIRE(std::sqrt(error / total) < 0.007);
    });
  });
}

TEST_CASE("without rows, entry i takes row i") {
  ForEachTarget([] {
    Product p(Q4_0(), {0, 3, 1, 14, 0, 6}, 40, 256);
    std::iota(p.routing.x_rows.begin(), p.routing.x_rows.end(), 0u);
    std::iota(p.routing.y_rows.begin(), p.routing.y_rows.end(), 0u);
    p.x = RandomActivations(p.x.size(), 3);
    const std::vector<float> want = OneByOne(p);
    AlignedBytes memory(p.PackedBytes());
    PackedExpertActivations packed;
    const Routing routing = {p.experts(), p.routing.begin.data(), nullptr,
                             nullptr};
    RequireOk(
        PackExpertActivations(p.type, p.X(), routing, memory.data(), &packed));
    RequireOk(MatmulExperts(p.Weights(), packed, p.Y()));
    REQUIRE(p.y == want);
  });
}

TEST_CASE("activations in F16 and BF16 give what their values in F32 give") {
  ForEachTarget([] {
    for (const Type type : {Type::kF16, Type::kBF16}) {
      Product p(Q4_0(), {4, 1, 18, 6}, 33, 288);
      std::vector<uint16_t> narrow(p.x.size());
      for (size_t i = 0; i < narrow.size(); ++i) {
        const bool half = type == Type::kF16;
        narrow[i] = half ? F32ToF16(p.x[i]) : F32ToBF16(p.x[i]);
        p.x[i] = half ? F16ToF32(narrow[i]) : BF16ToF32(narrow[i]);
      }
      const std::vector<float> want = OneByOne(p);
      AlignedBytes memory(p.PackedBytes());
      PackedExpertActivations packed;
      const ConstMatrix x(type, reinterpret_cast<const uint8_t*>(narrow.data()),
                          Product::kXRows, p.cols);
      RequireOk(PackExpertActivations(p.type, x, p.routing.View(),
                                      memory.data(), &packed));
      RequireOk(MatmulExperts(p.Weights(), packed, p.Y()));
      REQUIRE(p.y == want);
    }
  });
}

TEST_CASE("gate and up in one tensor share packed activations") {
  ForEachTarget([] {
    Product both(Q4_0(), {1, 0, 6, 20}, 2 * 40, 256);
    AlignedBytes memory(both.PackedBytes());
    PackedExpertActivations packed;
    RequireOk(PackExpertActivations(both.type, both.X(), both.routing.View(),
                                    memory.data(), &packed));
    const std::vector<float> want = OneByOne(both);
    const ConstMatrix first = both.Weights().first;
    const size_t stride = both.Weights().expert_stride_bytes;
    for (const size_t half : {0, 1}) {
      std::vector<float> y(both.y.size() / 2, 42.0f);
      RequireOk(MatmulExperts(
          {first.Rows(half * 40, half * 40 + 40), both.experts(), stride},
          packed, FloatMatrix(y.data(), y.size() / 40, 40)));
      for (size_t i = 0; i < y.size(); ++i) {
        REQUIRE(y[i] == want[i / 40 * 80 + half * 40 + i % 40]);
      }
    }
  });
}

// ---- Splitting.

TEST_CASE("results do not depend on the split") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      Product p(format, kCounts, 100, 256);
      const std::vector<float> want = OneByOne(p);
      for (const size_t parts : {1, 2, 3, 7, 100}) {
        std::fill(p.y.begin(), p.y.end(), 42.0f);
        AlignedBytes memory(p.PackedBytes());
        PackedExpertActivations packed;
        for (size_t part = 0; part < parts; ++part) {
          RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                          memory.data(), &packed,
                                          {{part, parts}, nullptr}));
        }
        for (size_t part = 0; part < parts; ++part) {
          MatmulOptions options;
          options.share = {part, parts};
          RequireOk(MatmulExperts(p.Weights(), packed, p.Y(), options));
        }
        REQUIRE(p.y == want);
      }
    });
  });
}

TEST_CASE("the caller's threads, scratch and share give the same results") {
  ForEachTarget([] {
    Product p(Q6_K(), kCounts, 100, 256);
    const std::vector<float> want = OneByOne(p);
    const ParallelFor parallel = Backwards(3);
    AlignedBytes memory(p.PackedBytes());
    PackedExpertActivations packed;
    RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                    memory.data(), &packed, {{}, &parallel}));
    const size_t most = *std::max_element(kCounts.begin(), kCounts.end());
    const size_t bytes =
        3 * MatmulExpertsScratchBytes(p.type, p.rows, p.cols, most);
    REQUIRE(bytes > 0);
    REQUIRE(bytes <= 3 * MatmulExpertsScratchBytes(p.type, p.rows, p.cols,
                                                   p.routing.entries()));
    // Poisoned: nothing may be read before it is written.
    GuardedBytes scratch(bytes, Guard::kBehind);
    memset(scratch.data(), 0xFF, bytes);
    MatmulOptions options;
    options.parallel = &parallel;
    options.scratch = scratch.data();
    options.scratch_bytes = bytes;
    for (size_t part = 0; part < 2; ++part) {
      options.share = {part, 2};
      RequireOk(MatmulExperts(p.Weights(), packed, p.Y(), options));
    }
    REQUIRE(p.y == want);
    options.scratch_bytes = bytes - 1;
    REQUIRE(MatmulExperts(p.Weights(), packed, p.Y(), options).code() ==
            StatusCode::kInvalidArgument);
  });
}

// Shares are of the work: by experts, one part would have nearly all of it.
TEST_CASE("the rows of a busy expert go to every part") {
  std::vector<size_t> counts(32, 1);
  counts[20] = 2000;
  Product p(Q4_0(), counts, 640, 32);
  AlignedBytes memory(p.PackedBytes());
  PackedExpertActivations packed;
  RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                  memory.data(), &packed));
  for (size_t part = 0; part < 4; ++part) {
    std::fill(p.y.begin(), p.y.end(), 42.0f);
    MatmulOptions options;
    options.share = {part, 4};
    RequireOk(MatmulExperts(p.Weights(), packed, p.Y(), options));
    const float* busy = p.y.data() + p.routing.y_rows[20 + 5] * p.rows;
    const auto written =
        std::count_if(busy, busy + p.rows, [](float v) { return v != 42.0f; });
    CAPTURE(part, written);
    REQUIRE(written >= 64);  // 160, and what the others leave uneven
    REQUIRE(written <= 256);
  }
}

// ---- Memory.

// Experts behind pages that fault, each page of an expert with entries opened.
class GuardedExperts {
 public:
  GuardedExperts(const Product& p, Guard guard) {
    const size_t bytes = p.rows * RowBytes(p.type, p.cols);
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    stride_ = (bytes + page - 1) / page * page;
    mapped_ = (p.experts() + 2) * stride_;
    void* memory =
        mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    base_ = static_cast<uint8_t*>(memory);
    first_ = base_ + stride_ + (guard == Guard::kBehind ? stride_ - bytes : 0);
    for (size_t e = 0; e < p.experts(); ++e) {
      if (p.routing.begin[e] == p.routing.begin[e + 1]) continue;
      REQUIRE(mprotect(base_ + (e + 1) * stride_, stride_,
                       PROT_READ | PROT_WRITE) == 0);
      std::copy_n(p.bytes.begin() + e * bytes, bytes, first_ + e * stride_);
    }
  }
  ~GuardedExperts() { munmap(base_, mapped_); }
  GuardedExperts(const GuardedExperts&) = delete;
  GuardedExperts& operator=(const GuardedExperts&) = delete;

  ExpertWeights Weights(const Product& p) const {
    return {ConstMatrix(p.type, first_, p.rows, p.cols), p.experts(), stride_};
  }

 private:
  uint8_t* base_;
  uint8_t* first_;
  size_t stride_, mapped_;
};

TEST_CASE("experts without entries are never touched, nor what lies between") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      for (const Guard guard : {Guard::kBefore, Guard::kBehind}) {
        Product p(format, {0, 1, 0, 3, 0, 0, 7, 0, 19, 0}, 35, 512);
        const std::vector<float> want = OneByOne(p);
        const GuardedExperts guarded(p, guard);
        GuardedBytes memory(p.PackedBytes(), guard);
        PackedExpertActivations packed;
        RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                        memory.data(), &packed));
        RequireOk(MatmulExperts(guarded.Weights(p), packed, p.Y()));
        REQUIRE(p.y == want);
      }
    });
  });
}

TEST_CASE("nothing is written where rows of y end") {
  ForEachTarget([] {
    Product p(Q4_0(), {2, 1, 13, 6}, 21, 64);
    const std::vector<float> want = OneByOne(p);
    const size_t stride = p.rows + 3, y_rows = p.y.size() / p.rows;
    std::vector<float> y(y_rows * stride, 42.0f);
    AlignedBytes memory(p.PackedBytes());
    PackedExpertActivations packed;
    RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                    memory.data(), &packed));
    RequireOk(MatmulExperts(p.Weights(), packed,
                            FloatMatrix(y.data(), y_rows, p.rows, stride)));
    for (size_t i = 0; i < y.size(); ++i) {
      const size_t row = i / stride, r = i % stride;
      REQUIRE(y[i] == (r < p.rows ? want[row * p.rows + r] : 42.0f));
    }
  });
}

TEST_CASE("a routing without entries is no work and no memory") {
  Product p(Q4_0(), {1, 0}, 8, 32);
  p.routing.begin = {0, 0, 0};
  PackedExpertActivations packed;
  RequireOk(
      PackExpertActivations(p.type, p.X(), p.routing.View(), nullptr, &packed));
  RequireOk(MatmulExperts(p.Weights(), packed, p.Y()));
  REQUIRE(std::count(p.y.begin(), p.y.end(), 42.0f) ==
          static_cast<std::ptrdiff_t>(p.y.size()));
}

// ---- Routing.

TEST_CASE("a router's choice becomes entries sorted by expert, then by slot") {
  for (const size_t stride : {0, 4, 9}) {
    const size_t tokens = 50, used = 4, experts = 7, step = stride ? stride : 4;
    std::mt19937 rng(13);
    std::vector<int32_t> ids(tokens * step, 99);  // beyond `used`: not read
    for (size_t s = 0; s < tokens * used; ++s) {
      const int32_t id = static_cast<int32_t>(rng() % (experts + 2)) - 2;
      ids[s / used * step + s % used] = id == 5 ? -7 : id;  // nobody wants 5
    }
    GuardedBytes memory(RoutingBytes(experts, tokens, used), Guard::kBehind);
    TokenRouting routing;
    RequireOk(RouteTokens({ids.data(), tokens, used, stride}, experts,
                          memory.data(), &routing));
    REQUIRE(routing.experts == experts);
    size_t i = 0;
    for (size_t e = 0; e < experts; ++e) {
      REQUIRE(routing.begin[e] == i);
      for (size_t s = 0; s < tokens * used; ++s) {
        if (ids[s / used * step + s % used] != static_cast<int32_t>(e)) {
          continue;
        }
        REQUIRE(routing.slots[i] == s);
        REQUIRE(routing.tokens[i] == s / used);
        ++i;
      }
    }
    REQUIRE(routing.begin[experts] == i);
    REQUIRE(i < tokens * used);
  }
}

TEST_CASE("what lies by entry in between gives what lies by slot") {
  ForEachTarget([] {
    const size_t tokens = 30, used = 3, experts = 8, cols = 64, hidden = 96;
    Product up(Q4_0(), std::vector<size_t>(experts, 1), hidden, cols);
    Product down(Q4_0(), std::vector<size_t>(experts, 1), cols, hidden);
    std::mt19937 rng(3);
    std::vector<int32_t> ids(tokens * used);
    for (size_t s = 0; s < ids.size(); ++s) {
      ids[s] = static_cast<int32_t>(rng() % (s % used == 0 ? experts : 2));
    }
    std::vector<uint32_t> memory(RoutingBytes(experts, tokens, used) / 4);
    TokenRouting routing;
    RequireOk(RouteTokens({ids.data(), tokens, used}, experts, memory.data(),
                          &routing));
    const std::vector<float> x = RandomActivations(tokens * cols, 1);
    const auto multiply = [&](const Product& w, const Routing& route,
                              const std::vector<float>& in) {
      std::vector<float> out(tokens * used * w.rows, kNaN);
      AlignedBytes packed_bytes(
          PackedExpertActivationBytes(w.type, experts, tokens * used, w.cols));
      PackedExpertActivations packed;
      RequireOk(PackExpertActivations(
          w.type, FloatMatrix(in.data(), in.size() / w.cols, w.cols), route,
          packed_bytes.data(), &packed));
      RequireOk(MatmulExperts(w.Weights(), packed,
                              FloatMatrix(out.data(), tokens * used, w.rows)));
      return out;
    };
    const auto by_slot = multiply(down, routing.SlotsToSlots(),
                                  multiply(up, routing.TokensToSlots(), x));
    const auto by_entry = multiply(down, routing.EntriesToSlots(),
                                   multiply(up, routing.TokensToEntries(), x));
    REQUIRE(by_slot == by_entry);
  });
}

TEST_CASE("an id beyond the experts is named") {
  std::vector<int32_t> ids = {0, 1, 2, -1, 3, 4, 99, 0};
  std::vector<uint32_t> memory(RoutingBytes(4, 4, 2) / 4);
  TokenRouting routing;
  const Status status =
      RouteTokens({ids.data(), 4, 2}, 4, memory.data(), &routing);
  REQUIRE(status.code() == StatusCode::kInvalidData);
  REQUIRE(status.message() == "ids: token 2, choice 1: expert 4 of 4");
  REQUIRE(routing.begin == nullptr);
}

TEST_CASE("ids that do not fit are refused") {
  const std::vector<int32_t> ids(8, 0);
  std::vector<uint32_t> memory(RoutingBytes(4, 4, 2) / 4);
  TokenRouting routing;
  const auto code = [&](const ExpertIds& given, size_t experts, void* to) {
    return RouteTokens(given, experts, to, &routing).code();
  };
  const auto kBad = StatusCode::kInvalidArgument;
  REQUIRE(code({ids.data(), 4, 2}, 4, memory.data()) == StatusCode::kOk);
  REQUIRE(code({nullptr, 4, 2}, 4, memory.data()) == kBad);
  REQUIRE(code({ids.data(), 0, 2}, 4, memory.data()) == kBad);
  REQUIRE(code({ids.data(), 4, 0}, 4, memory.data()) == kBad);
  REQUIRE(code({ids.data(), 4, 2}, 0, memory.data()) == kBad);
  REQUIRE(code({ids.data(), 4, 2, 1}, 4, memory.data()) == kBad);
  REQUIRE(code({ids.data(), 4, 2}, 4, nullptr) == kBad);
  REQUIRE(code({ids.data(), 4, 2}, 4,
               reinterpret_cast<uint8_t*>(memory.data()) + 1) == kBad);
  REQUIRE(RouteTokens({ids.data(), 4, 2}, 4, memory.data(), nullptr).code() ==
          kBad);
  REQUIRE(RoutingBytes(4, size_t{1} << 31, 2) == 0);
  REQUIRE(RoutingBytes(4, SIZE_MAX, SIZE_MAX) == 0);
}

// ---- Refusals.

TEST_CASE("an activation that is not finite is named whatever the split") {
  ForEachTarget([] {
    for (const size_t bad_entry : {0, 3, 40, 100}) {
      Product p(Q4_0(), kCounts, 8, 300 / 32 * 32);
      const size_t row = p.routing.x_rows[bad_entry];
      p.x[row * p.cols + 77] = kNaN;
      const std::string want =
          "activations token " + std::to_string(row) + ", column 77: NaN";
      AlignedBytes memory(p.PackedBytes());
      PackedExpertActivations packed;
      for (const size_t threads : {1, 2, 5}) {
        const ParallelFor parallel = Backwards(threads);
        const Status status =
            PackExpertActivations(p.type, p.X(), p.routing.View(),
                                  memory.data(), &packed, {{}, &parallel});
        REQUIRE(status.code() == StatusCode::kInvalidData);
        REQUIRE(status.message() == want);
        REQUIRE(packed.data == nullptr);
      }
    }
  });
}

TEST_CASE("of several, the first in order of the entries is named") {
  Product p(Q4_0(), std::vector<size_t>(12, 1), 8, 32);
  std::iota(p.routing.x_rows.begin(), p.routing.x_rows.end(), 0u);
  p.x = RandomActivations(p.x.size(), 1);
  for (const size_t row : {4, 7, 11}) p.x[row * p.cols] = kNaN;
  AlignedBytes memory(p.PackedBytes());
  PackedExpertActivations packed;
  for (const size_t threads : {1, 3, 12}) {
    const ParallelFor parallel = Backwards(threads);
    REQUIRE(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                  memory.data(), &packed, {{}, &parallel})
                .message() == "activations token 4, column 0: NaN");
  }
}

TEST_CASE("packing refuses what does not fit") {
  Product p(Q4_0(), {2, 0, 1}, 8, 32);
  AlignedBytes memory(p.PackedBytes());
  PackedExpertActivations packed;
  const auto code = [&](const ConstMatrix& x, const Routing& routing, void* out,
                        const PackExpertOptions& options = {}) {
    return PackExpertActivations(p.type, x, routing, out, &packed, options)
        .code();
  };
  const auto kBad = StatusCode::kInvalidArgument;
  const Routing good = p.routing.View();
  REQUIRE(code(p.X(), good, memory.data()) == StatusCode::kOk);
  REQUIRE(code(p.X(), good, nullptr) == kBad);
  REQUIRE(code(p.X(), good, memory.data() + 4) == kBad);
  REQUIRE(code(p.Weights().first, good, memory.data()) == kBad);
  REQUIRE(code(p.X(), good, memory.data(), {{2, 2}, nullptr}) == kBad);
  REQUIRE(PackExpertActivations(p.type, p.X(), good, memory.data(), nullptr)
              .code() == kBad);

  REQUIRE(PackExpertActivations(Type::kF16, p.X(), good, memory.data(), &packed)
              .code() == StatusCode::kUnsupported);

  Routing routing = good;
  routing.experts = 0;
  REQUIRE(code(p.X(), routing, memory.data()) == kBad);
  routing = good;
  routing.begin = nullptr;
  REQUIRE(code(p.X(), routing, memory.data()) == kBad);
  for (const std::vector<uint32_t>& begin :
       {std::vector<uint32_t>{1, 2, 2, 3}, {0, 2, 1, 3}}) {
    routing.begin = begin.data();
    REQUIRE(code(p.X(), routing, memory.data()) == kBad);
  }
  p.routing.x_rows[2] = Product::kXRows;
  const Status status = PackExpertActivations(p.type, p.X(), p.routing.View(),
                                              memory.data(), &packed);
  REQUIRE(status.code() == kBad);
  REQUIRE(status.message() == "routing entry 2: row 60 of the 60 of x");
  routing = good;
  routing.x_rows = nullptr;
  REQUIRE(code(p.X().Rows(0, 2), routing, memory.data()) == kBad);

  REQUIRE(PackedExpertActivationBytes(p.type, 0, 3, 32) == 0);
  REQUIRE(PackedExpertActivationBytes(p.type, 3, 0, 32) == 0);
  REQUIRE(PackedExpertActivationBytes(p.type, 3, 3, 0) == 0);
  REQUIRE(PackedExpertActivationBytes(p.type, 3, SIZE_MAX / 2, 4096) == 0);
}

TEST_CASE("multiplying refuses what does not fit") {
  Product p(Q4_0(), {2, 0, 1}, 8, 32);
  AlignedBytes memory(p.PackedBytes());
  PackedExpertActivations packed;
  RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                  memory.data(), &packed));
  const auto code = [&](const ExpertWeights& w,
                        const PackedExpertActivations& x,
                        const MutableMatrix& y, const MatmulOptions& o = {}) {
    return MatmulExperts(w, x, y, o).code();
  };
  const auto kBad = StatusCode::kInvalidArgument;
  const ExpertWeights w = p.Weights();
  const MutableMatrix y = p.Y();
  REQUIRE(code(w, packed, y) == StatusCode::kOk);

  ExpertWeights bad = w;
  bad.experts = 2;
  REQUIRE(code(bad, packed, y) == kBad);
  bad = w;
  bad.first.data = nullptr;
  REQUIRE(code(bad, packed, y) == kBad);
  bad = w;
  bad.expert_stride_bytes -= 1;
  REQUIRE(code(bad, packed, y) == kBad);
  bad = w;
  bad.expert_stride_bytes = SIZE_MAX / 2;
  REQUIRE(code(bad, packed, y) == kBad);
  bad = w;
  bad.first = p.X().Rows(0, p.rows);
  REQUIRE(code(bad, packed, y) == kBad);

  PackedExpertActivations x = packed;
  x.cols = 64;
  REQUIRE(code(w, x, y) == kBad);
  x = packed;
  x.data += 4;
  REQUIRE(code(w, x, y) == kBad);
  x = packed;
  x.data = nullptr;
  REQUIRE(code(w, x, y) == kBad);
  x = packed;
  x.routing.begin = nullptr;
  REQUIRE(code(w, x, y) == kBad);

  REQUIRE(code(w, packed, y.Rows(0, 1)) == kBad);
  REQUIRE(code(w, packed, FloatMatrix(p.y.data(), 3, 7)) == kBad);
  MutableMatrix half = y;
  half.type = Type::kF16;
  REQUIRE(code(w, packed, half) == kBad);
  MatmulOptions options;
  options.share = {1, 1};
  REQUIRE(code(w, packed, y, options) == kBad);
}

TEST_CASE("types that share a layout share packed activations, others do not") {
  ForEachTarget([] {
    Product p(Q4_0(), {1, 0, 1}, 8, 256);
    AlignedBytes memory(p.PackedBytes());
    PackedExpertActivations packed;
    RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                    memory.data(), &packed));
    ForEachFormat([&](auto format) {
      Product other(format, {1, 0, 1}, 8, 256);
      const Status status = MatmulExperts(other.Weights(), packed, other.Y());
      if (ChooseActivationLayout(p.type, 1) ==
          ChooseActivationLayout(other.type, 1)) {
        RequireOk(status);
        REQUIRE(other.y == OneByOne(other));
      } else {
        REQUIRE(status.code() == StatusCode::kInvalidArgument);
      }
    });
  });
}

TEST_CASE("activations packed under another target are refused") {
  const std::vector<std::string> targets = AvailableTargets();
  if (targets.size() < 2) SKIP("one target");
  Product p(Q4_0(), {2, 0, 1}, 8, 32);
  AlignedBytes memory(p.PackedBytes());
  PackedExpertActivations packed;
  RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                  memory.data(), &packed));
  RequireOk(ForceTarget(targets[1]));
  const Status status = MatmulExperts(p.Weights(), packed, p.Y());
  RequireOk(ForceTarget(""));
  REQUIRE(status.code() == StatusCode::kInvalidArgument);
}

TEST_CASE("a row of y that is named twice is refused, in every window") {
  Product p(Q4_0(), {2, 0, 3}, 1, 32);
  p.y.resize(100000);
  AlignedBytes memory(p.PackedBytes());
  const auto run = [&](const std::vector<uint32_t>& y_rows) {
    p.routing.y_rows = y_rows;
    PackedExpertActivations packed;
    RequireOk(PackExpertActivations(p.type, p.X(), p.routing.View(),
                                    memory.data(), &packed));
    return MatmulExperts(p.Weights(), packed, p.Y());
  };
  RequireOk(run({7, 32775, 65543, 99999, 0}));  // equal in their low 15 bits
  REQUIRE(run({7, 1, 2, 3, 7}).message() ==
          "routing entry 4: row 7 of y has one already");
  REQUIRE(run({99999, 1, 2, 99999, 7}).message() ==
          "routing entry 3: row 99999 of y has one already");
  REQUIRE(run({7, 1, 2, 3, 100000}).code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nibble
