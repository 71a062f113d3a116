// SPDX-License-Identifier: MIT
// Plans as text: rule files that say what was decided, tensor by tensor.
#ifndef NIBBLE_EXAMPLES_GGUF_RULE_WRITER_H_
#define NIBBLE_EXAMPLES_GGUF_RULE_WRITER_H_

#include <string>
#include <vector>

#include "gguf/recipe.h"

namespace nibble::gguf {

// The type of most weights that are converted, or `otherwise` if none are.
Type MainType(const std::vector<TensorPlan>& plans, Type otherwise);

// A whole recipe that gives every tensor of this model exactly its planned
// type. Layers that agree share a line. Type and file type are those of
// `recipe`.
std::string RulesOf(const std::vector<TensorPlan>& plans, const Recipe& recipe);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_RULE_WRITER_H_
