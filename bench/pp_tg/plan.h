// SPDX-License-Identifier: MIT
// What pp_tg is asked to run.
#ifndef NIBBLE_BENCH_PP_TG_PLAN_H_
#define NIBBLE_BENCH_PP_TG_PLAN_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "bench/pp_tg/model.h"

namespace nibble::pp_tg {

// The command line.
struct Arguments {
  std::string model, gguf, types, head_type, target;
  std::string tests = "pp512,tg128", format = "md", pages = "huge";
  size_t threads = 1, repetitions = 5, layers = 0;
};

// Prompts are processed in batches of so many tokens, as llama-bench does.
inline constexpr size_t kBatch = 512;

// ppN: a prompt of N tokens, the head with the last one only. tgN: N tokens one
// after the other, the head with each.
struct Test {
  std::string name;
  bool prompt;
  size_t tokens;

  size_t batch() const { return prompt ? std::min(tokens, kBatch) : 1; }
  size_t heads() const { return prompt ? 1 : tokens; }
};

// The tests of "pp512,tg128". Throws std::invalid_argument.
std::vector<Test> ParseTests(const std::string& list);

// The model in every type asked for; in those of its file without --type.
// Throws what FindModel, ReadModel and WithTypes do, but types that cannot
// store the model are left out of "all", and stderr says so.
std::vector<Model> ModelsOf(const Arguments& args);

}  // namespace nibble::pp_tg

#endif  // NIBBLE_BENCH_PP_TG_PLAN_H_
