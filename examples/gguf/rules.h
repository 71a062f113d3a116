// SPDX-License-Identifier: MIT
// Rules: text that says which type a tensor gets. docs/recipes.md teaches the
// language.
#ifndef NIBBLE_EXAMPLES_GGUF_RULES_H_
#define NIBBLE_EXAMPLES_GGUF_RULES_H_

#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf_file.h"
#include "nibble/status.h"

namespace nibble::gguf {

// What a rule can ask about a model.
struct ModelFacts {
  uint64_t layers = 0;
  uint64_t experts = 0;
  uint64_t gqa = 1;    // query heads per head of keys and values
  uint64_t vocab = 0;  // rows of the token embedding
  bool tied = false;   // the embedding stands in for the output matrix
  bool imatrix = false;
  double bits = 0;  // per weight, of the main type
};

ModelFacts FactsOf(const Contents& model, bool has_imatrix, uint32_t main_type);

// The layer a tensor belongs to: N of "blk.N."; nullopt outside of layers.
std::optional<uint64_t> LayerOf(std::string_view tensor_name);

// The layers that the usual mixes give more bits: the first eighth, the last
// eighth and every third between.
bool GetsMoreBits(uint64_t layer, uint64_t layers);

// "layer<n/8", "layer%2=0", "gqa>=4", "more_bits", "!imatrix". About a layer,
// it is false for a tensor outside of layers.
class Condition {
 public:
  static Status Parse(const std::string& text, Condition* condition);
  bool Holds(const ModelFacts& facts, std::optional<uint64_t> layer) const;

 private:
  enum class Operator {
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kMore,
    kMoreEqual
  };
  static Operator OperatorOf(const std::string& sign);

  std::string subject_;
  uint64_t modulus_ = 0;  // 0: none
  Operator operator_ = Operator::kNotEqual;
  // What the subject is compared with: floor(layers_times_ * layers /
  // layers_over_) + value_.
  uint64_t layers_times_ = 0;
  uint64_t layers_over_ = 1;
  double value_ = 0;
};

// One of the things a rule may decide.
struct Choice {
  enum class Kind { kType, kMain, kKeep };
  Kind kind = Kind::kKeep;
  uint32_t type = 0;  // an id of tensor_types.def, whether in this build or not
};

// "REGEX [CONDITION...] = CHOICE [| CHOICE...]".
struct Rule {
  std::string text;   // as the user wrote it
  std::string where;  // "mine.rules:3", for messages; may be empty
  std::regex pattern;
  std::vector<Condition> conditions;
  std::vector<Choice> choices;  // in order of preference, at least one

  bool Matches(const std::string& tensor_name, const ModelFacts& facts) const;
};

// A file of rules. One that names the main type is a whole recipe.
struct RuleFile {
  std::string name;
  std::string about;                  // the first comment
  std::optional<uint32_t> type;       // "type q4_K": of what no rule matches
  std::optional<uint32_t> file_type;  // "file_type 15": general.file_type
  std::vector<Rule> rules;
};

Status ParseRule(const std::string& text, Rule* rule);

// Errors start with "NAME:LINE: ".
Status ParseRules(const std::string& name, const std::string& text,
                  RuleFile* file);
Status ReadRules(const std::string& path, RuleFile* file);

// A regular expression that matches exactly `text`.
std::string Escaped(std::string_view text);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_RULES_H_
