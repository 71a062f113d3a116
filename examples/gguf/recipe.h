// SPDX-License-Identifier: MIT
// Recipes: which type each tensor of a model gets.
#ifndef NIBBLE_EXAMPLES_GGUF_RECIPE_H_
#define NIBBLE_EXAMPLES_GGUF_RECIPE_H_

#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "nibble/status.h"
#include "nibble/type.h"

namespace nibble::gguf {

// "REGEX=TYPE": tensors whose name contains a match get the type, or stay as
// they are if the type is "keep".
struct Rule {
  std::string text;  // as the user wrote it, for messages
  std::regex pattern;
  std::optional<Type> type;  // nullopt: keep
};

// Of several rules the first that matches decides. In order of precedence:
//   1. tensors of less than two dimensions, and of integers, are kept;
//   2. rules;
//   3. token_embedding and output;
//   4. tensors that are no weight matrices (see IsWeightMatrix) are kept;
//   5. unless pure: the built-in mix below;
//   6. the main type;
// and whatever they say, a row that the type's block does not divide gets
// FallbackType.
//
// The built-in mix gives more bits to the few tensors that repay them most: the
// output matrix (or the embedding that stands in for it) at least Q6_K, for it
// decides every logit; below 4 bits per weight also attn_v and the embedding
// get Q4_K, since the small ones cost little and rare tokens cannot average
// their error away.
struct Recipe {
  Type type = Type::kQ4_K;
  bool pure = false;
  std::optional<Type> token_embedding;
  std::optional<Type> output;
  std::vector<Rule> rules;
  bool allow_requantize = false;
};

// What becomes of one tensor.
struct TensorPlan {
  const Tensor* source = nullptr;
  uint32_t type = 0;   // the id written; equal to the source's: copied
  uint64_t bytes = 0;  // written
  std::string note;    // why not the type asked for; may be empty
  bool copies() const { return type == source->type; }
};

// "q4_K", "Q4_K": a type; the error lists the known ones.
Status ParseType(const std::string& name, Type* type);

Status ParseRule(const std::string& text, Rule* rule);

// One rule a line; blank lines and lines that begin with # are skipped. Errors
// name the file and the line.
Status ReadRules(const std::string& path, std::vector<Rule>* rules);

// A matrix of weights that programs expect to find quantized: two or more
// dimensions, floats or a quantized type, a name that ends in ".weight" and is
// not one of the small matrices that are always read as floats (norms, the
// routers of experts, convolutions, position tables).
bool IsWeightMatrix(const Tensor& tensor);

// The token embedding and the output matrix: tools that collect an imatrix
// rarely see them.
bool IsVocabulary(const Tensor& tensor);

// One plan per tensor, in file order. kInvalidArgument if a quantized tensor
// would change its type without allow_requantize; kUnsupported if this build
// cannot decode it.
Status MakePlan(const Contents& model, const Recipe& recipe,
                std::vector<TensorPlan>* plans);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_RECIPE_H_
