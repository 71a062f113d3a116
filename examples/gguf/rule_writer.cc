// SPDX-License-Identifier: MIT
#include "gguf/rule_writer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gguf/tensor_types.h"

namespace nibble::gguf {
namespace {

// What goes into one line: tensors of all layers with the same name and type.
// The name is cut at the layer; outside of layers it has no second half.
struct Group {
  std::string before;
  std::string after;
  std::string type;
  std::vector<uint64_t> layers;
};

Group GroupOf(const TensorPlan& plan) {
  const std::string& name = plan.source->name;
  const char* type = plan.copies() ? "keep" : TensorTypeName(plan.type);
  const std::optional<uint64_t> layer = LayerOf(name);
  if (!layer) return {name, "", type, {}};
  const size_t begin = name.find("blk.") + 4;
  return {name.substr(0, begin),
          name.substr(name.find('.', begin)),
          type,
          {*layer}};
}

std::string LineOf(const Group& group) {
  if (group.layers.empty()) {
    return fmt::format("^{}$ = {}\n", Escaped(group.before), group.type);
  }
  const bool one = group.layers.size() == 1;
  return fmt::format("^{}{}{}{}{}$ = {}\n", Escaped(group.before),
                     one ? "" : "(", fmt::join(group.layers, "|"),
                     one ? "" : ")", Escaped(group.after), group.type);
}

}  // namespace

Type MainType(const std::vector<TensorPlan>& plans, Type otherwise) {
  std::map<uint32_t, uint64_t> weights;
  for (const TensorPlan& plan : plans) {
    if (!plan.copies()) weights[plan.type] += plan.source->weights();
  }
  uint64_t most = 0;
  for (const auto& [type, count] : weights) {
    if (count > most) otherwise = static_cast<Type>(type);
    most = std::max(most, count);
  }
  return otherwise;
}

std::string RulesOf(const std::vector<TensorPlan>& plans,
                    const Recipe& recipe) {
  std::vector<Group> groups;
  for (const TensorPlan& plan : plans) {
    if (plan.copies() && !IsWeightMatrix(*plan.source)) continue;
    const Group group = GroupOf(plan);
    const auto same =
        std::find_if(groups.begin(), groups.end(), [&](const Group& other) {
          return !group.layers.empty() && other.before == group.before &&
                 other.after == group.after && other.type == group.type;
        });
    if (same == groups.end()) {
      groups.push_back(group);
    } else {
      same->layers.push_back(group.layers[0]);
    }
  }
  std::string text =
      fmt::format("type {}\nfile_type {}\n",
                  TensorTypeName(TypeId(recipe.type)), recipe.FileType());
  for (const Group& group : groups) text += LineOf(group);
  return text;
}

}  // namespace nibble::gguf
