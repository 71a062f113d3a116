// SPDX-License-Identifier: MIT
// Matmul on every target against double arithmetic on the decoded weights.
//
// Two references: with the activations as packed, to rounding of f32 sums (finds
// every wrong index, scale and saturation), and with the plain activations, to
// the error the documentation states.
#include "nibble/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>

#include "nibble/cpu.h"
#include "nibble/dequantize.h"
#include "nibble/simd/panel.h"
#include "tests/backwards.h"
#include "tests/for_each.h"
#include "tests/guarded_bytes.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

constexpr ActivationLayout kInt8{ActivationKind::kInt8Panels, kPlainOrder};
constexpr ActivationLayout kBf16{ActivationKind::kBf16Panels, 0};

// For AVX-VNNI and i8mm.
constexpr ActivationLayout kExtended{ActivationKind::kInt8Panels,
                                     kExtensionOrder};

bool UsesExtension() { return UsesAvxVnni() || UsesI8mm(); }

// The panel layouts of the target in use.
std::vector<ActivationLayout> PanelLayouts() {
  if (UsesAmx()) return {kInt8, kBf16};
  if (UsesExtension()) return {kInt8, kExtended};
  return {kInt8};
}

// The chunks of int8 panels, their tokens apart again.
std::vector<Int8PanelChunk> Chunks(const PackedActivations& x) {
  const size_t tokens = x.tokens, columns = (x.cols + 255) / 256;
  const auto* packed = reinterpret_cast<const Int8PanelChunk*>(x.data);
  std::vector<Int8PanelChunk> chunks(packed, packed + columns * tokens);
  if (!UsesI8mm() || x.layout.order != kExtensionOrder) return chunks;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const size_t token = i % tokens;
    if (token % 2 == 0 && token + 1 == tokens) continue;
    for (size_t k = 0; k < 256; ++k) {
      // Of sixteen columns, both tokens' first eight are in the even chunk.
      const size_t chunk = i - token % 2 + k % 16 / 8;
      chunks[i].q[k] = packed[chunk].q[k / 16 * 16 + token % 2 * 8 + k % 8];
    }
  }
  return chunks;
}

// The activations as the library sees them after packing: [tokens][cols].
std::vector<double> Unpack(const PackedActivations& x, const float* plain) {
  std::vector<double> values(x.tokens * x.cols);
  const bool int8 = x.layout.kind == ActivationKind::kInt8Panels;
  const auto chunks = int8 ? Chunks(x) : std::vector<Int8PanelChunk>();
  for (size_t t = 0; t < x.tokens; ++t) {
    for (size_t c = 0; c < x.cols; ++c) {
      double& value = values[t * x.cols + c];
      if (int8) {
        const Int8PanelChunk& chunk = chunks[c / 256 * x.tokens + t];
        value =
            static_cast<double>(chunk.scale[c % 256 / 32]) * chunk.q[c % 256];
      } else {
        value = BF16ToF32(F32ToBF16(plain[t * x.cols + c]));
      }
    }
  }
  return values;
}

// One product, the buffers it needs and its references.
struct Product {
  Type type;
  size_t rows, cols, tokens;
  std::vector<uint8_t> weights;
  std::vector<float> decoded;
  std::vector<float> x;
  std::vector<float> y;

  template <class F>
  Product(FormatCase<F> format, size_t rows_in, size_t cols_in,
          size_t tokens_in)
      : type(format.type),
        rows(rows_in),
        cols(cols_in),
        tokens(tokens_in),
        weights(rows * RowBytes(type, cols)),
        x(RandomActivations(tokens * cols, 17)),
        y(tokens * rows, std::numeric_limits<float>::quiet_NaN()) {
    FillRandomRows<F>(weights.data(), rows, cols, RowBytes(type, cols), 23);
    Moderate(format);
  }
  // Scales of one magnitude, so that relative errors mean something.
  template <class F>
  void Moderate(FormatCase<F>) {
    std::mt19937 rng(29);
    std::uniform_real_distribution<float> uniform(0.01f, 0.02f);
    SetScales<F>(weights.data(), rows, cols, RowBytes(type, cols),
                 [&] { return F32ToF16(uniform(rng)); });
    Decode();
  }
  void Decode() {
    decoded.resize(rows * cols);
    REQUIRE(Dequantize(Weights(), FloatMatrix(decoded.data(), rows, cols)).ok());
  }
  ConstMatrix Weights() const {
    return ConstMatrix(type, weights.data(), rows, cols);
  }
  ConstMatrix X() const {
    return FloatMatrix(static_cast<const float*>(x.data()), tokens, cols);
  }
  MutableMatrix Y() { return FloatMatrix(y.data(), tokens, rows); }

  double Exact(const double* xt, size_t r, double* magnitude) const {
    double sum = 0.0;
    *magnitude = 0.0;
    for (size_t c = 0; c < cols; ++c) {
      const double term = decoded[r * cols + c] * xt[c];
      sum += term;
      *magnitude += std::fabs(term);
    }
    return sum;
  }
};

// Multiplies in `layout` and compares with the packed activations' products:
// only the rounding of f32 sums (and of weights to bf16) may differ.
void RequireProduct(Product& p, ActivationLayout layout,
                    const MatmulOptions& options = {}) {
  CAPTURE(p.rows, p.cols, p.tokens, static_cast<int>(layout.kind));
  AlignedBytes memory(PackedActivationBytes(layout, p.tokens, p.cols));
  PackedActivations packed;
  const Status pack = PackActivations(layout, p.X(), memory.data(), &packed);
  INFO(pack.message());
  REQUIRE(pack.ok());
  const Status status = Matmul(p.Weights(), packed, p.Y(), options);
  INFO(status.message());
  REQUIRE(status.ok());
  const std::vector<double> x = Unpack(packed, p.x.data());
  const bool bf16 = layout.kind == ActivationKind::kBf16Panels;
  for (size_t t = 0; t < p.tokens; ++t) {
    for (size_t r = 0; r < p.rows; ++r) {
      double magnitude;
      const double want = p.Exact(x.data() + t * p.cols, r, &magnitude);
      const double got = p.y[t * p.rows + r];
      // Mins are subtracted after the fact: their own products cancel too.
      const double bound = (bf16 ? 0x1p-8 : 0x1p-18) * magnitude + 1e-30;
      if (!(std::fabs(got - want) <= bound)) {
        CAPTURE(t, r, want, got, bound);
        REQUIRE(std::fabs(got - want) <= bound);
      }
    }
  }
}

TEST_CASE("rows around every panel edge") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      for (const size_t rows : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65}) {
        Product p(format, rows, 256, 5);
        for (const auto layout : PanelLayouts()) RequireProduct(p, layout);
      }
    });
  });
}

TEST_CASE("tokens around every unroll edge") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      for (const size_t tokens :
           {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 31, 32, 33, 64, 70}) {
        Product p(format, 11, 256, tokens);
        for (const auto layout : PanelLayouts()) RequireProduct(p, layout);
      }
    });
  });
}

TEST_CASE("columns around chunks, K blocks and their tails") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      for (const size_t cols : {32, 64, 96, 256, 288, 480, 512, 544, 768, 1024,
                                1056, 1280, 2048 + 32, 2304}) {
        if (RowBytes(format.type, cols) == 0) continue;
        Product p(format, 18, cols, 7);
        for (const auto layout : PanelLayouts()) RequireProduct(p, layout);
      }
    });
  });
}

TEST_CASE("more tokens than a block keeps") {
  ForEachTarget([] {
    using F = formats::Q4_0;
    Product p(FormatCase<F>{Type::kQ4_0, "q4_0"}, 3, 32, 512 + 33);
    for (const auto layout : PanelLayouts()) RequireProduct(p, layout);
  });
}

TEST_CASE("more rows than a block keeps") {
  ForEachTarget([] {
    using F = formats::Q4_0;
    Product p(FormatCase<F>{Type::kQ4_0, "q4_0"}, 2 * 384 + 33, 1056, 5);
    for (const auto layout : PanelLayouts()) RequireProduct(p, layout);
  });
}

// With AMX large products have taller blocks of rows, and write whole lines of
// y past the caches: of 1040 rows, not of 1045.
TEST_CASE("a large product is the same bits as small ones") {
  ForEachTarget([] {
    if (!UsesAmx()) return;
    using F = formats::Q4_0;
    for (const size_t rows : {1040, 1045}) {
      Product p(FormatCase<F>{Type::kQ4_0, "q4_0"}, rows, 1056, 512 + 33);
      AlignedBytes memory(PackedActivationBytes(kBf16, p.tokens, p.cols));
      AlignedBytes y_memory(p.tokens * rows * sizeof(float));
      const auto product = [&](const ConstMatrix& x, float* y) {
        PackedActivations packed;
        REQUIRE(PackActivations(kBf16, x, memory.data(), &packed).ok());
        REQUIRE(Matmul(p.Weights(), packed, FloatMatrix(y, x.rows, rows)).ok());
      };
      auto* y = reinterpret_cast<float*>(y_memory.data());
      std::fill_n(y, p.tokens * rows, -1.0f);
      product(p.X(), y);
      for (size_t t = 0; t < p.tokens; t += 100) {
        const size_t end = std::min(t + 100, p.tokens);
        product(p.X().Rows(t, end), p.y.data() + t * rows);
      }
      REQUIRE(std::equal(p.y.begin(), p.y.end(), y));
    }
  });
}

// Every code at its extreme against activations at +-127: a sum that saturates
// is far off.
TEST_CASE("extreme codes and activations do not saturate") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      Product p(format, 4, 512, 4);
      const size_t row_bytes = p.weights.size() / p.rows;
      const uint8_t fill[4] = {0xFF, 0x00, 0x80, 0x7F};
      for (size_t r = 0; r < p.rows; ++r) {
        std::fill_n(p.weights.begin() + r * row_bytes, row_bytes, fill[r]);
      }
      SetScales<F>(p.weights.data(), p.rows, p.cols, row_bytes,
                   [] { return F32ToF16(1.0f); });
      p.Decode();
      for (size_t i = 0; i < p.x.size(); ++i) {
        const size_t token = i / p.cols;
        const float sign = token == 0   ? 1.0f
                           : token == 1 ? -1.0f
                           : token == 2 ? (i % 2 == 0 ? 1.0f : -1.0f)
                                        : (i % 4 < 2 ? 1.0f : -1.0f);
        p.x[i] = 127.0f * sign;
      }
      for (const auto layout : PanelLayouts()) RequireProduct(p, layout);
      if constexpr (formats::TableOf<typename F::Codes>::kSize != 0) {
        for (unsigned i = 0; i < kOutermostPatterns; ++i) {
          FillOutermostLevels<F>(
              p.weights.data() + i % p.rows * row_bytes, p.cols, i);
          if (i % p.rows != p.rows - 1) continue;
          p.Decode();
          for (const auto layout : PanelLayouts()) RequireProduct(p, layout);
        }
      }
    });
  });
}

// Integer activations whose largest per group is 127 are packed exactly, and
// products of small integers below 2^24 are exact in f32.
TEST_CASE("integer data gives exact integers") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      Product p(format, 9, F::kBlock, 6);
      SetScales<F>(p.weights.data(), p.rows, p.cols,
                   p.weights.size() / p.rows, [] { return F32ToF16(1.0f); });
      p.Decode();
      std::mt19937 rng(3);
      for (size_t i = 0; i < p.x.size(); ++i) {
        p.x[i] = i % 32 == 0 ? 127.0f : static_cast<float>(rng() % 3) - 1.0f;
      }
      AlignedBytes memory(PackedActivationBytes(kInt8, p.tokens, p.cols));
      PackedActivations packed;
      REQUIRE(PackActivations(kInt8, p.X(), memory.data(), &packed).ok());
      REQUIRE(Matmul(p.Weights(), packed, p.Y()).ok());
      const std::vector<double> x = Unpack(packed, p.x.data());
      size_t checked = 0;
      for (size_t i = 0; i < p.y.size(); ++i) {
        double magnitude;
        const double want =
            p.Exact(x.data() + i / p.rows * p.cols, i % p.rows, &magnitude);
        if (magnitude * 2 > (1 << 24)) continue;
        REQUIRE(p.y[i] == want);
        ++checked;
      }
      REQUIRE(checked > 0);
    });
  });
}

// Relative error over a whole product, as documented in matmul.h.
TEST_CASE("relative error stays within its documented size") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      Product p(format, 40, 1024, 40);
      std::mt19937 rng(5);
      std::normal_distribution<float> normal;
      for (float& v : p.x) v = normal(rng);
      for (const auto layout : PanelLayouts()) {
        AlignedBytes memory(PackedActivationBytes(layout, p.tokens, p.cols));
        PackedActivations packed;
        REQUIRE(PackActivations(layout, p.X(), memory.data(), &packed).ok());
        REQUIRE(Matmul(p.Weights(), packed, p.Y()).ok());
        const std::vector<double> x(p.x.begin(), p.x.end());
        double error = 0.0, total = 0.0;
        for (size_t i = 0; i < p.y.size(); ++i) {
          double magnitude;
          const double want =
              p.Exact(x.data() + i / p.rows * p.cols, i % p.rows, &magnitude);
          error += (p.y[i] - want) * (p.y[i] - want);
          total += want * want;
        }
        const bool bf16 = layout.kind == ActivationKind::kBf16Panels;
        CAPTURE(static_cast<int>(layout.kind));
        REQUIRE(std::sqrt(error / total) < (bf16 ? 0.004 : 0.007));
      }
    });
  });
}

// ---- Splitting.

TEST_CASE("results do not depend on the split") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      Product p(format, 70, 512, 9);
      for (const auto layout : PanelLayouts()) {
        RequireProduct(p, layout);
        const std::vector<float> whole = p.y;
        for (const size_t parts : {2, 3, 7, 100}) {
          std::fill(p.y.begin(), p.y.end(), -1.0f);
          AlignedBytes memory(PackedActivationBytes(layout, p.tokens, p.cols));
          PackedActivations packed;
          REQUIRE(PackActivations(layout, p.X(), memory.data(), &packed).ok());
          for (size_t part = 0; part < parts; ++part) {
            MatmulOptions options;
            options.share = {part, parts};
            REQUIRE(Matmul(p.Weights(), packed, p.Y(), options).ok());
          }
          REQUIRE(p.y == whole);
        }
      }
    });
  });
}

TEST_CASE("the caller's threads and scratch give the same results") {
  ForEachTarget([] {
    using F = formats::Q6_K;
    Product p(FormatCase<F>{Type::kQ6_K, "q6_k"}, 100, 512, 9);
    for (const auto layout : PanelLayouts()) {
      RequireProduct(p, layout);
      const std::vector<float> whole = p.y;
      const ParallelFor parallel = Backwards(3);
      MatmulOptions options;
      options.parallel = &parallel;
      options.scratch_bytes =
          3 * MatmulScratchBytes(layout, p.rows, p.cols, p.tokens);
      // Poisoned: nothing may be read before it is written.
      AlignedBytes scratch(options.scratch_bytes);
      std::fill_n(scratch.data(), options.scratch_bytes, uint8_t{0xFF});
      options.scratch = scratch.data();
      RequireProduct(p, layout, options);
      REQUIRE(p.y == whole);
    }
  });
}

// ---- Memory.

TEST_CASE("reads only the rows, at odd addresses, and writes only y") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      for (const Guard guard : {Guard::kBefore, Guard::kBehind}) {
        const size_t rows = 3, cols = 512, tokens = 3, y_stride = 5;
        Product p(format, rows, cols, tokens);
        const size_t row_bytes = RowBytes(format.type, cols);
        const size_t stride = row_bytes + 7;
        GuardedBytes weights((rows - 1) * stride + row_bytes, guard);
        for (size_t r = 0; r < rows; ++r) {
          std::copy_n(p.weights.begin() + r * row_bytes, row_bytes,
                      weights.data() + r * stride);
        }
        GuardedBytes x(tokens * cols * sizeof(float), guard);
        memcpy(x.data(), p.x.data(), tokens * cols * sizeof(float));
        std::vector<float> y(tokens * y_stride, 42.0f);
        for (const auto layout : PanelLayouts()) {
          RequireProduct(p, layout);
          GuardedBytes packed_bytes(
              PackedActivationBytes(layout, tokens, cols), guard);
          PackedActivations packed;
          REQUIRE(PackActivations(
                      layout,
                      FloatMatrix(reinterpret_cast<const float*>(x.data()),
                                  tokens, cols),
                      packed_bytes.data(), &packed)
                      .ok());
          REQUIRE(Matmul(ConstMatrix(format.type, weights.data(), rows, cols,
                                     stride),
                         packed, FloatMatrix(y.data(), tokens, rows, y_stride))
                      .ok());
          for (size_t i = 0; i < y.size(); ++i) {
            const size_t t = i / y_stride, r = i % y_stride;
            REQUIRE(y[i] == (r < rows ? p.y[t * rows + r] : 42.0f));
          }
        }
      }
    });
  });
}

// ---- Activations.

TEST_CASE("panels take F16 and BF16 as they take their values in F32") {
  ForEachTarget([] {
    const size_t tokens = 19, cols = 300;
    const std::vector<float> x = RandomActivations(tokens * cols, 41);
    for (const Type type : {Type::kF16, Type::kBF16}) {
      std::vector<uint16_t> narrow(x.size());
      std::vector<float> wide(x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        narrow[i] = type == Type::kF16 ? F32ToF16(x[i]) : F32ToBF16(x[i]);
        wide[i] =
            type == Type::kF16 ? F16ToF32(narrow[i]) : BF16ToF32(narrow[i]);
      }
      for (const auto layout : PanelLayouts()) {
        const size_t bytes = PackedActivationBytes(layout, tokens, cols);
        AlignedBytes a(bytes), b(bytes);
        PackedActivations packed;
        REQUIRE(PackActivations(
                    layout,
                    ConstMatrix(type,
                                reinterpret_cast<const uint8_t*>(narrow.data()),
                                tokens, cols),
                    a.data(), &packed)
                    .ok());
        REQUIRE(PackActivations(
                    layout,
                    FloatMatrix(static_cast<const float*>(wide.data()), tokens,
                                cols),
                    b.data(), &packed)
                    .ok());
        REQUIRE(std::equal(a.data(), a.data() + bytes, b.data()));
      }
    }
  });
}

TEST_CASE("an activation that is not finite is named") {
  ForEachTarget([] {
    const size_t tokens = 37, cols = 300;
    for (const auto layout : PanelLayouts()) {
      for (const float bad : {std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()}) {
        for (const size_t token : {0, 35}) {
          std::vector<float> x(tokens * cols, 1.0f);
          x[token * cols + 299] = bad;
          AlignedBytes memory(PackedActivationBytes(layout, tokens, cols));
          PackedActivations packed;
          const Status status = PackActivations(
              layout,
              FloatMatrix(static_cast<const float*>(x.data()), tokens, cols),
              memory.data(), &packed);
          REQUIRE(status.code() == StatusCode::kInvalidData);
          REQUIRE(status.message().find("token " + std::to_string(token)) !=
                  std::string::npos);
          REQUIRE(status.message().find("column 299") != std::string::npos);
        }
      }
    }
  });
}

// ---- Both calls.

TEST_CASE("plain activations give what packed ones give") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      for (const size_t tokens : {1, 4, 9, 40}) {
        Product p(format, 20, 512, tokens);
        REQUIRE(Matmul(p.Weights(), p.X(), p.Y()).ok());
        const std::vector<float> plain = p.y;
        const ActivationLayout layout =
            ChooseActivationLayout(p.type, p.tokens);
        AlignedBytes memory(PackedActivationBytes(layout, p.tokens, p.cols));
        PackedActivations packed;
        REQUIRE(PackActivations(layout, p.X(), memory.data(), &packed).ok());
        REQUIRE(Matmul(p.Weights(), packed, p.Y()).ok());
        REQUIRE(p.y == plain);
      }
    });
  });
}

// ---- Instructions beside the target's own.

// Within the columns that every kernel unpacks at once: from there on f32 sums
// are added up in other groups.
TEST_CASE("with and without AVX-VNNI or i8mm results are the same bits") {
  ForEachTarget([] {
    if (!UsesExtension()) return;
    ForEachFormat([](auto format) {
      for (const size_t tokens : {1, 2, 5, 8}) {
        Product p(format, 19, 512, tokens);
        RequireProduct(p, kInt8);
        const std::vector<float> plain = p.y;
        RequireProduct(p, kExtended);
        REQUIRE(p.y == plain);
      }
    });
  });
}

TEST_CASE("panels are laid out for the instructions in use") {
  const auto is_off = [](const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && std::string(value) == "0";
  };
  ForEachTarget([&] {
    if (is_off("NIBBLE_AVX_VNNI")) REQUIRE_FALSE(UsesAvxVnni());
    if (is_off("NIBBLE_I8MM")) REQUIRE_FALSE(UsesI8mm());
    const ActivationLayout chosen = ChooseActivationLayout(Type::kQ4_K, 9);
    if (chosen.kind == ActivationKind::kInt8Panels) {
      REQUIRE(chosen == (UsesExtension() ? kExtended : kInt8));
    }
    const std::vector<std::string> extensions = {"+AMX", "+VNNI", "+I8MM"};
    const bool used[] = {UsesAmx(), UsesAvxVnni(), UsesI8mm()};
    std::string backend = ChosenTarget();
    for (size_t i = 0; i < 3; ++i) backend += used[i] ? extensions[i] : "";
    REQUIRE(ChosenBackend() == backend);
  });
}

// Left out where it could be something else: `max` of qemu has i8mm.
TEST_CASE("i8mm is used on a processor known to have it", "[.i8mm]") {
  const std::vector<std::string> targets = AvailableTargets();
  if (targets.front() != "NEON_BF16") SKIP("NEON_BF16 is not compiled in");
  REQUIRE(UsesI8mm());
}

TEST_CASE("panels of an order that is not in use are refused") {
  ForEachTarget([] {
    Product p(FormatCase<formats::Q4_K>{Type::kQ4_K, "q4_k"}, 8, 256, 9);
    AlignedBytes memory(PackedActivationBytes(kInt8, p.tokens, p.cols));
    PackedActivations packed;
    const auto pack = [&](ActivationLayout layout) {
      return PackActivations(layout, p.X(), memory.data(), &packed).code();
    };
    ActivationLayout unknown = kInt8;
    unknown.order = kExtensionOrder + 1;
    REQUIRE(pack(unknown) == StatusCode::kInvalidArgument);
    const StatusCode extended =
        UsesExtension() ? StatusCode::kOk : StatusCode::kUnsupported;
    REQUIRE(pack(kExtended) == extended);
    REQUIRE(pack(kInt8) == StatusCode::kOk);
    const auto multiply = [&](ActivationLayout layout) {
      PackedActivations x = packed;
      x.layout = layout;
      return Matmul(p.Weights(), x, p.Y()).code();
    };
    REQUIRE(multiply(unknown) == StatusCode::kInvalidArgument);
    REQUIRE(multiply(kExtended) == extended);
  });
}

// ---- Refusals.

TEST_CASE("matmul refuses what does not fit") {
  Product p(FormatCase<formats::Q4_K>{Type::kQ4_K, "q4_k"}, 8, 256, 9);
  AlignedBytes memory(PackedActivationBytes(kInt8, p.tokens, p.cols));
  PackedActivations packed;
  REQUIRE(PackActivations(kInt8, p.X(), memory.data(), &packed).ok());
  const auto code = [&](const ConstMatrix& w, const PackedActivations& x,
                        const MutableMatrix& y, const MatmulOptions& o = {}) {
    return Matmul(w, x, y, o).code();
  };
  const ConstMatrix w = p.Weights();
  const MutableMatrix y = p.Y();
  REQUIRE(code(w, packed, y) == StatusCode::kOk);

  PackedActivations x = packed;
  x.cols = 512;
  REQUIRE(code(w, x, y) == StatusCode::kInvalidArgument);
  x = packed;
  x.tokens = 10;
  REQUIRE(code(w, x, y) == StatusCode::kInvalidArgument);
  x = packed;
  x.data = nullptr;
  REQUIRE(code(w, x, y) == StatusCode::kInvalidArgument);
  x = packed;
  x.data += 4;
  REQUIRE(code(w, x, y) == StatusCode::kInvalidArgument);

  REQUIRE(code(w.Rows(0, 7), packed, y) == StatusCode::kInvalidArgument);
  REQUIRE(code(p.X(), packed, y) == StatusCode::kInvalidArgument);
  MutableMatrix half = y;
  half.type = Type::kF16;
  REQUIRE(code(w, packed, half) == StatusCode::kInvalidArgument);

  MatmulOptions options;
  options.share = {1, 1};
  REQUIRE(code(w, packed, y, options) == StatusCode::kInvalidArgument);
  options = {};
  options.scratch = memory.data();
  options.scratch_bytes = 64;
  REQUIRE(code(w, packed, y, options) == StatusCode::kInvalidArgument);
  options.scratch = memory.data() + 1;
  REQUIRE(code(w, packed, y, options) == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nibble
