// SPDX-License-Identifier: MIT
#include "gguf/recipe.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string_view>
#include <utility>

#include "gguf/failure.h"
#include "gguf/tensor_types.h"

namespace nibble::gguf {
namespace {

// Parts of names of matrices that the programs which load these models read as
// floats, or that are too small and too sensitive to be worth quantizing.
constexpr std::string_view kKeptNames[] = {
    "_norm.weight",         "ffn_gate_inp",       "position_embd",
    "token_types",          "ssm_conv1d",         "shortconv.conv",
    "attn_rel_b",           "time_mix_first",     "time_mix_w1",
    "time_mix_w2",          "time_mix_decay_w1",  "time_mix_decay_w2",
    "time_mix_lerp",        "altup_correct_coef", "altup_predict_coef",
    "altup_router",         "laurel_l",           "laurel_r",
    "per_layer_model_proj",
};

// Types below this many bits per weight get help from the built-in mix.
constexpr double kLowBits = 4;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() &&
         text.substr(text.size() - suffix.size()) == suffix;
}

// Not integers, and not doubles, which no model uses for weights.
bool HoldsWeights(uint32_t id) {
  constexpr std::string_view kOthers[] = {"i8", "i16", "i32", "i64", "f64"};
  return std::find(std::begin(kOthers), std::end(kOthers),
                   TensorTypeName(id)) == std::end(kOthers);
}

bool IsFloat(uint32_t id) {
  return id == TypeId(Type::kF32) || id == TypeId(Type::kF16) ||
         id == TypeId(Type::kBF16);
}

double BitsOf(Type type) { return FindTypeInfo(type)->bits_per_weight(); }

// The better of two types, by size.
Type AtLeast(Type type, Type floor) {
  return BitsOf(type) < BitsOf(floor) ? floor : type;
}

// The type of a rule that matches; nullopt inside means "keep".
std::optional<std::optional<Type>> MatchRules(const std::vector<Rule>& rules,
                                              const std::string& name) {
  for (const Rule& rule : rules) {
    if (std::regex_search(name, rule.pattern)) return rule.type;
  }
  return std::nullopt;
}

Type MixedType(const Contents& model, const Tensor& tensor, Type main) {
  const bool tied = model.FindTensor("output.weight") == nullptr;
  const bool embedding = tensor.name == "token_embd.weight";
  if (tensor.name == "output.weight" || (embedding && tied)) {
    return AtLeast(main, Type::kQ6_K);
  }
  if (BitsOf(main) < kLowBits &&
      (embedding || EndsWith(tensor.name, "attn_v.weight"))) {
    return AtLeast(main, Type::kQ4_K);
  }
  return main;
}

// The type a recipe asks for; nullopt: keep.
std::optional<Type> WantedType(const Contents& model, const Recipe& recipe,
                               const Tensor& tensor) {
  if (tensor.n_dims < 2 || !HoldsWeights(tensor.type)) return std::nullopt;
  if (const auto ruled = MatchRules(recipe.rules, tensor.name)) return *ruled;
  if (recipe.token_embedding && tensor.name == "token_embd.weight") {
    return recipe.token_embedding;
  }
  if (recipe.output && tensor.name == "output.weight") return recipe.output;
  if (!IsWeightMatrix(tensor)) return std::nullopt;
  return recipe.pure ? recipe.type : MixedType(model, tensor, recipe.type);
}

// The type that rows of this length can have. A fallback to floats keeps the
// floats the model has rather than rounding them once more.
uint32_t FittingType(const Tensor& tensor, Type wanted) {
  const Type fitting = FallbackType(wanted, tensor.cols());
  const bool gave_up = fitting != wanted && !FindTypeInfo(fitting)->quantized;
  return gave_up ? tensor.type : TypeId(fitting);
}

Status CheckSource(const Recipe& recipe, const TensorPlan& plan) {
  const Tensor& tensor = *plan.source;
  if (plan.copies() || IsFloat(tensor.type)) return OkStatus();
  const char* from = TensorTypeName(tensor.type);
  if (!LibraryType(tensor.type)) {
    return Failure(StatusCode::kUnsupported,
                   "tensor {}: cannot requantize {}, which this build does not "
                   "decode (a rule with '=keep' copies it)",
                   Quote(tensor.name), from);
  }
  if (!recipe.allow_requantize) {
    return Failure(StatusCode::kInvalidArgument,
                   "tensor {}: already quantized to {}; converting it to {} "
                   "loses quality and needs --allow-requantize",
                   Quote(tensor.name), from, TensorTypeName(plan.type));
  }
  return OkStatus();
}

TensorPlan PlanTensor(const Contents& model, const Recipe& recipe,
                      const Tensor& tensor) {
  TensorPlan plan;
  plan.source = &tensor;
  plan.type = tensor.type;
  plan.bytes = tensor.bytes;
  const std::optional<Type> wanted = WantedType(model, recipe, tensor);
  if (!wanted) return plan;
  plan.type = FittingType(tensor, *wanted);
  if (plan.type != TypeId(*wanted)) {
    plan.note =
        fmt::format("{}: rows of {} do not fit {}", TensorTypeName(plan.type),
                    tensor.cols(), TypeName(*wanted));
  }
  // No overflow: a type is at most 32 times the size of another, and the source
  // fits a file.
  if (!plan.copies()) {
    plan.bytes =
        tensor.rows() * RowBytes(static_cast<Type>(plan.type), tensor.cols());
  }
  return plan;
}

std::string_view Trim(std::string_view text) {
  const auto is_space = [](char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0;
  };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

Status ParseType(const std::string& name, Type* type) {
  if (const std::optional<Type> found = TypeFromName(name)) {
    *type = *found;
    return OkStatus();
  }
  std::string known;
  for (const TypeInfo& info : QuantizedTypes()) {
    known += fmt::format("{}, ", info.name);
  }
  return Failure(StatusCode::kInvalidArgument,
                 "unknown type {}; known are {}f16, bf16, f32", Quote(name),
                 known);
}

Status ParseRule(const std::string& text, Rule* rule) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) {
    return Failure(StatusCode::kInvalidArgument,
                   "rule {} is not of the form REGEX=TYPE", Quote(text));
  }
  const std::string_view view = text;
  const std::string pattern(Trim(view.substr(0, equals)));
  const std::string name(Trim(view.substr(equals + 1)));
  rule->text = text;
  rule->type = std::nullopt;
  if (name != "keep") {
    Type type;
    NIBBLE_RETURN_IF_ERROR(
        Prefix("rule " + Quote(text), ParseType(name, &type)));
    rule->type = type;
  }
  try {
    rule->pattern = std::regex(pattern);
  } catch (const std::regex_error& error) {
    return Failure(StatusCode::kInvalidArgument,
                   "rule {}: not a regular expression: {}", Quote(text),
                   error.what());
  }
  return OkStatus();
}

Status ReadRules(const std::string& path, std::vector<Rule>* rules) {
  std::ifstream file(path);
  if (!file) return Failure(StatusCode::kIo, "{}: cannot open", path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string text(Trim(line));
    if (text.empty() || text.front() == '#') continue;
    Rule rule;
    NIBBLE_RETURN_IF_ERROR(
        Prefix(fmt::format("{}:{}", path, number), ParseRule(text, &rule)));
    rules->push_back(std::move(rule));
  }
  if (file.bad()) return Failure(StatusCode::kIo, "{}: cannot read", path);
  return OkStatus();
}

bool IsWeightMatrix(const Tensor& tensor) {
  if (tensor.n_dims < 2 || !HoldsWeights(tensor.type) ||
      !EndsWith(tensor.name, ".weight")) {
    return false;
  }
  return std::none_of(
      std::begin(kKeptNames), std::end(kKeptNames),
      [&](std::string_view part) { return Contains(tensor.name, part); });
}

bool IsVocabulary(const Tensor& tensor) {
  return tensor.name == "token_embd.weight" || tensor.name == "output.weight";
}

Status MakePlan(const Contents& model, const Recipe& recipe,
                std::vector<TensorPlan>* plans) {
  plans->clear();
  try {
    for (const Tensor& tensor : model.tensors) {
      TensorPlan plan = PlanTensor(model, recipe, tensor);
      NIBBLE_RETURN_IF_ERROR(CheckSource(recipe, plan));
      plans->push_back(std::move(plan));
    }
  } catch (const std::regex_error& error) {
    return Failure(StatusCode::kInvalidArgument,
                   "a rule is too complex to match: {}", error.what());
  }
  return OkStatus();
}

}  // namespace nibble::gguf
