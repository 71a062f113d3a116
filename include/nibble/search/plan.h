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
  enum Method { kCandidates, kGradient, kBreakpoints };

  float lo, hi;    // inverse scales: the extreme's level times 1 + lo .. 1 + hi
  int around_min;  // candidates that map the extreme to the lowest level
  int around_max;  // candidates that map it to the highest level
  int refits;      // re-round at the fitted scale, refit
  int radius;      // neighbours of the quantized sub-block scale
  bool lines;      // ... on both table lines
  Method method = kCandidates;
  // Added to lo and hi around the highest level: for tables it is nearer to 0
  // than the lowest.
  float high = 0.0f;

  // No search at all: the extreme goes to the highest level. Needs no weights.
  constexpr bool IsRounding() const {
    return around_min + around_max == 0 && method == kCandidates;
  }
};

// Tables. Every candidate is tried on both lines, where there are two: on one
// line only, five bits have 3 % more error.
constexpr LevelPlan TablePlan(bool fast, int levels) {
  LevelPlan plan = {-0.13f, 0.13f, 4, 4, 1, 1, false};
  if (levels <= 4) {
    // The extreme wants to be clipped, most so at the short end. Range is all: 4
    // + 4 without `high` have 2 % more error, 8 + 8 with it not less.
    plan = {-0.25f, 0.25f, 4, 4, 1, 1, true, LevelPlan::kCandidates, 0.7f};
  } else if (levels <= 8) {  // both lines again in the end: 0.4 to 0.7 %
    plan = {-0.2f, 0.2f, 4, 4, 1, 1, true, LevelPlan::kCandidates, 0.2f};
  } else if (levels <= 16) {
    // 6 + 6 in -0.22 .. 0.18: 0.3 % better, half as fast again.
  } else if (levels <= 32) {  // density matters, but 8 + 8 cost a third
    plan = {-0.08f, 0.08f, 4, 4, 1, 1, false};
  } else {  // 4 + 4: 3 % worse, 8 + 8: 1 % better
    plan = {-0.1f, 0.08f, 6, 6, 1, 1, false};
  }
  if (fast) {
    plan.lo *= 0.6f;
    plan.hi *= 0.6f;
    plan.around_min = plan.around_max = 2;
    plan.radius = 0;
    plan.lines = false;
  }
  return plan;
}

// kDefault and kFast, by the number of levels and whether they are a table.
constexpr LevelPlan CandidatePlan(bool fast, int levels, bool table) {
  if (table) return TablePlan(fast, levels);
  if (levels <= 16) {
    return fast ? LevelPlan{-0.25f, 0.5f, 8, 0, 1, 0, false}
                : LevelPlan{-0.2f, 0.45f, 12, 4, 2, 1, false};
  }
  if (levels <= 32) {
    return fast ? LevelPlan{-0.25f, 0.125f, 8, 0, 1, 0, false}
                : LevelPlan{-0.2f, 0.2f, 12, 0, 1, 1, false};
  }
  if (levels <= 64) {
    return fast ? LevelPlan{-0.2f, 0.05f, 8, 0, 1, 0, false}
                : LevelPlan{-0.25f, 0.06f, 12, 0, 1, 1, false};
  }
  // 8 bits: rounding is within 10 % of the best scale at ten times the speed.
  return LevelPlan{0.0f, 0.0f, 0, 0, 0, 0, false};
}

// The scan of the published rules: 19 inverse scales up to 0.9 levels around
// each end (15 up to 7 units for tables), then the gradient stage.
constexpr LevelPlan GradientPlan(int levels, bool table) {
  const float lowest = levels <= 4 ? 31.0f : levels <= 8 ? 63.0f : 127.0f;
  const float reach =
      table ? 7.0f / lowest : 0.9f / (0.5f * static_cast<float>(levels));
  const int count = table ? 15 : 19;
  return LevelPlan{-reach, reach, count, count, 0, 1, false,
                   LevelPlan::kGradient,
                   table ? TablePlan(false, levels).high : 0.0f};
}

constexpr LevelPlan PlanFor(Search search, int levels, bool table) {
  // Two levels of one size: the codes are the signs whatever the scale, and one
  // fit gives the best scale there is.
  if (levels == 2) return LevelPlan{0.0f, 0.0f, 1, 0, 0, 0, false};
  if (search == Search::kGradient) return GradientPlan(levels, table);
  LevelPlan plan = CandidatePlan(search == Search::kFast, levels, table);
  if (search == Search::kExhaustive) {
    plan.method = LevelPlan::kBreakpoints;
    plan.refits = 2;
    plan.radius = 3;
    plan.lines = true;
  }
  return plan;
}

}  // namespace nibble

#endif  // NIBBLE_SEARCH_PLAN_H_
