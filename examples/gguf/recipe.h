// SPDX-License-Identifier: MIT
// Recipes: which type each tensor of a model gets.
#ifndef NIBBLE_EXAMPLES_GGUF_RECIPE_H_
#define NIBBLE_EXAMPLES_GGUF_RECIPE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/rules.h"
#include "nibble/status.h"
#include "nibble/type.h"

namespace nibble::gguf {

// Of several rules the first that matches decides. In order of precedence:
//   1. tensors of less than two dimensions, and of integers, are kept;
//   2. rules;
//   3. token_embedding and output;
//   4. tensors that are no weight matrices (see IsWeightMatrix) are kept;
//   5. unless pure: the mix;
//   6. the main type;
// and whatever they say, a row that the type's block does not divide gets
// another choice of the rule, or FallbackType.
struct Recipe {
  std::string name = "q4_K";  // of the type, the built-in recipe or the file
  Type type = Type::kQ4_K;    // the main type; this build may lack it
  std::optional<uint32_t> file_type;  // general.file_type; else the type's
  bool pure = false;
  std::optional<std::vector<Rule>> mix;  // nullopt: that of "default"
  std::optional<Type> token_embedding;
  std::optional<Type> output;
  std::vector<Rule> rules;
  bool allow_requantize = false;
  bool imatrix =
      false;  // whether the model comes with one, which rules may ask

  uint32_t FileType() const;
};

// What becomes of one tensor.
struct TensorPlan {
  const Tensor* source = nullptr;
  uint32_t type = 0;   // the id written; equal to the source's: copied
  uint64_t bytes = 0;  // written
  std::string note;    // why not the type asked for; may be empty
  bool copies() const { return type == source->type; }
};

// "q4_K", "Q4_K": a type; "q4_0_r8": an id of InterleavedType as a Type. The
// error lists the known ones.
Status ParseType(const std::string& name, Type* type);

// Sets name, type, file type and mix: of the built-in recipe of that name, else
// of the type, which then comes with the mix "default". With recipe->pure it is
// the other way round: a type if there is one, else the main type of a recipe.
Status SetRecipe(const std::string& name, Recipe* recipe);

// Appends the rules of a file. One that names the main type becomes the recipe.
void AddRules(RuleFile file, Recipe* recipe);

// A matrix of weights that programs expect to find quantized: two or more
// dimensions, floats or a quantized type, a name that ends in ".weight" and is
// not one of the small matrices that are always read as floats (norms, the
// routers of experts, convolutions, position tables).
bool IsWeightMatrix(const Tensor& tensor);

// The token embedding and the output matrix: tools that collect an imatrix
// rarely see them.
bool IsVocabulary(const Tensor& tensor);

// The types a recipe wants for a tensor, best first, by their ids; this build
// may lack them. Empty: the tensor is kept.
struct Wish {
  std::vector<uint32_t> types;
  bool or_keep = false;  // if no type can be had
  std::string where;     // the rule, for messages
  bool ruled = false;    // the user said so: rules, token_embedding, output
};
Wish WishFor(const Tensor& tensor, const Recipe& recipe,
             const ModelFacts& facts);

// One plan per tensor, in file order. kInvalidArgument if a quantized tensor
// would change its type without allow_requantize; kUnsupported if this build
// cannot decode it, or has none of the types that a rule wants.
Status MakePlan(const Contents& model, const Recipe& recipe,
                std::vector<TensorPlan>* plans);

// The plan of one tensor that gets exactly this type, of whose rows this build
// knows the size.
TensorPlan PlanOf(const Tensor& tensor, uint32_t id);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_RECIPE_H_
