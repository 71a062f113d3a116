// SPDX-License-Identifier: MIT
// nibble-demo: one small real model through every type; see scripts/demo.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "demo/speed.h"
#include "gguf/failure.h"
#include "gguf/imatrix.h"
#include "gguf/output_file.h"
#include "gguf/quantize_model.h"
#include "gguf/quantize_tensor.h"
#include "gguf/report.h"
#include "nibble/cpu.h"
#include "nibble/transcode.h"
#include "nibble/validate.h"

namespace nibble::gguf {
namespace {

struct Arguments {
  std::string model;
  std::string imatrix;
  std::string folder = ".";
  size_t threads = 0;
};

// One line of the table.
struct Line {
  const TypeInfo* info = nullptr;
  double bits_per_weight = 0;  // of the matrices of this type
  uint64_t file_bytes = 0;
  ErrorSums error;
  double mweights_per_second = 0;
  Speed speed;
};

// The embedding and the output matrix have no importance data and dominate a
// model this small: the same type everywhere makes files comparable.
ModelOptions OptionsFor(const Arguments& arguments, Type type) {
  ModelOptions options;
  options.input = arguments.model;
  options.imatrix = arguments.imatrix;
  options.output = arguments.folder + "/model-" + TypeName(type) + ".gguf";
  options.threads = arguments.threads;
  options.recipe.type = type;
  options.recipe.pure = true;
  options.recipe.token_embedding = Type::kQ8_0;
  options.recipe.output = Type::kQ8_0;
  return options;
}

// Reads a result back and compares every matrix with its source.
class ReadBack {
 public:
  ReadBack(const GgufFile& source, const Imatrix& imatrix, ThreadPool& pool)
      : source_(source), imatrix_(imatrix), pool_(pool) {}

  Status Run(const GgufFile& file, Line* line) {
    matrices_.clear();
    uint64_t bytes = 0;
    uint64_t weights = 0;
    for (const Tensor& tensor : file.tensors()) {
      if (!IsWeightMatrix(tensor) || IsVocabulary(tensor)) continue;
      NIBBLE_RETURN_IF_ERROR(Prefix(Quote(tensor.name), Compare(tensor, line)));
      bytes += tensor.bytes;
      weights += tensor.weights();
    }
    line->bits_per_weight =
        8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
    return OkStatus();
  }

  const std::vector<ConstMatrix>& matrices() const { return matrices_; }

 private:
  Status Compare(const Tensor& tensor, Line* line) {
    const ConstMatrix packed = RowsOf(tensor, line->info->type);
    NIBBLE_RETURN_IF_ERROR(Validate(packed));
    const Tensor* source = source_.contents().FindTensor(tensor.name);
    const Importance* importance = imatrix_.Find(tensor.name);
    matrices_.push_back(packed);
    return AddError(RowsOf(*source, static_cast<Type>(source->type)), packed,
                    importance != nullptr ? importance->Of(0) : nullptr, pool_,
                    &line->error);
  }

  const GgufFile& source_;
  const Imatrix& imatrix_;
  ThreadPool& pool_;
  std::vector<ConstMatrix> matrices_;
};

double QuantizeSpeed(const ModelReport& report, Type type) {
  Totals totals;
  for (const TensorReport& tensor : report.tensors) {
    if (tensor.to == static_cast<uint32_t>(type)) totals.Add(tensor);
  }
  return totals.MweightsPerSecond();
}

Status MeasureType(const Arguments& arguments, const TypeInfo& info,
                   ThreadPool& pool, ReadBack& read_back, Line* line) {
  const ModelOptions options = OptionsFor(arguments, info.type);
  ModelReport report;
  NIBBLE_RETURN_IF_ERROR(QuantizeModel(options, &report));
  GgufFile file;
  NIBBLE_RETURN_IF_ERROR(GgufFile::Open(options.output, &file));
  line->info = &info;
  line->file_bytes = file.file_bytes();
  line->mweights_per_second = QuantizeSpeed(report, info.type);
  NIBBLE_RETURN_IF_ERROR(Prefix(options.output, read_back.Run(file, line)));
  return MeasureSpeed(read_back.matrices(), pool, &line->speed);
}

void PrintHead(const Arguments& arguments, size_t threads) {
  fmt::print(
      "{} with {}\n{} threads. Errors over the matrices with importance data, "
      "read back from the files.\nmatvec: 1 token, {} of weights, more than "
      "the caches hold; matmul: {} tokens.\n\n",
      arguments.model, arguments.imatrix, threads,
      HumanBytes(MatvecWorkingSet()), kPromptTokens);
  fmt::print("{:<7} {:>7} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8}  {}\n", "", "",
             "", "weighted", "", "quantize", "matvec", "matmul", "");
  fmt::print("{:<7} {:>7} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8}  {}\n", "type",
             "bpw", "file", "rmse", "cosine", "Mweights/s", "GB/s", "GFLOPS",
             "target");
}

void PrintLine(const Line& line) {
  fmt::print(
      "{:<7} {:>7.4f} {:>9} {:>9.5f} {:>9.6f} {:>10.1f} {:>8.2f} {:>8.1f}  "
      "{}\n",
      line.info->name, line.bits_per_weight, HumanBytes(line.file_bytes),
      line.error.WeightedRmse(), line.error.Cosine(), line.mweights_per_second,
      line.speed.matvec_gb_per_second, line.speed.matmul_gflops,
      ChosenBackend());
  std::fflush(stdout);
}

std::string Tsv(const std::vector<Line>& lines) {
  std::string text =
      "type\tbpw\tfile_bytes\twrmse\tcosine\tquantize_mweights_s\t"
      "matvec_gb_s\tmatmul_gflops\ttarget\n";
  for (const Line& line : lines) {
    text += fmt::format(
        "{}\t{:.4f}\t{}\t{:.6f}\t{:.7f}\t{:.2f}\t{:.3f}\t{:.1f}\t{}\n",
        line.info->name, line.bits_per_weight, line.file_bytes,
        line.error.WeightedRmse(), line.error.Cosine(),
        line.mweights_per_second, line.speed.matvec_gb_per_second,
        line.speed.matmul_gflops, ChosenBackend());
  }
  return text;
}

Status RunDemo(const Arguments& arguments) {
  GgufFile source;
  NIBBLE_RETURN_IF_ERROR(GgufFile::Open(arguments.model, &source));
  Imatrix imatrix;
  NIBBLE_RETURN_IF_ERROR(LoadImatrix(arguments.imatrix, &imatrix));
  NIBBLE_RETURN_IF_ERROR(
      CheckImatrix(source.contents(), arguments.model, &imatrix));
  ThreadPool pool(arguments.threads);
  ReadBack read_back(source, imatrix, pool);
  PrintHead(arguments, pool.threads());
  std::vector<Line> lines;
  for (const TypeInfo& info : QuantizedTypes()) {
    if (!StoredInFiles(info.type)) continue;
    Line line;
    NIBBLE_RETURN_IF_ERROR(Prefix(
        info.name, MeasureType(arguments, info, pool, read_back, &line)));
    PrintLine(line);
    lines.push_back(line);
  }
  return WriteFile(arguments.folder + "/demo.tsv", Tsv(lines));
}

int Main(int argc, char** argv) {
  CLI::App app("Quantizes a model to every type, reads it back, measures it.",
               "nibble-demo");
  Arguments arguments;
  app.add_option("model", arguments.model, "model of floats, GGUF")->required();
  app.add_option("imatrix", arguments.imatrix, "its imatrix")->required();
  app.add_option("--folder", arguments.folder,
                 "where the quantized models and demo.tsv go");
  app.add_option("--threads", arguments.threads,
                 "threads (0: one per hardware thread)");
  CLI11_PARSE(app, argc, argv);
  return ExitCode("nibble-demo", RunDemo(arguments));
}

}  // namespace
}  // namespace nibble::gguf

int main(int argc, char** argv) {
  return nibble::gguf::RunProgram(
      "nibble-demo", [&] { return nibble::gguf::Main(argc, argv); });
}
