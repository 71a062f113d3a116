// SPDX-License-Identifier: MIT
// quantize-gguf: a GGUF model in, a quantized GGUF model out.
#include <atomic>
#include <csignal>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gguf/auto_mix.h"
#include "gguf/builtin_recipes.h"
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
  std::string target_bpw;
  std::string target_size;
  std::string max_error;
  std::string objective = "total";
  std::string candidates;
  std::string write_rules;
  std::string print_rules;
  std::string search = "default";
  std::string report;
  int steps = -1;  // none given
  size_t threads = 0;
  bool pure = false;
  bool list_recipes = false;
  bool allow_requantize = false;
  bool dry_run = false;
  bool quiet = false;
};

constexpr const char* kDescription =
    "Quantizes a GGUF model.\n"
    "--type names a recipe (q4_K_M, iq3_m ..., see --list-recipes) or a type "
    "(see docs/formats.md); a type comes with the recipe 'default', which "
    "gives "
    "the output matrix at least q6_K and, below 4 bits per weight, attn_v and "
    "the token embedding q4_K. 1-D tensors, routers and norms keep their type.";

constexpr const char* kFooter =
    "Which type a tensor gets is decided by the first of: --tensor-type in "
    "order, --rules in order, --token-embedding-type and --output-tensor-type, "
    "the recipe. Rows that the block of a type does not divide get a type of "
    "about the same size that fits.\n"
    "A rule is 'REGEX [CONDITION...] = TYPE [| TYPE...]', for tensors whose "
    "name contains a match, such as 'attn_v layer<4 = q6_K'. Conditions: "
    "layer, "
    "layers, experts, gqa, vocab or bits compared with a number or a part of "
    "the layers (layer>=7n/8, layer%2=0), more_bits, tied, imatrix, !imatrix. "
    "Instead of a type: 'keep', or 'main' for the main type. docs/recipes.md "
    "has more.\n"
    "With --target-bpw, --target-size or --max-error the types are chosen by "
    "measured error; --type or a recipe in --rules is then where the choice "
    "begins, and --steps how far it goes.";

void DeclareMix(CLI::App& app, Arguments& arguments) {
  app.add_flag("--list-recipes", arguments.list_recipes,
               "list the built-in recipes");
  app.add_option("--print-rules", arguments.print_rules,
                 "print a built-in recipe, to be changed and read by --rules");
  app.add_option("--target-bpw", arguments.target_bpw,
                 "choose the types: the least error within so many bits per "
                 "weight, all tensors counted");
  app.add_option("--target-size", arguments.target_size,
                 "the same within a file of so many bytes (K, M, G: thousands; "
                 "Ki, Mi, Gi: 1024s)");
  app.add_option("--max-error", arguments.max_error,
                 "choose the types: the smallest file with at most this "
                 "weighted error (wrmse of the total)");
  app.add_option("--objective", arguments.objective,
                 "which error: total (of everything, as in the table) or "
                 "relative (the mean of the tensors' own)");
  app.add_option("--candidates", arguments.candidates,
                 "types to choose from, regular expressions separated by "
                 "commas; -REGEX takes away: '.*,-.*_kt'");
  app.add_option("--steps", arguments.steps,
                 "choose only among types so many sizes above or below the "
                 "recipe's")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--write-rules", arguments.write_rules,
                 "write the types of this run as a rule file, which makes the "
                 "same file again");
}

void Declare(CLI::App& app, Arguments& arguments) {
  app.footer(kFooter);
  app.add_option("input", arguments.input, "model to read");
  app.add_option("output", arguments.output,
                 "model to write; a file there is replaced only when the new "
                 "one is complete");
  app.add_option("-t,--type", arguments.type,
                 "a recipe or the type of most tensors: q4_K_M, q4_K ...");
  app.add_option("--imatrix", arguments.imatrix,
                 "importance matrix, GGUF or legacy .dat");
  app.add_option("--tensor-type", arguments.rules,
                 "a rule: REGEX=TYPE ...; repeatable, the first match decides")
      ->allow_extra_args(false);
  app.add_option("--rules", arguments.rules_file,
                 "file of rules, one a line, # for comments; one with a line "
                 "'type TYPE' is a whole recipe and needs no --type");
  app.add_flag("--pure", arguments.pure,
               "no recipe: the type --type everywhere");
  app.add_option("--token-embedding-type", arguments.token_embedding_type,
                 "type of token_embd.weight");
  app.add_option("--output-tensor-type", arguments.output_tensor_type,
                 "type of output.weight");
  DeclareMix(app, arguments);
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

Status ReadRulesFile(const Arguments& arguments, Recipe* recipe) {
  if (arguments.rules_file.empty()) return OkStatus();
  RuleFile file;
  NIBBLE_RETURN_IF_ERROR(ReadRules(arguments.rules_file, &file));
  if (file.type && !arguments.type.empty()) {
    return Failure(StatusCode::kInvalidArgument,
                   "--type and {} both name the main type", file.name);
  }
  AddRules(std::move(file), recipe);
  return OkStatus();
}

// `has_recipe`: somebody named a type, a recipe or a file that is one.
Status UnderstandRecipe(const Arguments& arguments, Recipe* recipe,
                        bool* has_recipe) {
  recipe->pure = arguments.pure;
  recipe->allow_requantize = arguments.allow_requantize;
  recipe->name.clear();
  if (!arguments.type.empty()) {
    NIBBLE_RETURN_IF_ERROR(Prefix("--type", SetRecipe(arguments.type, recipe)));
  }
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
  NIBBLE_RETURN_IF_ERROR(ReadRulesFile(arguments, recipe));
  *has_recipe = !recipe->name.empty();
  return OkStatus();
}

// "4.5", "1.5G", "700Mi".
Status ParseAmount(const std::string& option, const std::string& text,
                   double* amount) {
  constexpr std::pair<const char*, double> kUnits[] = {
      {"", 1},        {"K", 1e3},        {"M", 1e6},          {"G", 1e9},
      {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}};
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  for (const auto& [unit, factor] : kUnits) {
    const bool allowed = factor == 1 || option == "--target-size";
    if (end == text.c_str() || !allowed || std::string(end) != unit) continue;
    *amount = number * factor;
    if (std::isfinite(*amount) && *amount > 0) return OkStatus();
  }
  return Failure(StatusCode::kInvalidArgument, "{}: {} is no amount", option,
                 Quote(text));
}

Status UnderstandMix(const Arguments& arguments, bool has_recipe,
                     MixOptions* mix) {
  const struct {
    const char* option;
    const std::string& text;
    MixGoal::Kind kind;
  } goals[] = {{"--target-bpw", arguments.target_bpw, MixGoal::Kind::kBits},
               {"--target-size", arguments.target_size, MixGoal::Kind::kBytes},
               {"--max-error", arguments.max_error, MixGoal::Kind::kError}};
  for (const auto& goal : goals) {
    if (goal.text.empty()) continue;
    if (mix->goal.kind != MixGoal::Kind::kNone) {
      return Failure(StatusCode::kInvalidArgument,
                     "{}: one goal is enough (--target-bpw, --target-size or "
                     "--max-error)",
                     goal.option);
    }
    mix->goal.kind = goal.kind;
    NIBBLE_RETURN_IF_ERROR(
        ParseAmount(goal.option, goal.text, &mix->goal.value));
  }
  if (arguments.objective == "relative") {
    mix->objective = MixObjective::kRelative;
  } else if (arguments.objective != "total") {
    return Failure(StatusCode::kInvalidArgument,
                   "unknown objective {}; known are total, relative",
                   Quote(arguments.objective));
  }
  const bool automatic = mix->goal.kind != MixGoal::Kind::kNone;
  mix->candidates = arguments.candidates;
  mix->has_skeleton = has_recipe;
  if (arguments.steps >= 0) {
    mix->steps = static_cast<size_t>(arguments.steps);
  }
  if (!automatic && (!arguments.candidates.empty() || mix->steps)) {
    return Failure(StatusCode::kInvalidArgument,
                   "--candidates and --steps belong to --target-bpw, "
                   "--target-size or --max-error");
  }
  if (!has_recipe && (!automatic || mix->steps)) {
    return Failure(StatusCode::kInvalidArgument,
                   automatic
                       ? "--steps needs a recipe to begin with: --type or "
                         "--rules"
                       : "--type is required (or a goal such as "
                         "--target-bpw, or --rules with a line 'type')");
  }
  return OkStatus();
}

Status Understand(const Arguments& arguments, ModelOptions* options) {
  if (arguments.input.empty()) {
    return Failure(StatusCode::kInvalidArgument, "input is required");
  }
  if (arguments.output.empty() && !arguments.dry_run) {
    return Failure(StatusCode::kInvalidArgument,
                   "output is required (or --dry-run)");
  }
  bool has_recipe = false;
  NIBBLE_RETURN_IF_ERROR(
      UnderstandRecipe(arguments, &options->recipe, &has_recipe));
  NIBBLE_RETURN_IF_ERROR(UnderstandMix(arguments, has_recipe, &options->mix));
  NIBBLE_RETURN_IF_ERROR(ParseSearch(arguments.search, &options->search));
  options->input = arguments.input;
  options->output = arguments.output;
  options->imatrix = arguments.imatrix;
  options->threads = arguments.threads;
  options->dry_run = arguments.dry_run;
  options->cancel = &g_interrupted;
  return OkStatus();
}

void PrintPlan(const Arguments& arguments, const ModelReport& report) {
  if (!arguments.quiet && !report.decisions.empty()) {
    fmt::print("{}", DecisionTable(report.decisions));
  }
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

// How the rule file came about, for whoever reads it.
std::string RulesHeader(const Arguments& arguments) {
  std::string header = "# " + Printable(arguments.input);
  const std::string steps =
      arguments.steps < 0 ? "" : fmt::format("{}", arguments.steps);
  const std::string objective =
      arguments.objective == "total" ? "" : arguments.objective;
  const std::pair<const char*, const std::string&> options[] = {
      {"--type", arguments.type},
      {"--target-bpw", arguments.target_bpw},
      {"--target-size", arguments.target_size},
      {"--max-error", arguments.max_error},
      {"--objective", objective},
      {"--candidates", arguments.candidates},
      {"--steps", steps},
      {"--imatrix", arguments.imatrix}};
  for (const auto& [option, value] : options) {
    if (!value.empty()) {
      header += fmt::format(" {} {}", option, Printable(value));
    }
  }
  return header + "\n";
}

Status ListRecipes() {
  for (const BuiltinRecipe& recipe : BuiltinRecipes()) {
    RuleFile file;
    NIBBLE_RETURN_IF_ERROR(ParseRules(recipe.name, recipe.text, &file));
    fmt::print("{:<10} {}\n", recipe.name, file.about);
  }
  return OkStatus();
}

Status PrintRules(const std::string& name) {
  const BuiltinRecipe* recipe = FindBuiltinRecipe(name);
  if (recipe == nullptr) {
    return Failure(StatusCode::kInvalidArgument,
                   "--print-rules: no recipe {} (--list-recipes)", Quote(name));
  }
  fmt::print("{}", recipe->text);
  return OkStatus();
}

Status RunWith(const Arguments& arguments) {
  if (arguments.list_recipes) return ListRecipes();
  if (!arguments.print_rules.empty()) return PrintRules(arguments.print_rules);
  ModelOptions options;
  NIBBLE_RETURN_IF_ERROR(Understand(arguments, &options));
  options.planned = [&](const ModelReport& report) {
    PrintPlan(arguments, report);
  };
  ModelReport report;
  {
    ProgressBar bar;
    if (!arguments.quiet) {
      options.progress = [&](const Progress& progress) { bar.Show(progress); };
      options.log = [](const std::string& line) {
        fmt::print(stderr, "{}\n", line);
      };
    }
    NIBBLE_RETURN_IF_ERROR(QuantizeModel(options, &report));
  }
  PrintResult(arguments, report);
  if (!arguments.write_rules.empty()) {
    NIBBLE_RETURN_IF_ERROR(WriteFile(arguments.write_rules,
                                     RulesHeader(arguments) + report.rules));
  }
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
  return ExitCode("quantize-gguf", RunWith(arguments));
}

}  // namespace
}  // namespace nibble::gguf

int main(int argc, char** argv) {
  return nibble::gguf::RunProgram(
      "quantize-gguf", [&] { return nibble::gguf::Main(argc, argv); });
}
