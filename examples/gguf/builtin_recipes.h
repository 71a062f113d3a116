// SPDX-License-Identifier: MIT
// The usual mixes by name: the rule files of examples/gguf/recipes.
#ifndef NIBBLE_EXAMPLES_GGUF_BUILTIN_RECIPES_H_
#define NIBBLE_EXAMPLES_GGUF_BUILTIN_RECIPES_H_

#include <cstddef>
#include <string_view>

namespace nibble::gguf {

struct BuiltinRecipe {
  const char* name;  // "q4_K_M"
  const char* text;  // the rule file
};

struct BuiltinRecipeList {
  const BuiltinRecipe* first;
  size_t count;
  const BuiltinRecipe* begin() const { return first; }
  const BuiltinRecipe* end() const { return first + count; }
};

BuiltinRecipeList BuiltinRecipes();

// Case-insensitive. Null if there is none of that name.
const BuiltinRecipe* FindBuiltinRecipe(std::string_view name);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_BUILTIN_RECIPES_H_
