// SPDX-License-Identifier: MIT
#include "gguf/recipe.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "gguf/builtin_recipes.h"
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

// The rules of the built-in recipe that goes with a plain type.
const std::vector<Rule>& DefaultMix() {
  static const std::vector<Rule> rules = [] {
    RuleFile file;
    (void)ParseRules("default", FindBuiltinRecipe("default")->text, &file);
    return file.rules;
  }();
  return rules;
}

const Rule* FirstMatch(const std::vector<Rule>& rules, const Tensor& tensor,
                       const ModelFacts& facts) {
  for (const Rule& rule : rules) {
    if (rule.Matches(tensor.name, facts)) return &rule;
  }
  return nullptr;
}

Wish WishOf(const Rule& rule, const Recipe& recipe) {
  Wish wish;
  wish.where = rule.where.empty() ? "rule " + Quote(rule.text) : rule.where;
  for (const Choice& choice : rule.choices) {
    wish.or_keep = choice.kind == Choice::Kind::kKeep;
    if (wish.or_keep) break;
    const bool main = choice.kind == Choice::Kind::kMain;
    wish.types.push_back(main ? TypeId(recipe.type) : choice.type);
  }
  return wish;
}

bool Fits(Type type, uint64_t cols) { return RowBytes(type, cols) != 0; }

std::string NamesOf(const std::vector<uint32_t>& types) {
  std::string names;
  for (const uint32_t id : types) {
    names += names.empty() ? "" : " or ";
    names += TensorTypeName(id);
  }
  return names;
}

// Why a plan is not what was wished for.
std::string NoteOn(const Wish& wish, const TensorPlan& plan) {
  if (wish.types.empty() || plan.type == wish.types[0]) return "";
  const char* got = TensorTypeName(plan.type);
  const char* wished = TensorTypeName(wish.types[0]);
  const std::optional<Type> rows = RowType(wish.types[0]);
  if (!rows) return fmt::format("{}: this build has no {}", got, wished);
  if (Fits(*rows, plan.source->cols())) {
    return fmt::format("{}: {} rows are no whole groups of {}", got,
                       plan.source->dims[1], wished);
  }
  return fmt::format("{}: rows of {} do not fit {}", got, plan.source->cols(),
                     wished);
}

Status CheckSource(const Recipe& recipe, const TensorPlan& plan) {
  const Tensor& tensor = *plan.source;
  if (plan.copies() || IsFloat(tensor.type)) return OkStatus();
  const char* from = TensorTypeName(tensor.type);
  const std::optional<Type> rows = RowType(tensor.type);
  if (rows && rows == RowType(plan.type)) return OkStatus();  // another layout
  if (!rows) {
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

TensorPlan Keep(const Tensor& tensor) {
  TensorPlan plan;
  plan.source = &tensor;
  plan.type = tensor.type;
  plan.bytes = tensor.bytes;
  return plan;
}

// The first type of the wish that this build has and that takes the rows, else
// what stands in for the first that it has. kUnsupported if it has none. Kept
// is also what only floats fit: those the model has are better than the same
// rounded once more.
Status Grant(const Wish& wish, const Tensor& tensor, TensorPlan* plan) {
  *plan = Keep(tensor);
  std::vector<Type> known;
  for (const uint32_t id : wish.types) {
    const std::optional<Type> rows = RowType(id);
    if (!rows) continue;
    known.push_back(*rows);
    const InterleavedInfo* info = Interleaved(id);
    const bool whole_groups =
        info == nullptr || tensor.dims[1] % info->rows == 0;
    if (!whole_groups || !Fits(*rows, tensor.cols())) continue;
    *plan = PlanOf(tensor, id);
    return OkStatus();
  }
  if (wish.or_keep || wish.types.empty()) return OkStatus();
  if (known.empty()) {
    return Failure(StatusCode::kUnsupported,
                   "tensor {}: {} asks for {}, which this build lacks",
                   Quote(tensor.name), wish.where, NamesOf(wish.types));
  }
  Type fitting = FallbackType(known[0], tensor.cols());
  if (!StoredInFiles(fitting)) {
    fitting = FallbackType(FindTypeInfo(fitting)->fallback, tensor.cols());
  }
  if (FindTypeInfo(fitting)->quantized) *plan = PlanOf(tensor, TypeId(fitting));
  return OkStatus();
}

}  // namespace

uint32_t Recipe::FileType() const {
  return file_type.value_or(FindTensorType(TypeId(type))->file_type);
}

Status ParseType(const std::string& name, Type* type) {
  const std::optional<Type> found = TypeFromName(name);
  if (found && StoredInFiles(*found)) {
    *type = *found;
    return OkStatus();
  }
  if (const auto interleaved = InterleavedFromName(name)) {
    *type = static_cast<Type>(*interleaved);
    return OkStatus();
  }
  std::string known;
  for (const TypeInfo& info : QuantizedTypes()) {
    if (!StoredInFiles(info.type)) continue;
    known += fmt::format("{}, ", info.name);
  }
  return Failure(StatusCode::kInvalidArgument,
                 "unknown type {}; known are {}f16, bf16, f32 and the recipes "
                 "of --list-recipes",
                 Quote(name), known);
}

Status SetRecipe(const std::string& name, Recipe* recipe) {
  const std::optional<Type> type = TypeFromName(name);
  const BuiltinRecipe* builtin = FindBuiltinRecipe(name);
  recipe->mix = std::nullopt;
  if (builtin == nullptr || (recipe->pure && type)) {
    NIBBLE_RETURN_IF_ERROR(ParseType(name, &recipe->type));
    recipe->name = TensorTypeName(TypeId(recipe->type));
    return OkStatus();
  }
  RuleFile file;
  NIBBLE_RETURN_IF_ERROR(ParseRules(builtin->name, builtin->text, &file));
  if (!file.type) {
    return Failure(StatusCode::kInvalidArgument,
                   "{} names no main type: say the type", builtin->name);
  }
  recipe->name = file.name;
  recipe->type = static_cast<Type>(*file.type);
  if (recipe->pure) return OkStatus();
  recipe->file_type = file.file_type;
  recipe->mix = std::move(file.rules);
  return OkStatus();
}

void AddRules(RuleFile file, Recipe* recipe) {
  if (file.type) {
    recipe->name = file.name;
    recipe->type = static_cast<Type>(*file.type);
    recipe->file_type = file.file_type;
    recipe->mix.emplace();  // what the file does not say is the main type
  }
  for (Rule& rule : file.rules) recipe->rules.push_back(std::move(rule));
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

Wish WishFor(const Tensor& tensor, const Recipe& recipe,
             const ModelFacts& facts) {
  Wish wish;
  if (tensor.n_dims < 2 || !HoldsWeights(tensor.type)) return wish;
  const Rule* rule = FirstMatch(recipe.rules, tensor, facts);
  if (rule != nullptr) wish = WishOf(*rule, recipe);
  wish.ruled = rule != nullptr;
  if (wish.ruled) return wish;
  const std::optional<Type> named =
      tensor.name == "token_embd.weight" ? recipe.token_embedding
      : tensor.name == "output.weight"   ? recipe.output
                                         : std::nullopt;
  if (named) return {{TypeId(*named)}, false, "an option", true};
  if (!IsWeightMatrix(tensor)) return wish;
  if (!recipe.pure) {
    rule = FirstMatch(recipe.mix ? *recipe.mix : DefaultMix(), tensor, facts);
  }
  if (rule != nullptr) return WishOf(*rule, recipe);
  return {{TypeId(recipe.type)}, false, recipe.name, false};
}

TensorPlan PlanOf(const Tensor& tensor, uint32_t id) {
  TensorPlan plan = Keep(tensor);
  plan.type = id;
  // No overflow: a type is at most 32 times the size of another, and the source
  // fits a file.
  if (!plan.copies()) {
    plan.bytes = tensor.rows() * RowBytes(*RowType(id), tensor.cols());
  }
  return plan;
}

Status MakePlan(const Contents& model, const Recipe& recipe,
                std::vector<TensorPlan>* plans) {
  plans->clear();
  const ModelFacts facts = FactsOf(model, recipe.imatrix, TypeId(recipe.type));
  try {
    for (const Tensor& tensor : model.tensors) {
      const Wish wish = WishFor(tensor, recipe, facts);
      TensorPlan plan;
      NIBBLE_RETURN_IF_ERROR(Grant(wish, tensor, &plan));
      plan.note = NoteOn(wish, plan);
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
