// SPDX-License-Identifier: MIT
// Rules, rule files and the built-in recipes.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "gguf/builtin_recipes.h"
#include "gguf/recipe.h"
#include "gguf/rule_writer.h"
#include "gguf/tensor_types.h"
#include "tests/gguf_builder.h"

namespace nibble::gguf {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kF16 = 1;

// ---- Models that are nothing but names, shapes and metadata

struct ModelShape {
  uint64_t layers;
  uint32_t heads;
  uint32_t heads_kv;
  uint32_t experts;
  uint64_t vocab;
  bool tied;
};

const std::map<std::string, ModelShape> kModels = {
    {"llama-2-7b", {32, 32, 32, 0, 32000, false}},
    {"llama-3-8b", {32, 32, 8, 0, 128256, false}},
    {"llama-2-70b", {80, 64, 8, 0, 32000, false}},
    {"mixtral-8x7b", {32, 32, 8, 8, 32000, false}},
    {"qwen-3b", {36, 16, 2, 0, 151936, true}},
    {"demo", {6, 4, 2, 0, 259, false}},
};

Tensor TensorOf(const std::string& name, std::vector<uint64_t> dims,
                uint32_t type = kF16) {
  Tensor tensor;
  tensor.name = name;
  tensor.n_dims = static_cast<uint32_t>(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) tensor.dims[d] = dims[d];
  tensor.type = type;
  tensor.bytes = *FindTensorType(type)->RowBytes(dims[0]) * tensor.rows();
  return tensor;
}

std::vector<std::string> RolesOf(const ModelShape& shape) {
  const std::string suffix = shape.experts > 0 ? "_exps" : "";
  return {"attn_q",
          "attn_k",
          "attn_v",
          "attn_output",
          "ffn_gate" + suffix,
          "ffn_up" + suffix,
          "ffn_down" + suffix};
}

Contents ModelOf(const ModelShape& shape) {
  Contents model;
  const auto block_count = static_cast<uint32_t>(shape.layers);
  model.metadata.SetString("general.architecture", "llama");
  model.metadata.SetUint32("llama.block_count", block_count);
  model.metadata.SetUint32("llama.attention.head_count", shape.heads);
  model.metadata.SetUint32("llama.attention.head_count_kv", shape.heads_kv);
  if (shape.experts > 0) {
    model.metadata.SetUint32("llama.expert_count", shape.experts);
  }
  model.tensors.push_back(TensorOf("token_embd.weight", {256, shape.vocab}));
  if (!shape.tied) {
    model.tensors.push_back(TensorOf("output.weight", {256, shape.vocab}));
  }
  for (uint64_t layer = 0; layer < shape.layers; ++layer) {
    const std::string blk = "blk." + std::to_string(layer) + ".";
    for (const std::string& role : RolesOf(shape)) {
      model.tensors.push_back(TensorOf(blk + role + ".weight", {256, 8}));
    }
    model.tensors.push_back(
        TensorOf(blk + "ffn_gate_inp.weight", {256, 8}, kF32));
    model.tensors.push_back(TensorOf(blk + "attn_norm.weight", {256}, kF32));
  }
  return model;
}

std::string FirstChoice(const Tensor& tensor, const Recipe& recipe,
                        const ModelFacts& facts) {
  const Wish wish = WishFor(tensor, recipe, facts);
  return wish.types.empty() ? "keep" : TensorTypeName(wish.types[0]);
}

Recipe RecipeOf(const std::string& name) {
  Recipe recipe;
  const Status status = SetRecipe(name, &recipe);
  INFO(status.message());
  REQUIRE(status.ok());
  return recipe;
}

Recipe RecipeFrom(const std::string& text) {
  RuleFile file;
  const Status status = ParseRules("test.rules", text, &file);
  INFO(status.message());
  REQUIRE(status.ok());
  Recipe recipe;
  AddRules(std::move(file), &recipe);
  return recipe;
}

// ---- The built-in recipes

// A line of golden/recipes.tsv.
struct Expected {
  std::string recipe, model, imatrix, main;
  std::map<std::string, std::vector<std::string>> others;  // by role, by layer
};

std::vector<std::string> Cells(const std::string& line, const char* between) {
  std::vector<std::string> cells;
  size_t begin = 0;
  const size_t width = std::string(between).size();
  for (size_t end; (end = line.find(between, begin)) != std::string::npos;
       begin = end + width) {
    cells.push_back(line.substr(begin, end - begin));
  }
  cells.push_back(line.substr(begin));
  return cells;
}

Expected ParseExpected(const std::string& line) {
  const std::vector<std::string> cells = Cells(line, "\t");
  REQUIRE(cells.size() == 5);
  Expected expected = {cells[0], cells[1], cells[2], cells[3], {}};
  if (cells[4] == "-") return expected;
  for (const std::string& role : Cells(cells[4], "; ")) {
    const size_t equals = role.find('=');
    auto& types = expected.others[role.substr(0, equals)];
    for (const std::string& run : Cells(role.substr(equals + 1), " ")) {
      const size_t times = run.find('*');
      types.insert(types.end(), std::stoul(run.substr(0, times)),
                   run.substr(times + 1));
    }
  }
  return expected;
}

std::string ExpectedType(const Expected& expected, const std::string& name) {
  if (name.find("ffn_gate_inp") != std::string::npos ||
      name.find("norm") != std::string::npos) {
    return "keep";
  }
  const std::string stem = name.substr(0, name.rfind('.'));
  const auto found = expected.others.find(stem.substr(stem.rfind('.') + 1));
  if (found == expected.others.end()) return expected.main;
  return found->second[LayerOf(name).value_or(0)];
}

// The recipe by name, and its text as a user would hand it to --rules.
void CheckRecipe(const Expected& expected, const Recipe& recipe) {
  const Contents model = ModelOf(kModels.at(expected.model));
  for (const bool imatrix : {false, true}) {
    if (expected.imatrix == (imatrix ? "no" : "yes")) continue;
    const ModelFacts facts = FactsOf(model, imatrix, TypeId(recipe.type));
    for (const Tensor& tensor : model.tensors) {
      INFO(expected.recipe << " " << expected.model << " " << tensor.name);
      const std::string type = FirstChoice(tensor, recipe, facts);
      if (type != ExpectedType(expected, tensor.name)) {
        REQUIRE(type == ExpectedType(expected, tensor.name));
      }
    }
  }
}

TEST_CASE("built-in recipes give the types that are published for them") {
  std::ifstream file(NIBBLE_TEST_DATA "/golden/recipes.tsv");
  size_t lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.front() == '#') continue;
    ++lines;
    const Expected expected = ParseExpected(line);
    CheckRecipe(expected, RecipeOf(expected.recipe));
    CheckRecipe(expected, RecipeFrom(FindBuiltinRecipe(expected.recipe)->text));
  }
  REQUIRE(lines > 250);
}

TEST_CASE("a recipe sets general.file_type as the usual programs do") {
  const std::map<std::string, uint32_t> file_types = {
      {"q4_0", 2},     {"q8_0", 7},     {"q5_0", 8},      {"q2_K", 10},
      {"q3_K_S", 11},  {"q3_K_M", 12},  {"q3_K_L", 13},   {"q4_K_S", 14},
      {"q4_K_M", 15},  {"q5_K_S", 16},  {"q5_K_M", 17},   {"q6_K", 18},
      {"iq2_xxs", 19}, {"iq2_xs", 20},  {"q2_K_S", 21},   {"iq3_xs", 22},
      {"iq3_xxs", 23}, {"iq1_s", 24},   {"iq4_nl", 25},   {"iq3_s", 26},
      {"iq3_m", 27},   {"iq2_s", 28},   {"iq2_m", 29},    {"iq4_xs", 30},
      {"iq1_m", 31},   {"tq1_0", 36},   {"tq2_0", 37},    {"mxfp4_moe", 38},
      {"iq1_bn", 136}, {"iq2_bn", 137}, {"iq2_k", 138},   {"iq3_k", 139},
      {"iq4_k", 140},  {"iq5_k", 141},  {"iq6_k", 142},   {"iq4_ks", 145},
      {"iq3_kl", 146}, {"iq2_ks", 147}, {"iq4_kss", 148}, {"iq5_ks", 150},
      {"iq2_kt", 151}, {"iq3_kt", 152}, {"iq4_kt", 153},  {"iq3_ks", 154},
      {"iq2_kl", 155}, {"iq1_kt", 156}};
  for (const auto& [name, file_type] : file_types) {
    INFO(name);
    REQUIRE(RecipeOf(name).FileType() == file_type);
  }
}

TEST_CASE("every built-in recipe says what it is and parses") {
  for (const BuiltinRecipe& recipe : BuiltinRecipes()) {
    RuleFile file;
    INFO(recipe.name);
    REQUIRE(ParseRules(recipe.name, recipe.text, &file).ok());
    REQUIRE_FALSE(file.about.empty());
    const bool is_whole = file.type.has_value();
    REQUIRE(is_whole == (std::string(recipe.name) != "default"));
  }
}

TEST_CASE("a recipe's name may be in any case; default alone is no recipe") {
  REQUIRE(RecipeOf("Q4_k_m").file_type == 15);
  Recipe recipe;
  REQUIRE_FALSE(SetRecipe("default", &recipe).ok());
  REQUIRE_THAT(SetRecipe("q4_K_X", &recipe).message(),
               ContainsSubstring("--list-recipes"));
}

TEST_CASE("with pure a name is a type first, and a recipe's main type else") {
  Recipe recipe;
  recipe.pure = true;
  REQUIRE(SetRecipe("q4_K_M", &recipe).ok());
  REQUIRE(recipe.type == Type::kQ4_K);
  REQUIRE(recipe.FileType() == 14);
  const Contents model = ModelOf(kModels.at("demo"));
  const ModelFacts facts = FactsOf(model, false, TypeId(recipe.type));
  REQUIRE(FirstChoice(model.tensors[1], recipe, facts) == "q4_K");
}

TEST_CASE("two lines move bits from attn_q to attn_v in a Q5_K_S file") {
  Recipe recipe = RecipeOf("q5_K_S");
  RuleFile file;
  REQUIRE(ParseRules("mine.rules",
                     "attn_v\\.weight = q6_K\nattn_q\\.weight = q4_K\n", &file)
              .ok());
  AddRules(std::move(file), &recipe);
  const Contents model = ModelOf(kModels.at("llama-3-8b"));
  const ModelFacts facts = FactsOf(model, false, TypeId(recipe.type));
  std::map<std::string, size_t> counts;
  for (const Tensor& tensor : model.tensors) {
    ++counts[FirstChoice(tensor, recipe, facts)];
  }
  const std::map<std::string, size_t> expected = {
      {"keep", 64}, {"q4_K", 32}, {"q6_K", 33}, {"q5_K", 161}};
  REQUIRE(counts == expected);
  REQUIRE(recipe.FileType() == 16);
}

// ---- The language

std::string LayersWhere(const std::string& condition, uint64_t layers) {
  ModelFacts facts;
  facts.layers = layers;
  Condition parsed;
  const Status status = Condition::Parse(condition, &parsed);
  if (!status.ok()) return status.message();
  std::string found;
  for (uint64_t layer = 0; layer < layers; ++layer) {
    found += parsed.Holds(facts, layer) ? "x" : ".";
  }
  return found;
}

TEST_CASE("a condition picks layers") {
  CHECK(LayersWhere("layer<3", 8) == "xxx.....");
  CHECK(LayersWhere("layer>=n-2", 8) == "......xx");
  CHECK(LayersWhere("layer<n/8", 16) == "xx..............");
  CHECK(LayersWhere("layer>=7n/8", 16) == "..............xx");
  CHECK(LayersWhere("layer<n/8", 6) == "......");
  CHECK(LayersWhere("layer>=7n/8", 6) == ".....x");
  CHECK(LayersWhere("layer%2=1", 6) == ".x.x.x");
  CHECK(LayersWhere("layer%3=2", 7) == "..x..x.");
  CHECK(LayersWhere("layer=n/2", 6) == "...x..");
  CHECK(LayersWhere("layer!=0", 4) == ".xxx");
  CHECK(LayersWhere("layer<=1", 4) == "xx..");
  CHECK(LayersWhere("layer>n/2+1", 8) == "......xx");
  CHECK(LayersWhere("more_bits", 32) == "xxxx..x..x..x..x..x..x..x..xxxxx");
  CHECK(LayersWhere("!more_bits", 6) == "xx.xx.");
}

TEST_CASE("a condition about layers is false outside of them") {
  ModelFacts facts;
  facts.layers = 4;
  for (const char* text : {"layer<9", "more_bits", "!more_bits", "layer!=1"}) {
    Condition condition;
    REQUIRE(Condition::Parse(text, &condition).ok());
    REQUIRE_FALSE(condition.Holds(facts, std::nullopt));
  }
}

TEST_CASE("a condition asks what the model is") {
  const Contents model = ModelOf(kModels.at("mixtral-8x7b"));
  const ModelFacts facts = FactsOf(model, true, TypeId(Type::kQ4_K));
  const auto holds = [&](const char* text) {
    Condition condition;
    INFO(text);
    REQUIRE(Condition::Parse(text, &condition).ok());
    return condition.Holds(facts, std::nullopt);
  };
  CHECK(holds("experts=8"));
  CHECK(holds("gqa>=4"));
  CHECK_FALSE(holds("gqa>4"));
  CHECK(holds("layers=32"));
  CHECK(holds("vocab=32000"));
  CHECK(holds("bits=4.5"));
  CHECK(holds("bits<6.5625"));
  CHECK(holds("imatrix"));
  CHECK_FALSE(holds("!imatrix"));
  CHECK(holds("!tied"));
}

TEST_CASE("heads may be listed layer by layer") {
  Contents model = ModelOf(kModels.at("demo"));
  const auto set = [&](const char* key, std::vector<uint32_t> values) {
    std::string array = Bytes(uint32_t{4}) + Bytes(uint64_t{values.size()});
    for (const uint32_t value : values) array += Bytes(value);
    Metadata changed;
    for (const KeyValue& pair : model.metadata.pairs()) {
      if (pair.key != key) changed.Add(pair);
    }
    changed.Add({key, ValueType::kArray, array});
    model.metadata = changed;
  };
  set("llama.attention.head_count", {12, 16});
  set("llama.attention.head_count_kv", {3, 4});
  REQUIRE(FactsOf(model, false, kF16).gqa == 4);
  set("llama.attention.head_count_kv", {0, 4});
  REQUIRE(FactsOf(model, false, kF16).gqa == 0);
  set("llama.attention.head_count_kv", {});
  REQUIRE(FactsOf(model, false, kF16).gqa == 1);
}

TEST_CASE("the layer of a tensor is the number behind blk.") {
  CHECK(LayerOf("blk.0.attn_v.weight") == 0);
  CHECK(LayerOf("enc.blk.17.ffn_up.weight") == 17);
  for (const char* name : {"output.weight", "blk.", "blk.x.weight", "blk.1",
                           "blk..weight", "blk.99999999999.weight"}) {
    INFO(name);
    CHECK_FALSE(LayerOf(name).has_value());
  }
}

TEST_CASE("rules that are none are refused with the rule") {
  Rule rule;
  for (const char* text :
       {"", "ffn_up", "=q4_0", "ffn_up=", "ffn_up=q99", "ffn_(up=q4_0",
        "[=q4_0", "ffn_up layer=q4_0", "ffn_up moon=1 = q4_0",
        "ffn_up layer<<3 = q4_0", "ffn_up = q4_0 | q98", "ffn_up = q4_0 q5_0",
        "ffn_up layer%0=0 = q4_0", "ffn_up layer<n/0 = q4_0"}) {
    const Status status = ParseRule(text, &rule);
    INFO(text << " -> " << status.message());
    CHECK_FALSE(status.ok());
    CHECK_THAT(status.message(), ContainsSubstring(std::string("'") + text));
  }
}

TEST_CASE("a rule too long for the regular expressions is refused") {
  const auto parse = [](size_t depth) {
    Rule rule;
    return ParseRule(
        std::string(depth, '(') + "a" + std::string(depth, ')') + "=q4_0",
        &rule);
  };
  REQUIRE(parse(2000).ok());
  REQUIRE_THAT(parse(100000).message(), ContainsSubstring("too long"));
}

TEST_CASE("any bytes as a rules file are rules or a refusal in one line") {
  const std::string letters = "attn_v()[]|*.\\=<>!%/n+-#0189 q4_Kkeepmainlayer";
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (auto length = random() % 60; length > 0; --length) {
      const auto kind = random() % 50;
      text += kind == 0   ? '\n'
              : kind == 1 ? static_cast<char>(random() % 256)
                          : letters[random() % letters.size()];
    }
    RuleFile file;
    const Status status = ParseRules("any", text, &file);
    INFO(text);
    if (!status.ok()) REQUIRE(IsOneLine(status.message()));
  }
}

TEST_CASE("a rules file may hold comments; errors name file and line") {
  RuleFile file;
  REQUIRE(ParseRules("good",
                     "# About it.\n\n ffn_up = q4_0 \r\nattn layer<2 = keep\n"
                     "type q4_K\nfile_type 15",
                     &file)
              .ok());
  REQUIRE(file.about == "About it.");
  REQUIRE(file.rules.size() == 2);
  REQUIRE(file.rules[0].choices[0].type == TypeId(Type::kQ4_0));
  REQUIRE(file.rules[0].where == "good:3");
  REQUIRE(file.rules[1].choices[0].kind == Choice::Kind::kKeep);
  REQUIRE(file.type == TypeId(Type::kQ4_K));
  REQUIRE(file.file_type == 15);
  for (const char* line :
       {"b=q4", "type", "type q99", "file_type x", "color red", "attn_v q6_K",
        "file_type 99999999999", "a layer<n/8 q4_0"}) {
    const Status status =
        ParseRules("bad", std::string("a=q4_0\n") + line + "\n", &file);
    INFO(line << " -> " << status.message());
    CHECK_THAT(status.message(), ContainsSubstring("bad:2: "));
    CHECK(IsOneLine(status.message()));
  }
  REQUIRE_FALSE(ReadRules("/none/such.rules", &file).ok());
}

// ---- Choices

std::string Planned(const std::string& rules, uint64_t cols,
                    std::string* note = nullptr) {
  Contents model;
  model.tensors = {TensorOf("a.weight", {cols, 4})};
  std::vector<TensorPlan> plans;
  const Status status = MakePlan(model, RecipeFrom(rules), &plans);
  if (!status.ok()) return status.message();
  if (note != nullptr) *note = plans[0].note;
  return plans[0].copies() ? "kept" : TensorTypeName(plans[0].type);
}

TEST_CASE(
    "a type this build lacks is an error unless there is a second choice") {
  // A layout of the past, which the library will not have.
  CHECK_THAT(Planned("a = q4_0_4_8", 256),
             ContainsSubstring("test.rules:1") &&
                 ContainsSubstring("q4_0_4_8") &&
                 ContainsSubstring("this build lacks"));
  std::string note;
  CHECK(Planned("a = q4_0_4_8 | q8_0", 256, &note) == "q8_0");
  CHECK(note == "q8_0: this build has no q4_0_4_8");
  CHECK(Planned("a = q4_0_4_8 | main\ntype q5_0", 256) == "q5_0");
  CHECK(Planned("a = q4_0_4_8 | keep", 256) == "kept");
  CHECK_THAT(Planned("type q4_0_4_8", 256), ContainsSubstring("lacks"));
  CHECK(Planned("b = q4_0_4_8", 256) == "q4_K");
}

TEST_CASE(
    "rows that a type does not fit get the next choice, then a fallback") {
  CHECK(Planned("a = q4_K", 96) == "q5_0");
  CHECK(Planned("a = q4_K | q4_0", 96) == "q4_0");
  CHECK(Planned("a = q4_K | q4_0", 256) == "q4_K");
  CHECK(Planned("a = q4_K | q6_K", 96) == "q5_0");
  CHECK(Planned("a = q4_K | keep", 96) == "kept");
  CHECK(Planned("a = q4_K", 33) == "kept");
}

// ---- Written rules

TEST_CASE("written rules plan the same again, whatever the names") {
  Contents model = ModelOf(kModels.at("demo"));
  model.tensors.push_back(TensorOf("od d=na#me\n(.*).weight", {256, 4}));
  model.tensors.push_back(TensorOf("\xc3\xa9.weight", {256, 4}));
  model.tensors.push_back(TensorOf("x.blk.3.y.weight", {256, 4}));
  model.tensors.push_back(TensorOf("odd_rows.weight", {33, 4}));
  Recipe recipe = RecipeFrom(
      "type iq4_nl\nfile_type 25\nattn_v more_bits = q6_K\n"
      "ffn_gate_inp = q8_0\nffn_down layer%2=0 = q5_0\nattn_q layer=3 = keep\n"
      "od\\x20d|x\\.blk = q4_0");
  std::vector<TensorPlan> plans;
  REQUIRE(MakePlan(model, recipe, &plans).ok());
  const std::string text = RulesOf(plans, recipe);
  INFO(text);
  const Recipe again = RecipeFrom(text);
  std::vector<TensorPlan> plans_again;
  REQUIRE(MakePlan(model, again, &plans_again).ok());
  for (size_t i = 0; i < plans.size(); ++i) {
    INFO(plans[i].source->name);
    REQUIRE(plans_again[i].type == plans[i].type);
  }
  REQUIRE(again.FileType() == 25);
  REQUIRE_THAT(text, ContainsSubstring("^blk\\.(0|2|4)\\.ffn_down\\.weight$"));
}

}  // namespace
}  // namespace nibble::gguf
