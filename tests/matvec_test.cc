// SPDX-License-Identifier: MIT
// Matvec and Dot on every target against sums in double over the scalar machine
// and the activations as packed.
#include "nibble/matvec.h"

#include <cmath>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "nibble/dequantize.h"
#include "nibble/matmul.h"
#include "nibble/simd/int8_row_chunk.h"
#include "nibble/simd/member_offset.h"
#include "tests/element_order.h"
#include "tests/for_each.h"
#include "tests/guarded_bytes.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

using formats::Reader;

// Codes of scales are read from where the compiler put their members.
struct LongBlock {
  uint8_t head[300];
  uint8_t tail[2];
};
static_assert(MemberOffset(&LongBlock::head) == 0 &&
              MemberOffset(&LongBlock::tail) == 300);

// Weights, activations and the packed form of the latter.
template <class F>
struct Problem {
  Problem(FormatCase<F> format, size_t rows_in, size_t cols_in,
          size_t tokens_in, size_t row_padding, uint32_t seed)
      : type(format.type),
        rows(rows_in),
        cols(cols_in),
        tokens(tokens_in),
        stride(RowBytes(format.type, cols_in) + row_padding),
        bytes(rows_in * stride + 1),
        layout(ChooseActivationLayout(format.type, 1)),
        packed_bytes(PackedActivationBytes(layout, tokens, cols)) {
    FillRandomRows<F>(bytes.data() + 1, rows, cols, stride, seed);
    Pack(RandomActivations(tokens * cols, seed + 1));
  }

  void Pack(const std::vector<float>& x) {
    REQUIRE(PackActivations(layout, FloatMatrix(x.data(), tokens, cols),
                            packed_bytes.data(), &packed)
                .ok());
  }
  // Odd addresses: no packed type may rely on alignment.
  ConstMatrix Weights() const {
    return ConstMatrix(type, bytes.data() + 1, rows, cols, stride);
  }
  PackedActivations Tokens(size_t first, size_t count) const {
    PackedActivations part = packed;
    part.data += first * ChunksOf(cols) * sizeof(Int8RowChunk);
    part.tokens = count;
    return part;
  }

  Type type;
  size_t rows, cols, tokens, stride;
  std::vector<uint8_t> bytes;
  ActivationLayout layout;
  AlignedBytes packed_bytes;
  PackedActivations packed;
};

// Activation c of a token as the products see it.
template <class F>
double Activation(ActivationLayout layout, const Int8RowChunk* token,
                  size_t c) {
  static std::map<uint16_t, std::vector<size_t>> orders;
  std::vector<size_t>& positions = orders[layout.order];
  if (positions.empty()) {
    positions.resize(kChunk);
    for (size_t i = 0; i < kChunk; ++i) positions[ElementAt<F>(layout, i)] = i;
  }
  const Int8RowChunk& chunk = token[c / kChunk];
  const size_t e = c % kChunk;
  return static_cast<double>(chunk.q[positions[e]]) *
         static_cast<double>(chunk.scale32[e / 32]);
}

struct Expected {
  double value = 0.0;
  double bound = 0.0;
};

// The error bound: half an ulp per rounding step of the running sums, on the
// sum of magnitudes of everything that is added: codes as the machine
// multiplies them (tables biased by 128) and what takes the bias and zero point
// out again.
template <class F>
Expected Expect(const Problem<F>& p, size_t r, size_t t) {
  const uint8_t* row = p.bytes.data() + 1 + r * p.stride;
  const auto* blocks =
      reinterpret_cast<const typename F::Block*>(row + F::kRowHeader);
  const auto* token = reinterpret_cast<const Int8RowChunk*>(p.packed.data) +
                      t * ChunksOf(p.cols);
  const float row_scale = Reader<F>::RowScale(row);
  const int bias = formats::IsSigned<typename F::Codes>::value ? 256 : 0;
  Expected expected;
  double magnitude = 0.0;
  for (size_t c = 0; c < p.cols; ++c) {
    const auto& block = blocks[c / F::kBlock];
    const size_t e = c % F::kBlock, s = e / F::kSub;
    const double scale = Reader<F>::Scale(block, row_scale, s);
    const double min = Reader<F>::Min(block, s);
    const int level = Reader<F>::Level(block, e);
    const double y = Activation<F>(p.layout, token, c);
    expected.value += (scale * level - min) * y;
    const int size =
        std::abs(level) + 2 * std::abs(Reader<F>::Offset(block, s));
    magnitude +=
        (std::fabs(scale) * (size + bias) + std::fabs(min)) * std::fabs(y);
  }
  const double steps = 8.0 * static_cast<double>(ChunksOf(p.cols)) + 24.0;
  expected.bound = magnitude * steps * std::ldexp(1.0, -24);
  return expected;
}

// Every result against Expect.
template <class F>
void RequireExpected(const Problem<F>& p, const std::vector<float>& y) {
  for (size_t t = 0; t < p.tokens; ++t) {
    for (size_t r = 0; r < p.rows; ++r) {
      const Expected want = Expect(p, r, t);
      const double error = std::fabs(y[t * p.rows + r] - want.value);
      if (!(error <= want.bound)) {  // cheap when all is well
        CAPTURE(r, t, p.cols, y[t * p.rows + r], want.value, want.bound);
        REQUIRE(error <= want.bound);
      }
    }
  }
}

template <class F>
std::vector<float> Multiply(const Problem<F>& p) {
  std::vector<float> y(p.tokens * p.rows, -1.0f);
  REQUIRE(Matvec(p.Weights(), p.packed, FloatMatrix(y.data(), p.tokens, p.rows))
              .ok());
  return y;
}

// Columns around the edges of blocks and chunks.
template <class F>
std::vector<size_t> Widths() {
  std::vector<size_t> widths;
  for (const size_t cols : {32, 64, 96, 224, 256, 288, 480, 512, 544, 2304}) {
    if (cols % F::kBlock == 0) widths.push_back(cols);
  }
  return widths;
}

TEST_CASE("matvec equals the sum in double, for every width") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      for (const size_t cols : Widths<F>()) {
        const Problem<F> p(format, 3, cols, 7, 5, static_cast<uint32_t>(cols));
        RequireExpected(p, Multiply(p));
      }
    });
  });
}

TEST_CASE("a result does not depend on the other rows and tokens") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      const Problem<F> p(format, 9, 512, 21, 0, 21);
      const std::vector<float> whole = Multiply(p);
      for (const size_t tokens :
           {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 18, 19, 20, 21}) {
        for (size_t rows = 1; rows <= p.rows; ++rows) {
          // Columns behind the rows belong to someone else.
          const size_t stride = rows + 3;
          std::vector<float> y(tokens * stride, 42.0f);
          REQUIRE(Matvec(p.Weights().Rows(p.rows - rows, p.rows),
                         p.Tokens(p.tokens - tokens, tokens),
                         FloatMatrix(y.data(), tokens, rows, stride))
                      .ok());
          bool same = true, untouched = true;
          for (size_t t = 0; t < tokens; ++t) {
            const float* want =
                &whole[(p.tokens - tokens + t) * p.rows + p.rows - rows];
            same = same && memcmp(&y[t * stride], want, rows * 4) == 0;
            for (size_t i = rows; i < stride; ++i) {
              untouched = untouched && y[t * stride + i] == 42.0f;
            }
          }
          REQUIRE(same);
          REQUIRE(untouched);
        }
      }
    });
  });
}

// Rows so long that several tokens meet them segment by segment, eight rows and
// then one. One token meets a whole row.
TEST_CASE("a result does not depend on where rows are cut") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      const size_t cols = 34 * kChunk + (F::kBlock < kChunk ? F::kBlock : 0);
      const Problem<F> p(format, 9, cols, 12, 0, 23);
      std::vector<float> alone(p.tokens * p.rows);
      for (size_t t = 0; t < p.tokens; ++t) {
        REQUIRE(Matvec(p.Weights(), p.Tokens(t, 1),
                       FloatMatrix(&alone[t * p.rows], 1, p.rows))
                    .ok());
      }
      for (const size_t tokens : {4, 9, 12}) {
        std::vector<float> y(tokens * p.rows);
        REQUIRE(Matvec(p.Weights(), p.Tokens(0, tokens),
                       FloatMatrix(y.data(), tokens, p.rows))
                    .ok());
        REQUIRE(memcmp(y.data(), alone.data(), y.size() * sizeof(float)) == 0);
      }
    });
  });
}

TEST_CASE("extreme codes and activations do not saturate") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      const size_t cols = 512;
      Problem<F> p(format, 1, cols, 4, 0, 31);
      std::vector<float> x(4 * cols);
      for (size_t c = 0; c < cols; ++c) {
        x[c] = 1.0f;
        x[cols + c] = -1.0f;
        x[2 * cols + c] = c % 2 == 0 ? 1.0f : -1.0f;
        x[3 * cols + c] = c % 4 < 2 ? 1.0f : -1.0f;
      }
      p.Pack(x);
      for (const int pattern :
           {0x00, 0xFF, 0x7F, 0x80, 0x0F, 0xF0, 0x55, 0x81}) {
        std::fill(p.bytes.begin(), p.bytes.end(),
                  static_cast<uint8_t>(pattern));
        SetScales<F>(p.bytes.data() + 1, 1, cols, p.stride,
                     [] { return uint16_t{0x3C00}; });
        RequireExpected(p, Multiply(p));
      }
      if constexpr (formats::TableOf<typename F::Codes>::kSize != 0) {
        for (unsigned i = 0; i < kOutermostPatterns; ++i) {
          FillOutermostLevels<F>(p.bytes.data() + 1, cols, i);
          RequireExpected(p, Multiply(p));
        }
      }
    });
  });
}

// A row per code of a block's scales. Activations of 2^40 keep the products of
// subnormal scales normal; powers of two beyond 2^32 would leave the floats.
TEST_CASE("every code of a scale") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      using Kind = typename formats::ScaleOf<F>::type;
      if constexpr (Kind::kCoded) {
        const size_t cols = 512, codes = Kind::kPerSub ? 256 : 160;
        Problem<F> p(format, codes, cols, 1, 0, 61);
        std::vector<float> x = RandomActivations(cols, 62);
        for (float& v : x) v = std::ldexp(v, 40);
        p.Pack(x);
        for (size_t code = 0; code < codes; ++code) {
          auto* blocks = reinterpret_cast<typename F::Block*>(
              p.bytes.data() + 1 + code * p.stride);
          for (size_t b = 0; b < cols / F::kBlock; ++b) {
            memset(&blocks[b].d, static_cast<int>(code), sizeof(blocks[b].d));
          }
        }
        RequireExpected(p, Multiply(p));
      }
    });
  });
}

TEST_CASE("shares and lent threads write every row once, with the same bits") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      const Problem<F> p(format, 9, 256, 3, 0, 41);
      const std::vector<float> whole = Multiply(p);
      for (const size_t parts : {1, 2, 4, 9, 12}) {
        std::vector<float> y(whole.size(), 42.0f);
        const MutableMatrix out = FloatMatrix(y.data(), p.tokens, p.rows);
        for (size_t part = 0; part < parts; ++part) {
          const RowRange range = SplitRows(p.rows, {part, parts});
          const std::vector<float> before = y;
          MatvecOptions options;
          options.share = {part, parts};
          REQUIRE(Matvec(p.Weights(), p.packed, out, options).ok());
          for (size_t i = 0; i < y.size(); ++i) {
            const size_t r = i % p.rows;
            if (r < range.begin || r >= range.end) {
              REQUIRE(memcmp(&y[i], &before[i], sizeof(float)) == 0);
            }
          }
        }
        REQUIRE(memcmp(y.data(), whole.data(), whole.size() * 4) == 0);
      }
    });
  });
}

// Runs the parts backwards on the calling thread.
void RunBackwards(void* context, size_t parts,
                  void (*task)(void* arg, size_t part), void* arg) {
  *static_cast<size_t*>(context) = parts;
  for (size_t part = parts; part-- > 0;) task(arg, part);
}

TEST_CASE("parallel_for gets as many parts as threads, at most one per row") {
  const FormatCase<formats::Q4_K> format = {Type::kQ4_K, "q4_k"};
  const Problem<formats::Q4_K> p(format, 9, 512, 2, 0, 43);
  const std::vector<float> whole = Multiply(p);
  for (const size_t threads : {1, 2, 4, 64}) {
    size_t parts = 0;
    ParallelFor parallel;
    parallel.run = &RunBackwards;
    parallel.context = &parts;
    parallel.threads = threads;
    MatvecOptions options;
    options.parallel = &parallel;
    std::vector<float> y(whole.size(), 42.0f);
    const MutableMatrix out = FloatMatrix(y.data(), p.tokens, p.rows);
    REQUIRE(Matvec(p.Weights(), p.packed, out, options).ok());
    REQUIRE(y == whole);
    if (threads > 1) REQUIRE(parts == std::min<size_t>(threads, p.rows));
    options.share = {1, 3};  // a share may use threads, too
    std::fill(y.begin(), y.end(), 42.0f);
    REQUIRE(Matvec(p.Weights(), p.packed, out, options).ok());
    for (size_t i = 0; i < y.size(); ++i) {
      REQUIRE(y[i] == (i % 9 >= 3 && i % 9 < 6 ? whole[i] : 42.0f));
    }
  }
}

TEST_CASE("matvec reads only the bytes of the rows and of the activations") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      for (const size_t cols : Widths<F>()) {
        const Problem<F> p(format, 3, cols, 7, 3, 51);
        const std::vector<float> whole = Multiply(p);
        const size_t row_bytes = RowBytes(format.type, cols);
        const size_t used = (p.rows - 1) * p.stride + row_bytes;
        const size_t x_bytes = PackedActivationBytes(p.layout, p.tokens, cols);
        for (const Guard guard : {Guard::kBefore, Guard::kBehind}) {
          GuardedBytes weights(used, guard), x(x_bytes, guard);
          GuardedBytes y(whole.size() * 4, guard);
          memcpy(weights.data(), p.bytes.data() + 1, used);
          memcpy(x.data(), p.packed.data, x_bytes);
          PackedActivations packed = p.packed;
          packed.data = x.data();
          REQUIRE(Matvec(ConstMatrix(format.type, weights.data(), p.rows, cols,
                                     p.stride),
                         packed,
                         FloatMatrix(reinterpret_cast<float*>(y.data()),
                                     p.tokens, p.rows))
                      .ok());
          REQUIRE(memcmp(y.data(), whole.data(), whole.size() * 4) == 0);
        }
      }
    });
  });
}

TEST_CASE("dot is one number of a matvec") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      using F = typename decltype(format)::Format;
      const Problem<F> p(format, 2, 768, 5, 0, 61);
      const std::vector<float> whole = Multiply(p);
      for (size_t t = 0; t < p.tokens; ++t) {
        for (size_t r = 0; r < p.rows; ++r) {
          float result = -1.0f;
          REQUIRE(Dot(p.Weights().Rows(r, r + 1), p.packed, t, &result).ok());
          REQUIRE(memcmp(&result, &whole[t * p.rows + r], 4) == 0);
        }
      }
    });
  });
}

TEST_CASE("arguments that do not fit are refused, and nothing is written") {
  const FormatCase<formats::Q4_K> format = {Type::kQ4_K, "q4_k"};
  const Problem<formats::Q4_K> p(format, 4, 512, 2, 0, 71);
  std::vector<float> y(p.tokens * p.rows, 42.0f);
  const MutableMatrix out = FloatMatrix(y.data(), p.tokens, p.rows);
  const auto code = [](const ConstMatrix& w, const PackedActivations& x,
                       const MutableMatrix& to, Share share = Share()) {
    MatvecOptions options;
    options.share = share;
    return Matvec(w, x, to, options).code();
  };
  const StatusCode invalid = StatusCode::kInvalidArgument;

  PackedActivations x = p.packed;
  x.layout.order = static_cast<uint16_t>(x.layout.order + 1);
  REQUIRE(code(p.Weights(), x, out) == invalid);
  x = p.packed;
  x.layout.kind = ActivationKind::kInt8Panels;
  REQUIRE(code(p.Weights(), x, out) == invalid);
  x = p.packed;
  x.cols = 256;
  REQUIRE(code(p.Weights(), x, out) == invalid);
  x = p.packed;
  x.data += 4;
  REQUIRE(code(p.Weights(), x, out) == invalid);
  x.data = nullptr;
  REQUIRE(code(p.Weights(), x, out) == invalid);
  x = p.packed;
  x.tokens = 0;
  REQUIRE(code(p.Weights(), x, out) == invalid);

  ConstMatrix w = p.Weights();
  w.stride_bytes = 10;
  REQUIRE(code(w, p.packed, out) == invalid);
  w = p.Weights();
  w.cols = 511;
  REQUIRE(code(w, p.packed, out) == invalid);
  REQUIRE(code(ConstMatrix(Type::kF32, p.packed.data, 4, 512), p.packed, out) ==
          invalid);
  REQUIRE(code(ConstMatrix(static_cast<Type>(9999), p.packed.data, 4, 512),
               p.packed, out) == StatusCode::kUnsupported);

  MutableMatrix bad = out;
  bad.type = Type::kF16;
  REQUIRE(code(p.Weights(), p.packed, bad) == invalid);
  bad = out;
  bad.rows = 1;
  REQUIRE(code(p.Weights(), p.packed, bad) == invalid);
  bad = out;
  bad.cols = 3;
  REQUIRE(code(p.Weights(), p.packed, bad) == invalid);
  bad = out;
  bad.data = nullptr;
  REQUIRE(code(p.Weights(), p.packed, bad) == invalid);

  REQUIRE(code(p.Weights(), p.packed, out, {0, 0}) == invalid);
  REQUIRE(code(p.Weights(), p.packed, out, {2, 2}) == invalid);

  float result = 42.0f;
  REQUIRE(Dot(p.Weights(), p.packed, 0, &result).code() == invalid);
  const ConstMatrix row = p.Weights().Rows(0, 1);
  REQUIRE(Dot(row, p.packed, 2, &result).code() == invalid);
  REQUIRE(Dot(row, p.packed, 0, nullptr).code() == invalid);
  REQUIRE(result == 42.0f);
  REQUIRE(y == std::vector<float>(y.size(), 42.0f));
}

// Everything is linear in the row's scale: TypeInfo::inference_factor may go to
// it or to the results, of whichever verb.
TEST_CASE("the inference factor of the rows is that of the results") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const float factor = FindTypeInfo(format.type)->inference_factor;
    REQUIRE(factor == F::kInferenceFactor);
    if constexpr (F::kInferenceFactor != 1.0f) {
      Problem<F> p(format, 5, 512, 3, 0, 77);
      const std::vector<float> x = RandomActivations(p.tokens * p.cols, 78);
      const auto results = [&] {
        std::vector<float> all = Multiply(p), y(p.tokens * p.rows);
        REQUIRE(Matmul(p.Weights(), FloatMatrix(x.data(), p.tokens, p.cols),
                       FloatMatrix(y.data(), p.tokens, p.rows))
                    .ok());
        all.insert(all.end(), y.begin(), y.end());
        y.resize(p.rows * p.cols);
        REQUIRE(Dequantize(p.Weights(), FloatMatrix(y.data(), p.rows, p.cols))
                    .ok());
        all.insert(all.end(), y.begin(), y.end());
        return all;
      };
      std::vector<float> stored = results();
      for (size_t r = 0; r < p.rows; ++r) {
        uint8_t* header = p.bytes.data() + 1 + r * p.stride;
        const float d = factor * Reader<F>::RowScale(header);
        memcpy(header, &d, sizeof(d));
      }
      const std::vector<float> scaled = results();
      for (size_t i = 0; i < stored.size(); ++i) {
        const double want = double{factor} * double{stored[i]};
        REQUIRE(std::fabs(scaled[i] - want) <= 1e-5 * std::fabs(want) + 1e-37);
      }
    }
  });
}

}  // namespace
}  // namespace nibble
