// SPDX-License-Identifier: MIT
// matmul_table: speed and relative error of Matmul per type and number of
// tokens, as TSV. A call packs its activations and multiplies.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/page_buffer.h"
#include "bench/product.h"
#include "bench/repeated_rows.h"
#include "bench/require.h"
#include "bench/stream_rate.h"
#include "bench/threads.h"
#include "bench/timing.h"
#include "bench/type_list.h"
#include "nibble/nibble.h"

namespace nibble {
namespace {

struct Arguments {
  std::string types = "all", target;
  std::vector<size_t> tokens = {1, 8, 64, 512};
  size_t rows = 4096, cols = 4096, threads = 1;
  double seconds = 0.5;
  Pages pages = Pages::kHuge;
};

// Up to so many tokens a product waits for its weights: they then come from
// memory, a different matrix every call.
constexpr size_t kMemoryTokens = 8;
constexpr size_t kMemoryBytes = size_t{768} << 20;

// Matrices of one type, as many as fit; they repeat a few quantized rows, which
// caches cannot know.
class Weights {
 public:
  Weights(Type type, const Arguments& args, PageBuffer& memory)
      : type_(type),
        rows_(args.rows),
        cols_(args.cols),
        stride_(RowBytes(type, args.cols)),
        bytes_(stride_ * rows_),
        data_(memory.data()),
        count_(std::max<size_t>(1, kMemoryBytes / bytes_)) {
    RepeatedRows(type, cols_).Fill(data_, rows_ * count_);
  }

  ConstMatrix Next(bool from_memory) {
    if (from_memory) next_ = (next_ + 1) % count_;
    return ConstMatrix(type_, data_ + next_ * bytes_, rows_, cols_);
  }
  size_t bytes() const { return bytes_; }

 private:
  Type type_;
  size_t rows_, cols_, stride_, bytes_;
  uint8_t* data_;
  size_t count_, next_ = 0;
};

// One product of the table, with all the memory it needs.
class Product {
 public:
  Product(const Arguments& args, Type type, size_t tokens, const float* x)
      : threads_(args.threads),
        tokens_(tokens),
        cols_(args.cols),
        x_(FloatMatrix(x, tokens, args.cols)),
        layout_(ChooseActivationLayout(type, tokens)),
        packed_memory_(PackedActivationBytes(layout_, tokens, args.cols)),
        scratch_(std::max<size_t>(
            64, args.threads *
                    MatmulScratchBytes(layout_, args.rows, args.cols, tokens))),
        y_memory_(tokens * args.rows * sizeof(float), Pages::kSmall),
        y_(reinterpret_cast<float*>(y_memory_.data())) {
    options_.parallel = threads_.get();
    options_.scratch = scratch_.data();
    options_.scratch_bytes =
        args.threads *
        MatmulScratchBytes(layout_, args.rows, args.cols, tokens);
  }

  void Run(const ConstMatrix& weights) {
    PackedActivations packed;
    Require(PackActivations(layout_, x_, packed_memory_.data(), &packed));
    Require(Matmul(weights, packed, FloatMatrix(y_, tokens_, weights.rows),
                   options_));
  }

  // sqrt(sum (y - exact)^2 / sum exact^2) over sampled rows and tokens.
  double RelativeError(const ConstMatrix& weights) const {
    std::vector<float> row(cols_);
    double error = 0, total = 0;
    const size_t row_step = std::max<size_t>(1, weights.rows / 37);
    const size_t token_step = std::max<size_t>(1, tokens_ / 37);
    for (size_t r = 0; r < weights.rows; r += row_step) {
      Require(Dequantize(weights.Rows(r, r + 1),
                         FloatMatrix(row.data(), 1, cols_)));
      for (size_t t = 0; t < tokens_; t += token_step) {
        const float* x = reinterpret_cast<const float*>(x_.row(t));
        double exact = 0;
        for (size_t c = 0; c < cols_; ++c) {
          exact += static_cast<double>(row[c]) * x[c];
        }
        const double difference = y_[t * weights.rows + r] - exact;
        error += difference * difference;
        total += exact * exact;
      }
    }
    return std::sqrt(error / total);
  }

 private:
  const Threads threads_;
  size_t tokens_, cols_;
  ConstMatrix x_;
  ActivationLayout layout_;
  PageBuffer packed_memory_, scratch_;
  PageBuffer y_memory_;  // aligned, as engines have it
  float* y_;
  MatmulOptions options_;
};

void Row(const Arguments& args, Type type, Weights& weights, size_t tokens,
         const float* x) {
  Product product(args, type, tokens, x);
  const bool from_memory = tokens <= kMemoryTokens;
  const double seconds = BestSeconds(
      args.seconds, [&] { product.Run(weights.Next(from_memory)); });
  const double products = static_cast<double>(args.rows) *
                          static_cast<double>(args.cols) *
                          static_cast<double>(tokens);
  std::printf("%s\t%.4f\t%s\t%zu\t%.2f\t%.2f\t%.6f\n", TableName(type).c_str(),
              8.0 * static_cast<double>(weights.bytes()) /
                  static_cast<double>(args.rows * args.cols),
              ChosenBackend().c_str(), tokens, 2e-9 * products / seconds,
              1e-9 * static_cast<double>(weights.bytes()) / seconds,
              product.RelativeError(weights.Next(false)));
  std::fflush(stdout);
}

void PrintStream(const Arguments& args, PageBuffer& memory) {
  std::fill_n(memory.data(), kMemoryBytes, uint8_t{1});
  const Threads threads(args.threads);
  const double rate =
      StreamRate(memory.data(), kMemoryBytes, threads.get(), args.seconds);
  std::printf(
      "# stream read %.2f GB/s of 768 MiB, %s pages (%zu MiB huge), "
      "%zu thread(s), %zu x %zu\n",
      rate, args.pages == Pages::kHuge ? "huge" : "small",
      PageBuffer::HugeKib() / 1024, args.threads, args.rows, args.cols);
}

void Table(const Arguments& args) {
  if (!args.target.empty()) Require(ForceTarget(args.target));
  const std::vector<Type> types = ParseTypes(args.types);
  size_t bytes = kMemoryBytes;
  for (const Type type : types) {
    bytes = std::max(bytes, args.rows * RowBytes(type, args.cols));
  }
  PageBuffer memory(bytes, args.pages);
  PrintStream(args, memory);
  std::printf("type\tbpw\ttarget\ttokens\tGFLOPS\tGBps\trel_error\n");
  const size_t most = *std::max_element(args.tokens.begin(), args.tokens.end());
  const std::vector<float> x = NormalFloats(most * args.cols, 11);
  for (const Type type : types) {
    if (RowBytes(type, args.cols) == 0) continue;  // cannot store such rows
    Weights weights(type, args, memory);
    for (const size_t tokens : args.tokens) {
      Row(args, type, weights, tokens, x.data());
    }
  }
}

int Main(int argc, char** argv) {
  Arguments args;
  CLI::App app{"Speed and relative error of matmul, as TSV"};
  app.add_option("--type", args.types, "all, or names separated by commas");
  app.add_option("--rows", args.rows)->check(CLI::PositiveNumber);
  app.add_option("--cols", args.cols)->check(CLI::PositiveNumber);
  app.add_option("--tokens", args.tokens)
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", args.threads)->check(CLI::PositiveNumber);
  app.add_option("--target", args.target, "SIMD target, the best by default");
  app.add_option("--seconds", args.seconds, "least time per row");
  app.add_option("--pages", args.pages, "of the weights")
      ->transform(CLI::CheckedTransformer(PagesByName()));
  CLI11_PARSE(app, argc, argv);
  try {
    Table(args);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "matmul_table: %s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace nibble

int main(int argc, char** argv) { return nibble::Main(argc, argv); }
