// SPDX-License-Identifier: MIT
#include "bench/pp_tg/plan.h"

#include <fmt/format.h>

#include <sstream>
#include <stdexcept>

#include "bench/type_list.h"

namespace nibble::pp_tg {
namespace {

constexpr size_t kMaxTokens = 1 << 20;

Test ParseTest(const std::string& name) {
  const std::string kind = name.substr(0, 2);
  const std::string digits = name.size() > 2 ? name.substr(2) : "";
  const bool is_number =
      !digits.empty() && digits.size() <= 7 &&
      digits.find_first_not_of("0123456789") == std::string::npos;
  const size_t tokens = is_number ? std::stoul(digits) : 0;
  if ((kind != "pp" && kind != "tg") || tokens == 0 || tokens > kMaxTokens) {
    throw std::invalid_argument(fmt::format(
        "--tests: \"{}\" is neither ppN nor tgN with N from 1 to {}", name,
        kMaxTokens));
  }
  return {name, kind == "pp", tokens};
}

// That of the output matrix in the layers' type `main`.
Type HeadType(const Arguments& args, Type main) {
  if (args.head_type == "same") return main;
  const std::string name = args.head_type.empty() ? "q6_k" : args.head_type;
  const std::vector<Type> types = ParseTypes(name);
  if (types.size() != 1) {
    throw std::invalid_argument("--head-type: one type, or same: " + name);
  }
  return types.front();
}

}  // namespace

std::vector<Test> ParseTests(const std::string& list) {
  std::vector<Test> tests;
  std::stringstream names(list);
  for (std::string name; std::getline(names, name, ',');) {
    tests.push_back(ParseTest(name));
  }
  if (tests.empty()) throw std::invalid_argument("--tests: none given");
  return tests;
}

std::vector<Model> ModelsOf(const Arguments& args) {
  if (args.model.empty() == args.gguf.empty()) {
    throw std::invalid_argument("give one of --model and --gguf");
  }
  const Model model =
      args.gguf.empty() ? FindModel(args.model) : ReadModel(args.gguf);
  if (args.layers > model.layers.size()) {
    throw std::invalid_argument(fmt::format("--layers {}: {} has {}",
                                            args.layers, model.name,
                                            model.layers.size()));
  }
  std::vector<Model> models;
  if (args.types.empty() && !args.gguf.empty()) {
    if (!args.head_type.empty()) {
      throw std::invalid_argument("--head-type: needs --type");
    }
    RequireTypes(model);
    models.push_back(model);
    return models;
  }
  const bool all = args.types.empty() || args.types == "all";
  for (const Type type : ParseTypes(all ? "all" : args.types)) {
    const Type head = HeadType(args, type);
    try {
      models.push_back(WithTypes(model, type, head));
    } catch (const std::invalid_argument& error) {
      if (!all) throw;
      fmt::print(stderr, "pp_tg: {} left out: {}\n", TypeName(type),
                 error.what());
    }
  }
  if (models.empty()) throw std::invalid_argument("--type: none possible");
  return models;
}

}  // namespace nibble::pp_tg
