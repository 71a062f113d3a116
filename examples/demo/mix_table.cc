// SPDX-License-Identifier: MIT
// nibble-mixes: the automatic mix against every type and every recipe.
//
// For each of them, quantizes the model and then asks for the automatic mix of
// at most the same size with the same types of token embedding and output
// matrix. Prints sizes and errors, and fails if a mix is worse.
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gguf/builtin_recipes.h"
#include "gguf/failure.h"
#include "gguf/quantize_model.h"
#include "gguf/report.h"
#include "nibble/transcode.h"

namespace nibble::gguf {
namespace {

struct Arguments {
  std::string model;
  std::string imatrix;
  std::string candidates;
  std::string only;  // a recipe or type; empty: all
  std::string scratch = "nibble-mixes.gguf";
};

struct Result {
  uint64_t bytes = 0;
  double bits = 0;
  double error = 0;
};

Status Quantize(const Arguments& arguments, const Recipe& recipe,
                const MixOptions& mix, Result* result) {
  ModelOptions options;
  options.input = arguments.model;
  options.output = arguments.scratch;
  options.imatrix = arguments.imatrix;
  options.recipe = recipe;
  options.mix = mix;
  ModelReport report;
  NIBBLE_RETURN_IF_ERROR(QuantizeModel(options, &report));
  Totals totals;
  for (const TensorReport& tensor : report.tensors) totals.Add(tensor);
  *result = {report.file_bytes_after, totals.BitsPerWeight(),
             totals.error.WeightedRmse()};
  return OkStatus();
}

// What is compared with: every type alone and every recipe by name.
struct Rival {
  std::string name;
  bool pure;
};

std::vector<Rival> Rivals(const Arguments& arguments) {
  std::vector<Rival> rivals;
  for (const TypeInfo& info : QuantizedTypes()) {
    if (!StoredInFiles(info.type)) continue;
    rivals.push_back({info.name, true});
  }
  for (const BuiltinRecipe& recipe : BuiltinRecipes()) {
    if (std::string(recipe.name) != "default") {
      rivals.push_back({recipe.name, false});
    }
  }
  std::vector<Rival> chosen;
  for (Rival& rival : rivals) {
    if (arguments.only.empty() || rival.name == arguments.only) {
      chosen.push_back(std::move(rival));
    }
  }
  return chosen;
}

// `lost`: the mix is worse. A rival whose types this build lacks, or which
// cannot hold the weights, is left out.
Status Compare(const Arguments& arguments, const Rival& rival, MixCache* cache,
               bool* lost) {
  Recipe recipe;
  recipe.pure = rival.pure;
  NIBBLE_RETURN_IF_ERROR(SetRecipe(rival.name, &recipe));
  Result theirs, ours;
  const Status status = Quantize(arguments, recipe, {}, &theirs);
  if (status.code() == StatusCode::kUnsupported ||
      status.code() == StatusCode::kInvalidData) {
    return OkStatus();
  }
  NIBBLE_RETURN_IF_ERROR(status);
  MixOptions mix;
  mix.goal = {MixGoal::Kind::kBytes, static_cast<double>(theirs.bytes)};
  mix.candidates = arguments.candidates;
  mix.cache = cache;
  NIBBLE_RETURN_IF_ERROR(Quantize(arguments, recipe, mix, &ours));
  fmt::print("{:<10} {:<6} {:>9} {:>7.3f} {:>9.5f} {:>9} {:>9.5f} {:>6.3f}\n",
             rival.name, rival.pure ? "type" : "recipe", theirs.bytes,
             theirs.bits, theirs.error, ours.bytes, ours.error,
             ours.error / theirs.error);
  std::fflush(stdout);
  *lost = ours.error > theirs.error || ours.bytes > theirs.bytes;
  return OkStatus();
}

Status CompareAll(const Arguments& arguments) {
  fmt::print("{:<10} {:<6} {:>9} {:>7} {:>9} {:>9} {:>9} {:>6}\n", "rival", "",
             "bytes", "bpw", "wrmse", "mix bytes", "wrmse", "ratio");
  MixCache cache;
  std::string losses;
  for (const Rival& rival : Rivals(arguments)) {
    bool lost = false;
    NIBBLE_RETURN_IF_ERROR(
        Prefix(rival.name, Compare(arguments, rival, &cache, &lost)));
    if (lost) losses += " " + rival.name;
  }
  std::remove(arguments.scratch.c_str());
  if (losses.empty()) return OkStatus();
  return Failure(StatusCode::kInvalidData, "the mix is worse than:{}", losses);
}

int Main(int argc, char** argv) {
  CLI::App app("The automatic mix against every type and every recipe",
               "nibble-mixes");
  Arguments arguments;
  app.add_option("model", arguments.model, "GGUF model in floats")->required();
  app.add_option("--imatrix", arguments.imatrix, "its importance matrix");
  app.add_option("--candidates", arguments.candidates,
                 "types of the mix, as in quantize-gguf; '.*' for all");
  app.add_option("--only", arguments.only, "one type or recipe");
  app.add_option("--scratch", arguments.scratch, "file to write and remove");
  CLI11_PARSE(app, argc, argv);
  return ExitCode("nibble-mixes", CompareAll(arguments));
}

}  // namespace
}  // namespace nibble::gguf

int main(int argc, char** argv) {
  return nibble::gguf::RunProgram(
      "nibble-mixes", [&] { return nibble::gguf::Main(argc, argv); });
}
