// SPDX-License-Identifier: MIT
// quantize_table: speed and weighted error of Quantize per type, as TSV.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/require.h"
#include "bench/threads.h"
#include "bench/timing.h"
#include "bench/type_list.h"
#include "bench/weighted_error.h"
#include "nibble/nibble.h"

namespace nibble {
namespace {

struct Arguments {
  std::string input, importance, types = "all", output;
  size_t rows = 256, cols = 4096, threads = 1;
  double seconds = 1.0;
  Search search = Search::kDefault;
  WeightRule weights = WeightRule::kImportanceMagnitude;
};

struct Data {
  std::vector<float> weights;
  std::vector<float> importance;  // empty: none
};

std::vector<float> ReadFloats(const std::string& path, size_t count) {
  std::ifstream in(path, std::ios::binary);
  std::vector<float> values(count);
  in.read(reinterpret_cast<char*>(values.data()),
          static_cast<std::streamsize>(count * sizeof(float)));
  if (!in) {
    throw std::runtime_error(path + ": fewer than " + std::to_string(count) +
                             " floats");
  }
  return values;
}

// Heavy-tailed rows and an importance per column, from one generator.
Data Synthetic(size_t rows, size_t cols) {
  std::mt19937 rng(42);
  std::student_t_distribution<float> heavy(5);
  std::normal_distribution<float> normal(0, 1);
  Data data{std::vector<float>(rows * cols), std::vector<float>(cols)};
  for (float& x : data.weights) x = 0.02f * heavy(rng);
  for (float& p : data.importance) {
    const float g = normal(rng);
    p = 0.05f + g * g;
  }
  return data;
}

Data Load(const Arguments& args) {
  if (args.input.empty()) return Synthetic(args.rows, args.cols);
  Data data;
  data.weights = ReadFloats(args.input, args.rows * args.cols);
  if (!args.importance.empty()) {
    data.importance = ReadFloats(args.importance, args.cols);
  }
  return data;
}

void Row(const Arguments& args, const Data& data, Type type) {
  const size_t stride = RowBytes(type, args.cols);
  if (stride == 0) return;  // columns this type cannot store
  std::vector<uint8_t> bytes(stride * args.rows);
  const ConstMatrix source =
      FloatMatrix(data.weights.data(), args.rows, args.cols);
  const MutableMatrix packed(type, bytes.data(), args.rows, args.cols);
  const float* importance =
      data.importance.empty() ? nullptr : data.importance.data();
  const Threads threads(args.threads);
  QuantizeOptions options;
  options.search = args.search;
  options.weights = args.weights;
  options.importance = importance;
  options.parallel = threads.get();
  const double seconds = BestSeconds(
      args.seconds, [&] { Require(Quantize(source, packed, options)); });

  WeightedError error;
  std::vector<float> decoded(args.cols);
  for (size_t r = 0; r < args.rows; ++r) {
    Require(Dequantize(ConstMatrix(packed).Rows(r, r + 1),
                       FloatMatrix(decoded.data(), 1, args.cols)));
    error.AddRow(data.weights.data() + r * args.cols, decoded.data(),
                 importance, args.cols);
  }
  const double weights = static_cast<double>(args.rows * args.cols);
  std::printf(
      "%s\t%.4f\t%.2f\t%.6f\t%.6f\n", TableName(type).c_str(),
      8.0 * static_cast<double>(stride) / static_cast<double>(args.cols),
      weights / seconds / 1e6, error.wrmse(), error.wrmse_mag());
  std::fflush(stdout);
  if (!args.output.empty()) {
    const std::string path = args.output + "/" + TableName(type) + ".bin";
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) throw std::runtime_error(path + ": cannot be written");
  }
}

int Main(int argc, char** argv) {
  Arguments args;
  CLI::App app{"Speed and weighted error of quantization, as TSV"};
  app.add_option("--input", args.input, "f32 weights, rows x cols");
  app.add_option("--importance", args.importance, "f32 importance, cols");
  app.add_option("--rows", args.rows)->check(CLI::PositiveNumber);
  app.add_option("--cols", args.cols)->check(CLI::PositiveNumber);
  app.add_option("--type", args.types, "all, or names separated by commas");
  app.add_option("--threads", args.threads)->check(CLI::PositiveNumber);
  app.add_option("--seconds", args.seconds, "least time per type");
  app.add_option("--output", args.output, "leave packed rows in DIR/TYPE.bin");
  app.add_option("--search", args.search)
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Search>{{"fast", Search::kFast},
                                        {"default", Search::kDefault},
                                        {"gradient", Search::kGradient},
                                        {"exhaustive", Search::kExhaustive}}));
  app.add_option("--weights", args.weights)
      ->transform(CLI::CheckedTransformer(std::map<std::string, WeightRule>{
          {"magnitude", WeightRule::kImportanceMagnitude},
          {"importance", WeightRule::kImportance}}));
  CLI11_PARSE(app, argc, argv);
  try {
    const Data data = Load(args);
    if (!args.output.empty()) std::filesystem::create_directories(args.output);
    std::printf("# target %s, %zu thread(s), %zu x %zu\n",
                ChosenTarget().c_str(), args.threads, args.rows, args.cols);
    std::printf("type\tbpw\tMw_per_s\twrmse\twrmse_mag\n");
    for (const Type type : ParseTypes(args.types)) Row(args, data, type);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quantize_table: %s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace nibble

int main(int argc, char** argv) { return nibble::Main(argc, argv); }
