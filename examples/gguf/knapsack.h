// SPDX-License-Identifier: MIT
// One option of every class, the cheapest that a budget allows.
#ifndef NIBBLE_EXAMPLES_GGUF_KNAPSACK_H_
#define NIBBLE_EXAMPLES_GGUF_KNAPSACK_H_

#include <cstddef>
#include <vector>

namespace nibble::gguf {

struct Option {
  double cost = 0;  // what is minimised
  double load = 0;  // what the budget limits; not negative
};
using OptionClass = std::vector<Option>;

// The multiple-choice knapsack problem: picks one option per class so that the
// loads add up to at most `limit` and the costs to as little as possible.
// Returns the picks, or nothing if even the least loads exceed the limit.
//
// First the Lagrangian solution: walk the convex hulls of all classes in the
// order of their slopes until the budget is spent. It is off by at most one
// step. Then an exact search among the few picks that could still be better,
// told by the Lagrangian bound; where more than kMaxStates partial solutions
// survive, the most promising ones. Deterministic.
std::vector<size_t> SolveKnapsack(const std::vector<OptionClass>& classes,
                                  double limit);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_KNAPSACK_H_
