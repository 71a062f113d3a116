// SPDX-License-Identifier: MIT
#include "gguf/builtin_recipes.h"

#include "gguf/tensor_types.h"

namespace nibble::gguf {
namespace {

constexpr BuiltinRecipe kRecipes[] = {
#include "builtin_recipes.inc"
};

}  // namespace

BuiltinRecipeList BuiltinRecipes() {
  return {kRecipes, sizeof(kRecipes) / sizeof(kRecipes[0])};
}

const BuiltinRecipe* FindBuiltinRecipe(std::string_view name) {
  for (const BuiltinRecipe& recipe : BuiltinRecipes()) {
    if (SameName(recipe.name, name)) return &recipe;
  }
  return nullptr;
}

}  // namespace nibble::gguf
