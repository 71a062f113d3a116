// SPDX-License-Identifier: MIT
// Plans: how many candidates, how wide, how many refinements.
//
// Range matters more than density: with heavy tails and small importance it
// pays to clip the extreme. Figures are weighted errors on 0.02 * student_t(5)
// rows; a dense scan of 64 candidates is within 0.1 % of these plans.
#ifndef NIBBLE_SEARCH_PLAN_H_
#define NIBBLE_SEARCH_PLAN_H_

#include "nibble/quantize.h"

namespace nibble {

struct LevelPlan {
  float lo, hi;    // inverse scales: the extreme's level times 1 + lo .. 1 + hi
  int around_min;  // candidates that map the extreme to the lowest level
  int around_max;  // candidates that map it to the highest level
  int refits;      // re-round at the fitted scale, refit
  int radius;      // neighbours of the quantized sub-block scale
  bool lines;      // ... on both table lines
};

// By the number of levels and whether they are a table.
constexpr LevelPlan PlanFor(Search search, int levels, bool table) {
  const bool fast = search == Search::kFast;
  if (table) {
    return fast ? LevelPlan{-0.12f, 0.08f, 4, 4, 1, 0, false}
                : LevelPlan{-0.22f, 0.18f, 6, 6, 1, 1, false};
  }
  if (levels <= 16) {
    return fast ? LevelPlan{-0.25f, 0.5f, 8, 0, 1, 0, false}
                : LevelPlan{-0.375f, 0.75f, 16, 0, 1, 1, false};
  }
  if (levels <= 32) {
    return fast ? LevelPlan{-0.25f, 0.125f, 8, 0, 1, 0, false}
                : LevelPlan{-0.25f, 0.25f, 16, 0, 1, 1, false};
  }
  if (levels <= 64) {
    return fast ? LevelPlan{-0.2f, 0.05f, 8, 0, 1, 0, false}
                : LevelPlan{-0.25f, 0.06f, 16, 0, 1, 1, false};
  }
  return LevelPlan{0.0f, 0.0f, 0, 0, 0, 0, false};
}

}  // namespace nibble

#endif  // NIBBLE_SEARCH_PLAN_H_
