// SPDX-License-Identifier: MIT
// The automatic mix: its solver, and its choices on the model in data/.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gguf/knapsack.h"
#include "gguf/quantize_model.h"
#include "gguf/report.h"
#include "gguf/tensor_types.h"
#include "tests/gguf_builder.h"

namespace nibble::gguf {
namespace {

using Catch::Matchers::ContainsSubstring;

const std::string kModel = NIBBLE_DATA "/kjv-4.9m-f16.gguf";
const std::string kImatrix = NIBBLE_DATA "/kjv.imatrix.gguf";

// ---- The knapsack

double CostOf(const std::vector<OptionClass>& classes,
              const std::vector<size_t>& picks) {
  double cost = 0;
  for (size_t c = 0; c < picks.size(); ++c) cost += classes[c][picks[c]].cost;
  return cost;
}

double LoadOf(const std::vector<OptionClass>& classes,
              const std::vector<size_t>& picks) {
  double load = 0;
  for (size_t c = 0; c < picks.size(); ++c) load += classes[c][picks[c]].load;
  return load;
}

// Tries everything; infinity if nothing fits.
double LeastCost(const std::vector<OptionClass>& classes, double limit,
                 size_t first = 0) {
  if (limit < 0) return std::numeric_limits<double>::infinity();
  if (first == classes.size()) return 0;
  double least = std::numeric_limits<double>::infinity();
  for (const Option& option : classes[first]) {
    least =
        std::min(least, option.cost +
                            LeastCost(classes, limit - option.load, first + 1));
  }
  return least;
}

// Costs that fall with the load, mostly.
std::vector<OptionClass> RandomClasses(std::mt19937& random, size_t classes,
                                       size_t options) {
  const auto below = [&](uint32_t limit) {
    return static_cast<double>(random() % limit);
  };
  std::vector<OptionClass> result(classes);
  for (OptionClass& one : result) {
    const double scale = 1000 * (1 + below(50));
    for (size_t i = 0; i < options; ++i) {
      const double load = 1 + below(64);
      const double noise = 1 + 0.003 * below(100);
      one.push_back({scale * std::exp2(-load / 8) * noise, load});
    }
  }
  return result;
}

TEST_CASE("the knapsack is as good as trying everything") {
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const auto classes = RandomClasses(random, 1 + i % 6, 1 + i % 7);
    const auto limit =
        static_cast<double>(random() % (1 + 40 * classes.size()));
    const double least = LeastCost(classes, limit);
    const std::vector<size_t> picks = SolveKnapsack(classes, limit);
    INFO(i);
    REQUIRE(picks.empty() == std::isinf(least));
    if (picks.empty()) continue;
    REQUIRE(LoadOf(classes, picks) <= limit);
    REQUIRE(CostOf(classes, picks) <= least * (1 + 1e-12));
  }
}

TEST_CASE("a large knapsack uses its budget") {
  std::mt19937 random(11);
  const auto classes = RandomClasses(random, 600, 30);
  const double limit = 600 * 30;
  const std::vector<size_t> picks = SolveKnapsack(classes, limit);
  REQUIRE(picks.size() == 600);
  REQUIRE(LoadOf(classes, picks) <= limit);
  REQUIRE(LoadOf(classes, picks) > limit - 3);
}

TEST_CASE("a knapsack without options or without room has no answer") {
  REQUIRE(SolveKnapsack({{}}, 10).empty());
  REQUIRE(SolveKnapsack({{{1, 5}}, {{1, 6}}}, 10).empty());
  REQUIRE(SolveKnapsack({{{1, 5}}, {{1, 5}}}, 10).size() == 2);
}

// ---- The mix

struct Run {
  TemporaryFolder folder;
  ModelOptions options;
  ModelReport report;
  Status status;

  explicit Run(const std::function<void(ModelOptions&)>& change,
               const std::string& input = kModel) {
    options.input = input;
    options.output = folder.Path("out.gguf");
    if (input == kModel) options.imatrix = kImatrix;
    options.mix.candidates = "q4_0,q5_0,q6_0,q8_0,q4_K,q6_K,iq4_nl,iq2_xs";
    options.mix.has_skeleton = false;
    change(options);
    status = QuantizeModel(options, &report);
  }
  double Error() const {
    Totals totals;
    for (const TensorReport& tensor : report.tensors) totals.Add(tensor);
    return totals.error.WeightedRmse();
  }
  std::string Bytes() const { return ReadAll(options.output); }
};

void Aim(ModelOptions& options, MixGoal::Kind kind, double value) {
  options.mix.goal = {kind, value};
}

TEST_CASE("a target size is kept, and better than a pure file of that size") {
  for (const Type type : {Type::kIQ2_XS, Type::kQ4_0, Type::kQ4_K}) {
    const Run pure([&](ModelOptions& options) {
      options.recipe.type = type;
      options.recipe.pure = true;
    });
    REQUIRE(pure.status.ok());
    const Run mix([&](ModelOptions& options) {
      options.recipe.type = type;
      options.recipe.pure = true;
      options.mix.has_skeleton = true;
      Aim(options, MixGoal::Kind::kBytes,
          static_cast<double>(pure.Bytes().size()));
    });
    INFO(TypeName(type) << mix.status.message());
    REQUIRE(mix.status.ok());
    REQUIRE(mix.Bytes().size() <= pure.Bytes().size());
    REQUIRE(mix.Bytes().size() == mix.report.file_bytes_after);
    // The smallest candidate leaves nothing to choose.
    if (type == Type::kIQ2_XS) REQUIRE(mix.Error() <= pure.Error());
    if (type != Type::kIQ2_XS) REQUIRE(mix.Error() < 0.9 * pure.Error());
  }
}

TEST_CASE("a target of bits per weight is that of the table") {
  for (const double bits : {2.7, 4.5, 6.0}) {
    const Run mix([&](ModelOptions& options) {
      Aim(options, MixGoal::Kind::kBits, bits);
      options.dry_run = true;
    });
    REQUIRE(mix.status.ok());
    Totals totals;
    for (const TensorReport& tensor : mix.report.tensors) totals.Add(tensor);
    REQUIRE(totals.BitsPerWeight() <= bits);
    REQUIRE(totals.BitsPerWeight() > bits - 0.02);
  }
}

TEST_CASE("a maximal error is kept with fewer bytes than a pure file needs") {
  const Run pure(
      [](ModelOptions& options) { options.recipe.type = Type::kQ4_K; });
  const Run mix([&](ModelOptions& options) {
    Aim(options, MixGoal::Kind::kError, pure.Error());
  });
  INFO(mix.status.message());
  REQUIRE(mix.status.ok());
  REQUIRE(mix.Error() <= pure.Error());
  REQUIRE(mix.Error() > 0.99 * pure.Error());
  REQUIRE(mix.Bytes().size() < pure.Bytes().size());
}

TEST_CASE("relative, every tensor's own error counts the same per weight") {
  const auto mean = [](MixObjective objective) {
    const Run mix([&](ModelOptions& options) {
      Aim(options, MixGoal::Kind::kBits, 4);
      options.mix.objective = objective;
    });
    REQUIRE(mix.status.ok());
    double squares = 0, weights = 0;
    for (const TensorReport& tensor : mix.report.tensors) {
      if (!tensor.has_importance) continue;
      const double error = tensor.error.WeightedRmse();
      squares += error * error * static_cast<double>(tensor.weights);
      weights += static_cast<double>(tensor.weights);
    }
    return std::pair(std::sqrt(squares / weights), mix.Error());
  };
  const auto [mean_of_total, total] = mean(MixObjective::kTotal);
  const auto [mean_of_relative, total_of_relative] =
      mean(MixObjective::kRelative);
  REQUIRE(mean_of_relative < 0.95 * mean_of_total);
  REQUIRE(total < 0.95 * total_of_relative);
}

TEST_CASE("the choice does not depend on the number of threads") {
  const auto rules = [](size_t threads) {
    return Run([&](ModelOptions& options) {
             Aim(options, MixGoal::Kind::kBits, 4.2);
             options.threads = threads;
             options.dry_run = true;
           })
        .report.rules;
  };
  const std::string one = rules(1);
  REQUIRE(one == rules(3));
  REQUIRE_THAT(one, ContainsSubstring("attn_v"));
}

TEST_CASE("the rules of a mix make the same file") {
  const Run mix(
      [](ModelOptions& options) { Aim(options, MixGoal::Kind::kBits, 4.4); });
  REQUIRE(mix.status.ok());
  const Run again([&](ModelOptions& options) {
    RuleFile file;
    REQUIRE(ParseRules("mix.rules", mix.report.rules, &file).ok());
    AddRules(std::move(file), &options.recipe);
  });
  INFO(again.status.message());
  REQUIRE(again.status.ok());
  REQUIRE(again.report.decisions.empty());
  const bool same = again.Bytes() == mix.Bytes();
  REQUIRE(same);
}

TEST_CASE(
    "rules and options fix tensors, what no imatrix knows is left alone") {
  const Run mix([](ModelOptions& options) {
    Aim(options, MixGoal::Kind::kBits, 4.5);
    Rule rule;
    REQUIRE(ParseRule("blk\\.2\\.=q8_0", &rule).ok());
    options.recipe.rules = {rule};
    options.recipe.output = Type::kQ5_0;
    options.dry_run = true;
  });
  INFO(mix.status.message());
  REQUIRE(mix.status.ok());
  for (const TensorReport& tensor : mix.report.tensors) {
    INFO(tensor.name);
    if (tensor.name.find("blk.2.") == 0 && tensor.dims[1] > 1) {
      REQUIRE(tensor.to == TypeId(Type::kQ8_0));
    }
    if (tensor.name == "output.weight") {
      REQUIRE(tensor.to == TypeId(Type::kQ5_0));
    }
  }
  size_t measured = 0;
  for (const MixDecision& decision : mix.report.decisions) {
    measured += decision.measured;
    const bool is_vocabulary = decision.tensor.find("blk.") != 0;
    if (is_vocabulary) REQUIRE_FALSE(decision.measured);
  }
  REQUIRE(measured == 35);
}

TEST_CASE("steps keep every type near the skeleton's") {
  // Sizes of the candidates: 2.3125, 4.5, 5.5, 6.5, 6.5625, 8.5.
  const Run mix([](ModelOptions& options) {
    options.recipe.type = Type::kQ5_0;
    options.mix.has_skeleton = true;
    options.mix.steps = 1;
    Aim(options, MixGoal::Kind::kBits, 5.3);
    options.dry_run = true;
  });
  INFO(mix.status.message());
  REQUIRE(mix.status.ok());
  for (const MixDecision& decision : mix.report.decisions) {
    if (!decision.measured) continue;
    const double bits = FindTensorType(decision.chosen)->bits_per_weight();
    REQUIRE(bits >= 4.5);
    REQUIRE(bits <= 6.5);
  }
}

TEST_CASE("a goal out of reach is refused with what can be reached") {
  const auto refusal = [](MixGoal::Kind kind, double value) {
    const Run run([&](ModelOptions& options) { Aim(options, kind, value); });
    CHECK_FALSE(run.status.ok());
    CHECK(IsOneLine(run.status.message()));
    CHECK(run.folder.Files().empty());
    return run.status.message();
  };
  CHECK_THAT(refusal(MixGoal::Kind::kBits, 1),
             ContainsSubstring("the smallest has 2."));
  CHECK_THAT(refusal(MixGoal::Kind::kBytes, 1000),
             ContainsSubstring("the smallest has 1"));
  CHECK_THAT(refusal(MixGoal::Kind::kError, 1e-9),
             ContainsSubstring("the best has 0.00"));
}

TEST_CASE("candidates are types of this build") {
  const auto refusal = [](const char* candidates) {
    return Run([&](ModelOptions& options) {
             Aim(options, MixGoal::Kind::kBits, 5);
             options.mix.candidates = candidates;
           })
        .status.message();
  };
  CHECK_THAT(refusal("q4_0,q99"), ContainsSubstring("'q99'"));
  CHECK_THAT(refusal("q4_0,("), ContainsSubstring("no regular expression"));
  CHECK_THAT(refusal("q4_0,-q.*"), ContainsSubstring("none is left"));
}

TEST_CASE("without an imatrix the layers compare, the vocabulary is left") {
  const Run mix([](ModelOptions& options) {
    options.imatrix.clear();
    Aim(options, MixGoal::Kind::kBits, 5);
    options.dry_run = true;
  });
  REQUIRE(mix.status.ok());
  for (const MixDecision& decision : mix.report.decisions) {
    REQUIRE(decision.measured == (decision.tensor.find("blk.") == 0));
  }
}

// ---- Made models

std::vector<float> Noise(size_t count, uint32_t seed, float scale) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    value = scale * (static_cast<float>(random() % 2001) - 1000) / 1000;
  }
  return values;
}

TEST_CASE("rows beyond the sample count") {
  // 1024 rows of 256 are twice the sample. One tensor is noise everywhere; the
  // other is zero in three rows of four, as no sample of every second row
  // shows.
  std::vector<float> sparse = Noise(1024 * 256, 1, 1);
  for (size_t row = 0; row < 1024; ++row) {
    if (row % 4 == 1) continue;
    std::fill_n(sparse.begin() + static_cast<std::ptrdiff_t>(row * 256), 256,
                0.f);
  }
  GgufBuilder builder;
  builder.FloatTensor("blk.0.sparse.weight", {256, 1024}, sparse);
  builder.FloatTensor("blk.1.noise.weight", {256, 1024},
                      Noise(1024 * 256, 2, 0.75f));
  const TemporaryFolder folder;
  const Run mix(
      [](ModelOptions& options) {
        Aim(options, MixGoal::Kind::kBits, 6.5);
        options.mix.candidates = "q4_0,q8_0";
      },
      folder.Write("in.gguf", builder.Build()));
  INFO(mix.status.message());
  REQUIRE(mix.status.ok());
  REQUIRE(mix.report.decisions.size() == 2);
  for (const MixDecision& decision : mix.report.decisions) {
    const bool noise = decision.tensor == "blk.1.noise.weight";
    REQUIRE(decision.chosen == TypeId(noise ? Type::kQ8_0 : Type::kQ4_0));
  }
}

TEST_CASE("every expert counts with its own importance") {
  // Two experts of the same weights, one of which nobody uses much.
  std::vector<float> experts = Noise(2 * 4 * 256, 3, 1);
  GgufBuilder builder;
  builder.FloatTensor("blk.0.e.weight", {256, 4, 2}, experts);
  builder.FloatTensor("blk.1.e.weight", {256, 4, 2}, experts);
  GgufBuilder imatrix;
  imatrix.String("general.type", "imatrix");
  const auto add = [&](const std::string& name, float first, float second) {
    std::vector<float> sums(2 * 256, first);
    std::fill(sums.begin() + 256, sums.end(), second);
    imatrix.FloatTensor(name + ".in_sum2", {256, 2}, sums);
    imatrix.FloatTensor(name + ".counts", {1, 2}, {1, 1});
  };
  add("blk.0.e.weight", 1, 3);
  add("blk.1.e.weight", 1, 1);
  const TemporaryFolder folder;
  const std::string path = folder.Write("i.gguf", imatrix.Build());
  const Run mix(
      [&](ModelOptions& options) {
        Aim(options, MixGoal::Kind::kBits, 6.5);
        options.mix.candidates = "q4_0,q8_0";
        options.imatrix = path;
      },
      folder.Write("in.gguf", builder.Build()));
  INFO(mix.status.message());
  REQUIRE(mix.status.ok());
  REQUIRE(mix.report.tensors[0].to == TypeId(Type::kQ8_0));
  REQUIRE(mix.report.tensors[1].to == TypeId(Type::kQ4_0));
}

TEST_CASE("a NaN is refused with its place, in the sample or not") {
  for (const size_t bad_row : {1, 2, 1000}) {
    std::vector<float> values = Noise(1024 * 256, 1, 1);
    values[bad_row * 256 + 9] = NAN;
    GgufBuilder builder;
    builder.FloatTensor("blk.0.a.weight", {256, 1024}, values);
    const TemporaryFolder folder;
    const Run mix(
        [](ModelOptions& options) { Aim(options, MixGoal::Kind::kBits, 5); },
        folder.Write("in.gguf", builder.Build()));
    REQUIRE_THAT(mix.status.message(),
                 ContainsSubstring("tensor 'blk.0.a.weight': row " +
                                   std::to_string(bad_row) + ", column 9"));
  }
}

TEST_CASE("an interrupted choice leaves nothing") {
  const std::atomic<bool> cancel = true;
  const Run run([&](ModelOptions& options) {
    Aim(options, MixGoal::Kind::kBits, 5);
    options.cancel = &cancel;
  });
  REQUIRE_THAT(run.status.message(), ContainsSubstring("interrupted"));
  REQUIRE(run.folder.Files().empty());
}

}  // namespace
}  // namespace nibble::gguf
