// SPDX-License-Identifier: MIT
// quantize-gguf: recipes, models from file to file, and the program itself.
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>

#include "gguf/quantize_model.h"
#include "gguf/report.h"
#include "gguf/row_error.h"
#include "gguf/tensor_types.h"
#include "gguf/thread_pool.h"
#include "nibble/dequantize.h"
#include "tests/gguf_builder.h"

namespace nibble::gguf {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kF16 = 1;
constexpr uint32_t kQ4_0_4_8 = 32;  // known to GGUF, not to this library
constexpr uint32_t kQ8_0 = 8;
constexpr uint32_t kI32 = 26;
constexpr uint32_t kBF16 = 30;

const std::string kModel = NIBBLE_DATA "/kjv-4.9m-f16.gguf";
const std::string kImatrix = NIBBLE_DATA "/kjv.imatrix.gguf";

// ---- Recipes

Tensor TensorOf(const std::string& name, std::vector<uint64_t> dims,
                uint32_t type) {
  Tensor tensor;
  tensor.name = name;
  tensor.n_dims = static_cast<uint32_t>(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) tensor.dims[d] = dims[d];
  tensor.type = type;
  tensor.bytes = *FindTensorType(type)->RowBytes(dims[0]) * tensor.rows();
  return tensor;
}

Contents TypicalModel() {
  Contents model;
  model.tensors = {
      TensorOf("token_embd.weight", {256, 100}, kF16),
      TensorOf("output.weight", {256, 100}, kF16),
      TensorOf("blk.0.attn_norm.weight", {256}, kF32),
      TensorOf("blk.0.attn_v.weight", {256, 64}, kF16),
      TensorOf("blk.0.ffn_up.weight", {256, 64}, kBF16),
      TensorOf("blk.0.ffn_gate_inp.weight", {256, 8}, kF32),
      TensorOf("blk.0.bias_table", {256, 8}, kF32),
      TensorOf("blk.0.ids.weight", {256, 8}, kI32),
  };
  return model;
}

// The types of a plan by tensor name; "kept" for copies.
std::string PlannedType(const Contents& model, const Recipe& recipe,
                        const std::string& name) {
  std::vector<TensorPlan> plans;
  const Status status = MakePlan(model, recipe, &plans);
  if (!status.ok()) return status.message();
  for (const TensorPlan& plan : plans) {
    if (plan.source->name != name) continue;
    return plan.copies() ? "kept" : TensorTypeName(plan.type);
  }
  return "no such tensor";
}

Rule RuleOf(const std::string& text) {
  Rule rule;
  REQUIRE(ParseRule(text, &rule).ok());
  return rule;
}

TEST_CASE("matrices get the main type; all else keeps its own") {
  const Contents model = TypicalModel();
  Recipe recipe;
  recipe.type = Type::kQ4_K;
  REQUIRE(PlannedType(model, recipe, "blk.0.ffn_up.weight") == "q4_K");
  REQUIRE(PlannedType(model, recipe, "blk.0.attn_norm.weight") == "kept");
  REQUIRE(PlannedType(model, recipe, "blk.0.ffn_gate_inp.weight") == "kept");
  REQUIRE(PlannedType(model, recipe, "blk.0.bias_table") == "kept");
  REQUIRE(PlannedType(model, recipe, "blk.0.ids.weight") == "kept");
}

TEST_CASE("the output matrix gets more bits unless the recipe is pure") {
  const Contents model = TypicalModel();
  Recipe recipe;
  recipe.type = Type::kQ4_K;
  REQUIRE(PlannedType(model, recipe, "output.weight") == "q6_K");
  recipe.type = Type::kQ8_0;
  REQUIRE(PlannedType(model, recipe, "output.weight") == "q8_0");
  recipe.type = Type::kQ4_K;
  recipe.pure = true;
  REQUIRE(PlannedType(model, recipe, "output.weight") == "q4_K");
}

TEST_CASE("an embedding that stands in for the output matrix counts as one") {
  Contents model = TypicalModel();
  Recipe recipe;
  recipe.type = Type::kQ4_K;
  REQUIRE(PlannedType(model, recipe, "token_embd.weight") == "q4_K");
  model.tensors.erase(model.tensors.begin() + 1);
  REQUIRE(PlannedType(model, recipe, "token_embd.weight") == "q6_K");
}

TEST_CASE("below four bits the embedding and attn_v get more") {
  Recipe recipe;
  recipe.type = Type::kIQ2_XS;
  REQUIRE(PlannedType(TypicalModel(), recipe, "token_embd.weight") == "q4_K");
  REQUIRE(PlannedType(TypicalModel(), recipe, "blk.0.attn_v.weight") == "q4_K");
  REQUIRE(PlannedType(TypicalModel(), recipe, "blk.0.ffn_up.weight") ==
          "iq2_xs");
}

TEST_CASE("the first rule that matches decides, even over the built-in mix") {
  const Contents model = TypicalModel();
  Recipe recipe;
  recipe.type = Type::kQ4_K;
  recipe.output = Type::kQ8_0;
  recipe.rules = {RuleOf("ffn_gate_inp=q5_0"), RuleOf("blk\\.[0-9]+\\.=q6_0"),
                  RuleOf("ffn_up=q4_0"), RuleOf("token_embd=keep")};
  REQUIRE(PlannedType(model, recipe, "blk.0.ffn_up.weight") == "q6_0");
  REQUIRE(PlannedType(model, recipe, "blk.0.ffn_gate_inp.weight") == "q5_0");
  REQUIRE(PlannedType(model, recipe, "token_embd.weight") == "kept");
  REQUIRE(PlannedType(model, recipe, "output.weight") == "q8_0");
  REQUIRE(PlannedType(model, recipe, "blk.0.attn_norm.weight") == "kept");
}

TEST_CASE("rows that the block does not divide get a type that fits") {
  Contents model;
  model.tensors = {TensorOf("a.weight", {96, 4}, kF16),
                   TensorOf("b.weight", {33, 4}, kF32)};
  Recipe recipe;
  recipe.type = Type::kQ4_K;
  REQUIRE(PlannedType(model, recipe, "a.weight") == "q5_0");
  REQUIRE(PlannedType(model, recipe, "b.weight") == "kept");
  std::vector<TensorPlan> plans;
  REQUIRE(MakePlan(model, recipe, &plans).ok());
  REQUIRE_THAT(plans[0].note, ContainsSubstring("rows of 96"));
}

TEST_CASE("quantized tensors change their type only when that is allowed") {
  Contents model;
  model.tensors = {TensorOf("a.weight", {256, 4}, kQ8_0)};
  Recipe recipe;
  recipe.type = Type::kQ4_0;
  REQUIRE_THAT(PlannedType(model, recipe, "a.weight"),
               ContainsSubstring("--allow-requantize"));
  recipe.allow_requantize = true;
  REQUIRE(PlannedType(model, recipe, "a.weight") == "q4_0");
  recipe.allow_requantize = false;
  recipe.type = Type::kQ8_0;
  REQUIRE(PlannedType(model, recipe, "a.weight") == "kept");
}

TEST_CASE("a type the library cannot decode is copied or refused") {
  Contents model;
  model.tensors = {TensorOf("a.weight", {256, 4}, kQ4_0_4_8)};
  Recipe recipe;
  recipe.allow_requantize = true;
  REQUIRE_THAT(PlannedType(model, recipe, "a.weight"),
               ContainsSubstring("cannot requantize q4_0_4_8"));
  recipe.rules = {RuleOf("a=keep")};
  REQUIRE(PlannedType(model, recipe, "a.weight") == "kept");
}

// ---- Threads and errors

TEST_CASE("a pool runs every part once, however many") {
  for (const size_t threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const size_t parts : {0, 1, 3, 100}) {
      std::vector<std::atomic<int>> runs(parts);
      pool.Run(parts, [&](size_t part) { ++runs[part]; });
      for (const auto& count : runs) REQUIRE(count == 1);
    }
  }
}

TEST_CASE("the weighted error is the formula's, for any number of threads") {
  const std::vector<float> x = {1, -2, 3, 4, 5, 6};
  const std::vector<float> y = {1, -2, 3, 4, 5, 8};
  const float importance[] = {1, 1, 3};
  for (const size_t threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    ErrorSums sums;
    REQUIRE(AddError(FloatMatrix(x.data(), 2, 3), FloatMatrix(y.data(), 2, 3),
                     importance, pool, &sums)
                .ok());
    REQUIRE(sums.weighted_error == 3 * 4);
    REQUIRE(sums.weighted_square == 1 + 4 + 27 + 16 + 25 + 108);
    REQUIRE(sums.WeightedRmse() == std::sqrt(12.0 / 181));
    REQUIRE(sums.Cosine() ==
            (1 + 4 + 9 + 16 + 25 + 48) / std::sqrt(91.0 * 119.0));
  }
}

TEST_CASE("all-zero weights have no error") {
  REQUIRE(ErrorSums().WeightedRmse() == 0);
  REQUIRE(ErrorSums().Cosine() == 1);
}

// ---- Models

std::vector<float> RandomWeights(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    // Eighths in (-8, 8): exact in F16 and BF16.
    value = static_cast<float>(static_cast<int>(random() % 128) - 64) / 8;
  }
  return values;
}

std::string AsBF16(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += Floats({value}).substr(2);
  return bytes;
}

std::string AsF16(const std::vector<float>& values) {
  std::vector<uint16_t> halves(values.size());
  const MutableMatrix out(Type::kF16, reinterpret_cast<uint8_t*>(halves.data()),
                          1, values.size());
  REQUIRE(Dequantize(FloatMatrix(values.data(), 1, values.size()), out).ok());
  return {reinterpret_cast<const char*>(halves.data()), 2 * halves.size()};
}

GgufBuilder SmallModel() {
  GgufBuilder builder;
  builder.String("general.architecture", "llama");
  builder.Uint32("general.file_type", 1);
  builder.Align(64);
  builder.Pair(
      "some.unknown.flags", 9,
      Bytes(uint32_t{7}) + Bytes(uint64_t{3}) + std::string("\1\0\1", 3));
  builder.FloatTensor("z.norm.weight", {3}, {1, 2, 3});
  builder.FloatTensor("b.f32.weight", {64, 5}, RandomWeights(320, 1));
  builder.Tensor("c.f16.weight", {64, 5}, kF16, AsF16(RandomWeights(320, 1)));
  builder.Tensor("a.bf16.weight", {64, 5}, kBF16,
                 AsBF16(RandomWeights(320, 1)));
  return builder;
}

// Quantizes `bytes` to q8_0 in a folder of its own.
struct Run {
  TemporaryFolder folder;
  ModelOptions options;
  ModelReport report;
  Status status;
  GgufFile output;

  explicit Run(const std::string& bytes,
               const std::function<void(ModelOptions&)>& change = {}) {
    options.input = folder.Write("in.gguf", bytes);
    options.output = folder.Path("out.gguf");
    options.recipe.type = Type::kQ8_0;
    options.threads = 2;
    if (change) change(options);
    status = QuantizeModel(options, &report);
    if (status.ok() && !options.dry_run) {
      REQUIRE(GgufFile::Open(options.output, &output).ok());
    }
  }
  // True if nothing but the input is in the folder.
  bool LeftNothing() const {
    return folder.Files() == std::vector<std::string>{"in.gguf"};
  }
  std::string Data(const std::string& name) const {
    const Tensor* tensor = output.contents().FindTensor(name);
    REQUIRE(tensor != nullptr);
    return {reinterpret_cast<const char*>(tensor->data), tensor->bytes};
  }
};

TEST_CASE("a quantized model keeps order, alignment and metadata") {
  const std::string bytes = SmallModel().Build();
  const Run run(bytes);
  INFO(run.status.message());
  REQUIRE(run.status.ok());
  Contents before;
  REQUIRE(ParseGguf("in", reinterpret_cast<const uint8_t*>(bytes.data()),
                    bytes.size(), &before)
              .ok());
  const Contents& after = run.output.contents();
  REQUIRE(after.alignment == 64);
  REQUIRE(after.tensors.size() == before.tensors.size());
  for (size_t i = 0; i < after.tensors.size(); ++i) {
    REQUIRE(after.tensors[i].name == before.tensors[i].name);
    REQUIRE(after.tensors[i].dims == before.tensors[i].dims);
  }
  for (size_t i = 0; i < before.metadata.pairs().size(); ++i) {
    const KeyValue& pair = before.metadata.pairs()[i];
    REQUIRE(after.metadata.pairs()[i].key == pair.key);
    if (pair.key == "general.file_type") continue;
    REQUIRE(after.metadata.pairs()[i].value == pair.value);
  }
  REQUIRE(after.metadata.Unsigned("general.file_type") == 7);
  REQUIRE(after.metadata.Unsigned("general.quantization_version") == 2);
}

TEST_CASE("vectors are copied bit by bit") {
  const Run run(SmallModel().Build());
  REQUIRE(run.status.ok());
  REQUIRE(run.Data("z.norm.weight") == Floats({1, 2, 3}));
}

TEST_CASE("F32, F16 and BF16 sources of the same values give the same bytes") {
  const Run run(SmallModel().Build());
  REQUIRE(run.status.ok());
  REQUIRE(run.Data("b.f32.weight") == run.Data("c.f16.weight"));
  REQUIRE(run.Data("b.f32.weight") == run.Data("a.bf16.weight"));
}

TEST_CASE("the reported error is that of the bytes in the file") {
  const Run run(SmallModel().Build());
  REQUIRE(run.status.ok());
  const std::vector<float> x = RandomWeights(320, 1);
  const Tensor& tensor = *run.output.contents().FindTensor("b.f32.weight");
  std::vector<float> y(320);
  REQUIRE(Dequantize(ConstMatrix(Type::kQ8_0, tensor.data, 5, 64),
                     FloatMatrix(y.data(), 5, 64))
              .ok());
  double error = 0, square = 0;
  for (size_t i = 0; i < 320; ++i) {
    error += (y[i] - x[i]) * double{y[i] - x[i]};
    square += x[i] * double{x[i]};
  }
  const double wrmse = run.report.tensors[1].error.WeightedRmse();
  REQUIRE(std::abs(wrmse - std::sqrt(error / square)) < 1e-9);
  REQUIRE(wrmse > 0);
  REQUIRE(wrmse < 0.01);
}

TEST_CASE("the bytes do not depend on the number of threads") {
  const std::string bytes = ReadAll(kModel);
  const auto with = [&](size_t threads) {
    const Run run(bytes, [&](ModelOptions& options) {
      options.threads = threads;
      options.recipe.type = Type::kQ4_0;
      options.imatrix = kImatrix;
    });
    REQUIRE(run.status.ok());
    return ReadAll(run.options.output);
  };
  REQUIRE(with(1) == with(3));
}

TEST_CASE("requantizing equals quantizing the decoded weights") {
  const Run first(SmallModel().Build());
  REQUIRE(first.status.ok());
  const Tensor& packed = *first.output.contents().FindTensor("b.f32.weight");
  std::vector<float> decoded(320);
  REQUIRE(Dequantize(ConstMatrix(Type::kQ8_0, packed.data, 5, 64),
                     FloatMatrix(decoded.data(), 5, 64))
              .ok());
  GgufBuilder builder;
  builder.FloatTensor("b.f32.weight", {64, 5}, decoded);
  const auto to_q4 = [](ModelOptions& options) {
    options.recipe.type = Type::kQ4_0;
    options.recipe.allow_requantize = true;
  };
  const Run again(ReadAll(first.options.output), to_q4);
  const Run direct(builder.Build(), to_q4);
  REQUIRE(again.status.ok());
  REQUIRE(direct.status.ok());
  REQUIRE(again.Data("b.f32.weight") == direct.Data("b.f32.weight"));
}

TEST_CASE("rows go into groups and come out of them as they were") {
  constexpr uint32_t kQ8_0_R8 = 208;
  const auto to = [](uint32_t id, bool requantize = false) {
    return [=](ModelOptions& options) {
      options.recipe.type = static_cast<Type>(id);
      options.recipe.allow_requantize = requantize;
    };
  };
  GgufBuilder builder;
  builder.FloatTensor("w.weight", {64, 24}, RandomWeights(64 * 24, 3));
  builder.FloatTensor("five.weight", {64, 5}, RandomWeights(64 * 5, 4));
  const Run rows(builder.Build());
  const Run groups(ReadAll(rows.options.output), to(kQ8_0_R8));
  INFO(groups.status.message());
  REQUIRE(groups.status.ok());
  const Contents& after = groups.output.contents();
  REQUIRE(after.FindTensor("w.weight")->type == kQ8_0_R8);
  REQUIRE(after.FindTensor("five.weight")->type == kQ8_0);  // no whole group
  REQUIRE(after.metadata.Unsigned("general.file_type") == 207);
  REQUIRE(groups.Data("w.weight") != rows.Data("w.weight"));

  const Run direct(builder.Build(), to(kQ8_0_R8));
  REQUIRE(direct.Data("w.weight") == groups.Data("w.weight"));
  const Run back(ReadAll(groups.options.output), to(kQ8_0));
  REQUIRE(back.Data("w.weight") == rows.Data("w.weight"));
  const uint32_t q4_0 = TypeId(Type::kQ4_0);
  const Run refused(ReadAll(groups.options.output), to(q4_0));
  REQUIRE_THAT(refused.status.message(),
               ContainsSubstring("already quantized to q8_0_r8"));
  const Run from_groups(ReadAll(groups.options.output), to(q4_0, true));
  const Run from_rows(ReadAll(rows.options.output), to(q4_0, true));
  REQUIRE(from_groups.Data("w.weight") == from_rows.Data("w.weight"));
}

TEST_CASE("a float type as the goal converts") {
  const Run run(SmallModel().Build(), [](ModelOptions& options) {
    options.recipe.type = Type::kF16;
    options.recipe.pure = true;
  });
  REQUIRE(run.status.ok());
  REQUIRE(run.Data("b.f32.weight") == AsF16(RandomWeights(320, 1)));
  REQUIRE(run.Data("c.f16.weight") == AsF16(RandomWeights(320, 1)));
}

TEST_CASE("a weight too large for F16 is refused with its place") {
  GgufBuilder builder;
  std::vector<float> values(64, 1.0f);
  values[40] = 70000;
  builder.FloatTensor("a.weight", {32, 2}, values);
  const Run run(builder.Build(), [](ModelOptions& options) {
    options.recipe.type = Type::kF16;
  });
  REQUIRE_THAT(run.status.message(), ContainsSubstring("row 1, column 8"));
  REQUIRE(run.LeftNothing());
}

TEST_CASE("an imatrix is used and recorded") {
  const Run run(ReadAll(kModel), [](ModelOptions& options) {
    options.recipe.type = Type::kQ4_0;
    options.imatrix = kImatrix;
  });
  INFO(run.status.message());
  REQUIRE(run.status.ok());
  const Metadata& metadata = run.output.contents().metadata;
  REQUIRE(metadata.String("quantize.imatrix.file") == kImatrix);
  REQUIRE(metadata.String("quantize.imatrix.dataset") == "kjv-calib.txt");
  REQUIRE(metadata.Unsigned("quantize.imatrix.entries_count") == 42);
  REQUIRE(metadata.Unsigned("quantize.imatrix.chunks_count") == 250);
  size_t with_importance = 0;
  for (const TensorReport& tensor : run.report.tensors) {
    with_importance += tensor.has_importance;
  }
  REQUIRE(with_importance == 42);
}

TEST_CASE("both imatrix formats give the same tensors") {
  const auto with = [](const char* imatrix) {
    const Run run(ReadAll(kModel), [&](ModelOptions& options) {
      options.recipe.type = Type::kQ4_0;
      options.imatrix = imatrix;
    });
    REQUIRE(run.status.ok());
    return run.Data("blk.3.ffn_down.weight");
  };
  REQUIRE(with(NIBBLE_DATA "/kjv.imatrix.gguf") ==
          with(NIBBLE_DATA "/kjv.imatrix.dat"));
}

// Three experts, the second never used.
std::string ExpertImatrix() {
  GgufBuilder builder;
  builder.String("general.type", "imatrix");
  builder.FloatTensor("e.weight.in_sum2", {32, 3}, [] {
    std::vector<float> sums(96, 1.0f);
    for (size_t c = 0; c < 32; ++c) sums[c] = static_cast<float>(c * c * c);
    return sums;
  }());
  builder.FloatTensor("e.weight.counts", {1, 3}, {1, 0, 1});
  return builder.Build();
}

TEST_CASE("every expert is quantized with its own importance") {
  GgufBuilder model;
  const std::vector<float> values = RandomWeights(32 * 4, 5);
  std::vector<float> experts;
  for (int e = 0; e < 3; ++e) {
    experts.insert(experts.end(), values.begin(), values.end());
  }
  model.FloatTensor("e.weight", {32, 4, 3}, experts);
  const TemporaryFolder folder;
  const std::string imatrix = folder.Write("i.gguf", ExpertImatrix());
  const Run run(model.Build(), [&](ModelOptions& options) {
    options.recipe.type = Type::kQ4_0;
    options.imatrix = imatrix;
  });
  INFO(run.status.message());
  REQUIRE(run.status.ok());
  REQUIRE_THAT(run.report.tensors[0].note, ContainsSubstring("1 of 3"));
  const std::string data = run.Data("e.weight");
  const size_t third = data.size() / 3;
  // Equal importance and none are the same; the first expert's is neither.
  const bool second_is_third =
      data.substr(third, third) == data.substr(2 * third);
  const bool first_is_second =
      data.substr(0, third) == data.substr(third, third);
  REQUIRE(second_is_third);
  REQUIRE_FALSE(first_is_second);
}

TEST_CASE("a type that needs importance and has none is warned about") {
  GgufBuilder builder;
  builder.FloatTensor("a.weight", {256, 2}, RandomWeights(512, 3));
  const Run run(builder.Build(), [](ModelOptions& options) {
    options.recipe.type = Type::kIQ2_XS;
    options.dry_run = true;
  });
  REQUIRE(run.status.ok());
  REQUIRE(run.report.warnings.size() == 1);
  REQUIRE_THAT(run.report.warnings[0], ContainsSubstring("a.weight"));
}

TEST_CASE("a dry run writes nothing and knows the size of the file") {
  const auto dry = [](ModelOptions& options) { options.dry_run = true; };
  const Run planned(SmallModel().Build(), dry);
  REQUIRE(planned.status.ok());
  REQUIRE(planned.LeftNothing());
  const Run run(SmallModel().Build());
  REQUIRE(planned.report.file_bytes_after ==
          ReadAll(run.options.output).size());
}

// ---- Failures

TEST_CASE("a NaN is refused with tensor, row and column") {
  GgufBuilder builder = SmallModel();
  std::vector<float> values = RandomWeights(320, 1);
  values[3 * 64 + 17] = NAN;
  builder.FloatTensor("nan.weight", {64, 5}, values);
  const Run run(builder.Build());
  REQUIRE(IsOneLine(run.status.message()));
  REQUIRE_THAT(run.status.message(), ContainsSubstring("in.gguf: tensor "
                                                       "'nan.weight': row 3, "
                                                       "column 17: NaN"));
  REQUIRE(run.LeftNothing());
}

TEST_CASE("rows are counted from the start of the tensor, not of a chunk") {
  constexpr size_t kCols = 4096, kRows = 1200, kBad = 1100;
  std::vector<float> values(kCols * kRows, 0.5f);
  values[kBad * kCols + 5] = INFINITY;
  GgufBuilder builder;
  builder.FloatTensor("long.weight", {kCols, kRows}, values);
  const Run run(builder.Build());
  REQUIRE_THAT(run.status.message(),
               ContainsSubstring("row 1100, column 5: infinite"));
}

TEST_CASE("a NaN in a copied vector is refused, an infinity is not") {
  GgufBuilder builder;
  builder.FloatTensor("rope_freqs.weight", {2}, {1, INFINITY});
  REQUIRE(Run(builder.Build()).status.ok());
  builder.FloatTensor("norm.weight", {2}, {1, NAN});
  const Run run(builder.Build());
  REQUIRE_THAT(run.status.message(), ContainsSubstring("'norm.weight'"));
  REQUIRE(run.LeftNothing());
}

TEST_CASE("one part of a split model is refused") {
  GgufBuilder builder = SmallModel();
  builder.Pair("split.count", 2, Bytes(uint16_t{3}));
  const Run run(builder.Build());
  REQUIRE_THAT(run.status.message(), ContainsSubstring("split"));
}

TEST_CASE("the input is never overwritten") {
  const std::string bytes = SmallModel().Build();
  const Run run(bytes,
                [](ModelOptions& options) { options.output = options.input; });
  REQUIRE_THAT(run.status.message(), ContainsSubstring("input"));
  REQUIRE(ReadAll(run.options.input) == bytes);
}

TEST_CASE("the imatrix of another model is refused, nothing is written") {
  const Run run(SmallModel().Build(),
                [](ModelOptions& options) { options.imatrix = kImatrix; });
  REQUIRE_THAT(run.status.message(), ContainsSubstring("another model"));
  REQUIRE(run.LeftNothing());
}

TEST_CASE("an interrupted run leaves nothing") {
  std::atomic<bool> cancel = false;
  const Run run(SmallModel().Build(), [&](ModelOptions& options) {
    options.cancel = &cancel;
    options.progress = [&](const Progress&) { cancel = true; };
  });
  REQUIRE_THAT(run.status.message(), ContainsSubstring("interrupted"));
  REQUIRE(run.LeftNothing());
}

TEST_CASE("progress ends with every weight done") {
  uint64_t done = 0, total = 0;
  size_t tensors = 0;
  const Run run(SmallModel().Build(), [&](ModelOptions& options) {
    options.progress = [&](const Progress& progress) {
      REQUIRE(progress.weights_done >= done);
      done = progress.weights_done;
      total = progress.weights_total;
      tensors += progress.tensor_done;
    };
  });
  REQUIRE(run.status.ok());
  REQUIRE(done == 3 * 320);
  REQUIRE(total == 3 * 320);
  REQUIRE(tensors == 4);
}

// ---- The program

struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

Outcome RunProgram(const TemporaryFolder& folder, const std::string& arguments,
                   const std::string& before = "") {
  const std::string command = before + NIBBLE_QUANTIZE_GGUF + " " + arguments +
                              " >" + folder.Path("stdout") + " 2>" +
                              folder.Path("stderr");
  const int status = std::system(command.c_str());
  Outcome outcome = {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                     ReadAll(folder.Path("stdout")),
                     ReadAll(folder.Path("stderr"))};
  std::filesystem::remove(folder.Path("stdout"));
  std::filesystem::remove(folder.Path("stderr"));
  return outcome;
}

TEST_CASE("the program writes a model, a table and a report") {
  const TemporaryFolder folder;
  const Outcome outcome =
      RunProgram(folder, kModel + " " + folder.Path("out.gguf") +
                             " --type Q4_0 --imatrix " + kImatrix +
                             " --tensor-type attn_v=q8_0 --report " +
                             folder.Path("report.json"));
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  REQUIRE_THAT(outcome.out, ContainsSubstring("wrmse"));
  GgufFile file;
  REQUIRE(GgufFile::Open(folder.Path("out.gguf"), &file).ok());
  REQUIRE(file.contents().FindTensor("blk.2.attn_v.weight")->type == kQ8_0);
  const auto report =
      nlohmann::json::parse(ReadAll(folder.Path("report.json")));
  REQUIRE(report["tensors"].size() == 57);
  REQUIRE(report["total"]["weighted_rmse"] > 0.0);
  REQUIRE(report["file_bytes_after"] == file.file_bytes());
}

TEST_CASE("without a terminal progress is one plain line per tensor") {
  const TemporaryFolder folder;
  const Outcome outcome = RunProgram(
      folder, kModel + " " + folder.Path("out.gguf") + " --type q8_0");
  REQUIRE(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 57);
  REQUIRE(outcome.err.find('\r') == std::string::npos);
}

TEST_CASE("a dry run of the program writes nothing") {
  const TemporaryFolder folder;
  const Outcome outcome =
      RunProgram(folder, kModel + " --type iq4_nl --dry-run");
  REQUIRE(outcome.exit_code == 0);
  REQUIRE_THAT(outcome.out, ContainsSubstring("blk.5.ffn_down.weight"));
  REQUIRE(folder.Files().empty());
}

TEST_CASE("the program lists and prints recipes; a print is a recipe again") {
  const TemporaryFolder folder;
  const Outcome list = RunProgram(folder, "--list-recipes");
  REQUIRE(list.exit_code == 0);
  REQUIRE_THAT(list.out, ContainsSubstring("q4_K_M"));
  const Outcome print = RunProgram(folder, "--print-rules Q4_0");
  REQUIRE(print.exit_code == 0);
  REQUIRE_THAT(print.out, ContainsSubstring("\ntype q4_0\n"));
  const std::string rules = folder.Write("mine.rules", print.out);
  const auto quantized = [&](const std::string& recipe) {
    const Outcome outcome =
        RunProgram(folder, kModel + " " + folder.Path("out.gguf") + " --quiet" +
                               " --imatrix " + kImatrix + " " + recipe);
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return ReadAll(folder.Path("out.gguf"));
  };
  const bool same = quantized("--type q4_0") == quantized("--rules " + rules);
  REQUIRE(same);
}

TEST_CASE("the program chooses a mix, shows why and writes it down") {
  const TemporaryFolder folder;
  const std::string common =
      kModel + " " + folder.Path("out.gguf") + " --imatrix " + kImatrix;
  const Outcome mix = RunProgram(
      folder, common + " --target-size 3M --candidates q4_0,q5_0,q6_0,q8_0" +
                  " --write-rules " + folder.Path("mix.rules"));
  INFO(mix.err);
  REQUIRE(mix.exit_code == 0);
  REQUIRE_THAT(mix.out, ContainsSubstring("blk.5.ffn_down.weight"));
  REQUIRE_THAT(mix.out, ContainsSubstring("of error"));
  const std::string bytes = ReadAll(folder.Path("out.gguf"));
  REQUIRE(bytes.size() <= 3000000);
  REQUIRE(bytes.size() > 2980000);
  const Outcome again = RunProgram(
      folder, common + " --quiet --rules " + folder.Path("mix.rules"));
  REQUIRE(again.exit_code == 0);
  REQUIRE(again.out.empty());
  const bool same = ReadAll(folder.Path("out.gguf")) == bytes;
  REQUIRE(same);
}

// Runs the program on `bytes` and requires exit code 1, one line on stderr and
// no output.
std::string ProgramRefusal(const std::string& bytes,
                           const std::string& arguments) {
  const TemporaryFolder folder;
  const std::string input = folder.Write("in.gguf", bytes);
  const Outcome outcome = RunProgram(
      folder, input + " " + folder.Path("out.gguf") + " --quiet " + arguments);
  INFO(outcome.err);
  CHECK(outcome.exit_code == 1);
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(folder.Files() == std::vector<std::string>{"in.gguf"});
  return outcome.err;
}

TEST_CASE("what the program refuses costs one line and exit code 1") {
  const std::string good = SmallModel().Build();
  const std::string q4 = "--type q4_0";
  CHECK_THAT(ProgramRefusal(good.substr(0, good.size() / 2), q4),
             ContainsSubstring("truncated"));
  CHECK_THAT(ProgramRefusal("", q4), ContainsSubstring("not a GGUF"));
  CHECK_THAT(ProgramRefusal(good, ""), ContainsSubstring("--type"));
  CHECK_THAT(ProgramRefusal(good, "--type q99"), ContainsSubstring("'q99'"));
  CHECK_THAT(ProgramRefusal(good, q4 + " --imatrix " + kImatrix),
             ContainsSubstring("another model"));
  CHECK_THAT(ProgramRefusal(good, q4 + " --imatrix /none"),
             ContainsSubstring("/none"));
  CHECK_THAT(ProgramRefusal(good, q4 + " --rules /none"),
             ContainsSubstring("/none"));
  CHECK_THAT(ProgramRefusal(good, q4 + " --tensor-type '(=q4_0'"),
             ContainsSubstring("regular expression"));
  CHECK_THAT(ProgramRefusal(good, q4 + " --threads many"),
             ContainsSubstring("--threads"));
  CHECK_THAT(ProgramRefusal(good, "--target-bpw four"),
             ContainsSubstring("--target-bpw: 'four'"));
  CHECK_THAT(ProgramRefusal(good, "--target-bpw 4K"),
             ContainsSubstring("--target-bpw: '4K'"));
  CHECK_THAT(ProgramRefusal(good, "--target-size -1"),
             ContainsSubstring("--target-size"));
  CHECK_THAT(ProgramRefusal(good, "--target-bpw 4 --max-error 1"),
             ContainsSubstring("one goal"));
  CHECK_THAT(ProgramRefusal(good, "--target-bpw 4 --objective best"),
             ContainsSubstring("'best'"));
  CHECK_THAT(ProgramRefusal(good, "--target-bpw 4 --steps 1"),
             ContainsSubstring("--steps needs a recipe"));
  CHECK_THAT(ProgramRefusal(good, q4 + " --candidates q8_0"),
             ContainsSubstring("--candidates"));
  const TemporaryFolder rules;
  const std::string file = rules.Write("a.rules", "# x\ntype q4_0\nb = q4\n");
  CHECK_THAT(ProgramRefusal(good, "--rules " + file),
             ContainsSubstring("a.rules:3: "));
  const std::string whole = rules.Write("b.rules", "type q8_0\n");
  CHECK_THAT(ProgramRefusal(good, q4 + " --rules " + whole),
             ContainsSubstring("both name the main type"));
  GgufBuilder unknown = SmallModel();
  unknown.Tensor("odd.weight", {32}, 4321, "");
  CHECK_THAT(ProgramRefusal(unknown.Build(), q4),
             ContainsSubstring("unknown type 4321"));
  GgufBuilder nan = SmallModel();
  nan.FloatTensor("nan.weight", {32, 1}, std::vector<float>(32, NAN));
  CHECK_THAT(ProgramRefusal(nan.Build(), q4),
             ContainsSubstring("'nan.weight': row 0, column 0: NaN"));
}

TEST_CASE("a disk that takes no more leaves no output") {
  const TemporaryFolder folder;
  const Outcome outcome = RunProgram(
      folder, kModel + " " + folder.Path("out.gguf") + " --type q8_0 --quiet",
      "ulimit -f 100; ");
  REQUIRE(outcome.exit_code == 1);
  REQUIRE_THAT(outcome.err, ContainsSubstring("out.gguf: cannot write"));
  REQUIRE(folder.Files().empty());
}

TEST_CASE("a weight too large for the scale is refused with its rows") {
  GgufBuilder builder;
  std::vector<float> values(64, 1.0f);
  values[40] = 1e30f;
  builder.FloatTensor("big.weight", {32, 2}, values);
  const Run run(builder.Build());
  REQUIRE_THAT(run.status.message(), ContainsSubstring("'big.weight'"));
  REQUIRE_THAT(run.status.message(), ContainsSubstring("row 1"));
  REQUIRE(run.LeftNothing());
}

TEST_CASE("the program asks for an output") {
  const TemporaryFolder folder;
  const Outcome outcome = RunProgram(folder, kModel + " --type q4_0");
  REQUIRE(outcome.exit_code == 1);
  REQUIRE_THAT(outcome.err, ContainsSubstring("output"));
}

}  // namespace
}  // namespace nibble::gguf
