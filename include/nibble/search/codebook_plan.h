// SPDX-License-Identifier: MIT
// Plans of the grid searches: how many candidates, how wide.
//
// The range of the free fit matters, its density does not: up to 1.1 times the
// top level 12 candidates give IQ2_XXS 0.3051, up to 1.6 times 8 give 0.2926;
// IQ1_S 0.464 (up to 2), 0.4534 (2.6), 0.4498 (3.4). Weighted errors on
// 0.02 * student_t(5) rows; rows without heavy tails do not care.
#ifndef NIBBLE_SEARCH_CODEBOOK_PLAN_H_
#define NIBBLE_SEARCH_CODEBOOK_PLAN_H_

#include "nibble/quantize.h"

namespace nibble {

struct CodebookPlan {
  float lo, hi;  // free fit: inverse scales that map the largest magnitude to
                 // lo .. hi times the top level
  int free;      // ... this many, an even number
  int exact;     // multipliers tried with the exact search
  bool all_shifts;  // ... with all shifts, not only those of the free fit
};

// By the number of levels and whether they have signs. Grids have no gradient
// rule: kGradient is kDefault.
constexpr CodebookPlan CodebookPlanFor(Search search, int levels,
                                       bool in_levels) {
  const bool fast = search == Search::kFast;
  const bool exhaustive = search == Search::kExhaustive;
  if (in_levels) {  // neighbours win 0.4 %, all shifts 0.2 %: not worth a scan
    return fast         ? CodebookPlan{1.2f, 3.0f, 6, 1, false}
           : exhaustive ? CodebookPlan{0.8f, 3.6f, 16, 5, true}
                        : CodebookPlan{1.2f, 3.2f, 8, 1, false};
  }
  if (levels > 3) {
    return fast         ? CodebookPlan{0.9f, 1.6f, 6, 1, false}
           : exhaustive ? CodebookPlan{0.6f, 1.8f, 20, 7, false}
                        : CodebookPlan{0.9f, 1.7f, 8, 3, false};
  }
  return fast         ? CodebookPlan{0.8f, 1.6f, 6, 1, false}
         : exhaustive ? CodebookPlan{0.6f, 2.0f, 20, 7, false}
                      : CodebookPlan{0.8f, 1.7f, 8, 3, false};
}

}  // namespace nibble

#endif  // NIBBLE_SEARCH_CODEBOOK_PLAN_H_
