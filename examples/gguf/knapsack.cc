// SPDX-License-Identifier: MIT
#include "gguf/knapsack.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

namespace nibble::gguf {
namespace {

// Far from reached by real models: 600 classes of 30 options take 25 ms.
constexpr size_t kMaxStates = 4096;

double Cross(const Option& a, const Option& b, const Option& c) {
  return (b.load - a.load) * (c.cost - a.cost) -
         (b.cost - a.cost) * (c.load - a.load);
}

// Indices of the options that no other beats in both, by rising load.
std::vector<size_t> Frontier(const OptionClass& options) {
  std::vector<size_t> order(options.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(options[a].load, options[a].cost, a) <
           std::tie(options[b].load, options[b].cost, b);
  });
  std::vector<size_t> frontier;
  for (const size_t i : order) {
    if (frontier.empty() || options[i].cost < options[frontier.back()].cost) {
      frontier.push_back(i);
    }
  }
  return frontier;
}

// The part of a frontier where every further load buys less than the one
// before.
std::vector<size_t> Hull(const OptionClass& options,
                         const std::vector<size_t>& frontier) {
  std::vector<size_t> hull;
  for (const size_t i : frontier) {
    while (hull.size() >= 2 && Cross(options[hull[hull.size() - 2]],
                                     options[hull.back()], options[i]) <= 0) {
      hull.pop_back();
    }
    hull.push_back(i);
  }
  return hull;
}

class Solver {
 public:
  Solver(const std::vector<OptionClass>& classes, double limit)
      : classes_(classes), limit_(limit) {
    for (const OptionClass& options : classes) {
      frontiers_.push_back(Frontier(options));
    }
  }

  std::vector<size_t> Solve() {
    if (!WalkHulls()) return {};
    if (price_ > 0) Refine();
    return picks_;
  }

 private:
  struct Step {
    double gain;  // cost saved per load
    size_t owner;
    size_t option;
  };
  // A choice for the classes up to one of them.
  struct State {
    double load;
    double cost;
    size_t before;  // index into trails_: of the classes before
    size_t pick;
  };
  struct Trail {
    size_t before;
    size_t pick;
  };

  const Option& Of(size_t owner, size_t option) const {
    return classes_[owner][option];
  }
  // What an option costs if load has the price of the Lagrangian solution.
  double Priced(const Option& option) const {
    return option.cost + price_ * option.load;
  }
  std::vector<Step> Steps() const;
  bool WalkHulls();
  void Refine();
  std::vector<State> Extend(const std::vector<State>& states, size_t owner,
                            double least_priced, double least_load);
  void Prune(std::vector<State>* states) const;
  void Record(std::vector<State>* states);

  const std::vector<OptionClass>& classes_;
  const double limit_;
  std::vector<std::vector<size_t>> frontiers_;
  std::vector<size_t> picks_;
  double load_ = 0;
  double cost_ = 0;
  double price_ = 0;
  std::vector<Trail> trails_;
};

std::vector<Solver::Step> Solver::Steps() const {
  std::vector<Step> steps;
  for (size_t c = 0; c < classes_.size(); ++c) {
    const std::vector<size_t> hull = Hull(classes_[c], frontiers_[c]);
    for (size_t i = 1; i < hull.size(); ++i) {
      const Option& a = Of(c, hull[i - 1]);
      const Option& b = Of(c, hull[i]);
      steps.push_back({(a.cost - b.cost) / (b.load - a.load), c, hull[i]});
    }
  }
  // Stable: the steps of a class stay in order even where rounding made their
  // gains equal.
  std::stable_sort(
      steps.begin(), steps.end(),
      [](const Step& a, const Step& b) { return a.gain > b.gain; });
  return steps;
}

bool Solver::WalkHulls() {
  for (size_t c = 0; c < classes_.size(); ++c) {
    if (frontiers_[c].empty()) return false;
    picks_.push_back(frontiers_[c].front());
    load_ += Of(c, picks_[c]).load;
    cost_ += Of(c, picks_[c]).cost;
  }
  if (load_ > limit_) return false;
  std::vector<bool> stuck(classes_.size());
  for (const Step& step : Steps()) {
    if (stuck[step.owner]) continue;
    const Option& now = Of(step.owner, picks_[step.owner]);
    const Option& next = Of(step.owner, step.option);
    if (load_ - now.load + next.load > limit_) {
      stuck[step.owner] = true;
      price_ = std::max(price_, step.gain);  // the first that does not fit
      continue;
    }
    load_ += next.load - now.load;
    cost_ += next.cost - now.cost;
    picks_[step.owner] = step.option;
  }
  return true;
}

// States of the classes so far, all pairs of a state and an option of `owner`
// whose best completion can still beat the picks.
std::vector<Solver::State> Solver::Extend(const std::vector<State>& states,
                                          size_t owner, double least_priced,
                                          double least_load) {
  std::vector<State> extended;
  for (const State& state : states) {
    for (const size_t pick : frontiers_[owner]) {
      const Option& option = Of(owner, pick);
      const State next = {state.load + option.load, state.cost + option.cost,
                          state.before, pick};
      const double bound = next.cost + price_ * next.load + least_priced;
      if (next.load + least_load > limit_) break;
      if (bound - price_ * limit_ >= cost_) continue;
      extended.push_back(next);
    }
  }
  return extended;
}

// Keeps the states that no other beats, and of those the most promising.
void Solver::Prune(std::vector<State>* states) const {
  std::sort(states->begin(), states->end(), [](const State& a, const State& b) {
    return std::tie(a.load, a.cost, a.before, a.pick) <
           std::tie(b.load, b.cost, b.before, b.pick);
  });
  double least = std::numeric_limits<double>::infinity();
  const auto beaten = [&](const State& state) {
    if (state.cost >= least) return true;
    least = state.cost;
    return false;
  };
  states->erase(std::remove_if(states->begin(), states->end(), beaten),
                states->end());
  if (states->size() <= kMaxStates) return;
  std::sort(states->begin(), states->end(),
            [&](const State& a, const State& b) {
              const double first = a.cost + price_ * a.load;
              const double second = b.cost + price_ * b.load;
              return std::tie(first, a.load) < std::tie(second, b.load);
            });
  states->resize(kMaxStates);
}

// Remembers how the states came about; `before` then means themselves.
void Solver::Record(std::vector<State>* states) {
  for (State& state : *states) {
    trails_.push_back({state.before, state.pick});
    state.before = trails_.size() - 1;
  }
}

void Solver::Refine() {
  // What the classes from here on cost and load at least.
  const size_t count = classes_.size();
  std::vector<double> least_priced(count + 1), least_load(count + 1);
  for (size_t c = count; c-- > 0;) {
    double least = std::numeric_limits<double>::infinity();
    for (const size_t i : frontiers_[c]) {
      least = std::min(least, Priced(Of(c, i)));
    }
    least_priced[c] = least_priced[c + 1] + least;
    least_load[c] = least_load[c + 1] + Of(c, frontiers_[c].front()).load;
  }
  std::vector<State> states = {{0, 0, 0, 0}};
  for (size_t c = 0; c < count; ++c) {
    states = Extend(states, c, least_priced[c + 1], least_load[c + 1]);
    Prune(&states);
    Record(&states);
  }
  for (const State& state : states) {
    if (state.cost >= cost_) continue;
    cost_ = state.cost;
    size_t trail = state.before;
    for (size_t c = count; c-- > 0; trail = trails_[trail].before) {
      picks_[c] = trails_[trail].pick;
    }
  }
}

}  // namespace

std::vector<size_t> SolveKnapsack(const std::vector<OptionClass>& classes,
                                  double limit) {
  return Solver(classes, limit).Solve();
}

}  // namespace nibble::gguf
