// SPDX-License-Identifier: MIT
// quantize-gguf: a GGUF model in, a quantized GGUF model out.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gguf/failure.h"
#include "gguf/output_file.h"
#include "gguf/quantize_model.h"
#include "gguf/report.h"
#include "quantize-gguf/progress_bar.h"

namespace nibble::gguf {
namespace {

std::atomic<bool> g_interrupted = false;

// What the command line says, before it is understood.
struct Arguments {
  std::string input;
  std::string output;
  std::string type;
  std::string imatrix;
  std::vector<std::string> rules;
  std::string rules_file;
  std::string token_embedding_type;
  std::string output_tensor_type;
  std::string search = "default";
  std::string report;
  size_t threads = 0;
  bool pure = false;
  bool allow_requantize = false;
  bool dry_run = false;
  bool quiet = false;
};

constexpr const char* kDescription =
    "Quantizes a GGUF model.\n"
    "1-D tensors, routers and norms keep their type. Unless --pure is given "
    "the "
    "output matrix gets at least q6_K, and below 4 bits per weight attn_v and "
    "the token embedding get q4_K.";

constexpr const char* kFooter =
    "Which type a tensor gets is decided by the first of: --tensor-type in "
    "order, --rules in order, --token-embedding-type and --output-tensor-type, "
    "the mix above, --type. Rows that the block of a type does not divide get "
    "a type of about the same size that fits.";

void Declare(CLI::App& app, Arguments& arguments) {
  app.footer(kFooter);
  app.add_option("input", arguments.input, "model to read")->required();
  app.add_option("output", arguments.output,
                 "model to write; a file there is replaced only when the new "
                 "one is complete");
  app.add_option("-t,--type", arguments.type, "type of most tensors: q4_K ...")
      ->required();
  app.add_option("--imatrix", arguments.imatrix,
                 "importance matrix, GGUF or legacy .dat");
  app.add_option("--tensor-type", arguments.rules,
                 "REGEX=TYPE (or =keep) for tensors whose name contains a "
                 "match; repeatable, the first match decides")
      ->allow_extra_args(false);
  app.add_option("--rules", arguments.rules_file,
                 "file of such rules, one a line, # for comments");
  app.add_flag("--pure", arguments.pure, "no built-in mix: --type everywhere");
  app.add_option("--token-embedding-type", arguments.token_embedding_type,
                 "type of token_embd.weight");
  app.add_option("--output-tensor-type", arguments.output_tensor_type,
                 "type of output.weight");
  app.add_flag("--allow-requantize", arguments.allow_requantize,
               "also convert tensors that are already quantized");
  app.add_option("--search", arguments.search,
                 "fast, default, gradient or exhaustive");
  app.add_option("--threads", arguments.threads,
                 "threads (0: one per hardware thread)");
  app.add_flag("--dry-run", arguments.dry_run,
               "show what would be written, write nothing");
  app.add_option("--report", arguments.report, "write a report in JSON");
  app.add_flag("--quiet", arguments.quiet, "no progress, no table");
}

Status ParseSearch(const std::string& name, Search* search) {
  if (name == "fast") {
    *search = Search::kFast;
  } else if (name == "default") {
    *search = Search::kDefault;
  } else if (name == "gradient") {
    *search = Search::kGradient;
  } else if (name == "exhaustive") {
    *search = Search::kExhaustive;
  } else {
    return Failure(StatusCode::kInvalidArgument,
                   "unknown search {}; known are fast, default, gradient, "
                   "exhaustive",
                   Quote(name));
  }
  return OkStatus();
}

Status ParseOptionalType(const std::string& option, const std::string& name,
                         std::optional<Type>* type) {
  if (name.empty()) return OkStatus();
  Type parsed;
  NIBBLE_RETURN_IF_ERROR(Prefix(option, ParseType(name, &parsed)));
  *type = parsed;
  return OkStatus();
}

Status UnderstandRecipe(const Arguments& arguments, Recipe* recipe) {
  NIBBLE_RETURN_IF_ERROR(
      Prefix("--type", ParseType(arguments.type, &recipe->type)));
  NIBBLE_RETURN_IF_ERROR(ParseOptionalType("--token-embedding-type",
                                           arguments.token_embedding_type,
                                           &recipe->token_embedding));
  NIBBLE_RETURN_IF_ERROR(ParseOptionalType(
      "--output-tensor-type", arguments.output_tensor_type, &recipe->output));
  for (const std::string& text : arguments.rules) {
    Rule rule;
    NIBBLE_RETURN_IF_ERROR(ParseRule(text, &rule));
    recipe->rules.push_back(std::move(rule));
  }
  if (!arguments.rules_file.empty()) {
    NIBBLE_RETURN_IF_ERROR(ReadRules(arguments.rules_file, &recipe->rules));
  }
  recipe->pure = arguments.pure;
  recipe->allow_requantize = arguments.allow_requantize;
  return OkStatus();
}

Status Understand(const Arguments& arguments, ModelOptions* options) {
  if (arguments.output.empty() && !arguments.dry_run) {
    return Failure(StatusCode::kInvalidArgument,
                   "output is required (or --dry-run)");
  }
  NIBBLE_RETURN_IF_ERROR(UnderstandRecipe(arguments, &options->recipe));
  NIBBLE_RETURN_IF_ERROR(ParseSearch(arguments.search, &options->search));
  options->input = arguments.input;
  options->output = arguments.output;
  options->imatrix = arguments.imatrix;
  options->threads = arguments.threads;
  options->dry_run = arguments.dry_run;
  options->cancel = &g_interrupted;
  return OkStatus();
}

void PrintWarnings(const ModelReport& report) {
  for (const std::string& warning : report.warnings) {
    fmt::print(stderr, "quantize-gguf: warning: {}\n", warning);
  }
}

void PrintResult(const Arguments& arguments, const ModelReport& report) {
  if (arguments.quiet) return;
  if (arguments.dry_run) {
    for (const TensorReport& tensor : report.tensors) {
      fmt::print("{}\n", TensorLine(tensor));
    }
  }
  fmt::print("{}", SummaryTable(report));
  fmt::print("{} -> {}: {} -> {}, {:.1f} s, {} threads, {}\n", report.input,
             arguments.dry_run ? "(dry run)" : report.output,
             HumanBytes(report.file_bytes_before),
             HumanBytes(report.file_bytes_after), report.seconds,
             report.threads, report.target);
}

Status RunWith(const Arguments& arguments) {
  ModelOptions options;
  NIBBLE_RETURN_IF_ERROR(Understand(arguments, &options));
  options.planned = PrintWarnings;
  ModelReport report;
  {
    ProgressBar bar;
    if (!arguments.quiet) {
      options.progress = [&](const Progress& progress) { bar.Show(progress); };
    }
    NIBBLE_RETURN_IF_ERROR(QuantizeModel(options, &report));
  }
  PrintResult(arguments, report);
  if (arguments.report.empty()) return OkStatus();
  return WriteFile(arguments.report, ReportJson(report));
}

// An interrupted run ends like a failed one: it removes its temporary file.
void CatchSignals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::signal(signal, [](int) { g_interrupted = true; });
  }
  std::signal(SIGXFSZ, SIG_IGN);  // a file too large: write() says so
}

int Main(int argc, char** argv) {
  CLI::App app(kDescription, "quantize-gguf");
  Arguments arguments;
  Declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    fmt::print(stderr, "quantize-gguf: {} (--help explains)\n", error.what());
    return 1;
  }
  CatchSignals();
  const Status status = RunWith(arguments);
  if (status.ok()) return 0;
  fmt::print(stderr, "quantize-gguf: {}\n", status.message());
  return 1;
}

}  // namespace
}  // namespace nibble::gguf

int main(int argc, char** argv) {
  try {
    return nibble::gguf::Main(argc, argv);
  } catch (const std::exception& error) {  // out of memory, mostly
    fmt::print(stderr, "quantize-gguf: {}\n", error.what());
    return 1;
  }
}
