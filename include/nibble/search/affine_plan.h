// SPDX-License-Identifier: MIT
// Plans of the affine search: how many candidates, how wide, how many
// refinements.
#ifndef NIBBLE_SEARCH_AFFINE_PLAN_H_
#define NIBBLE_SEARCH_AFFINE_PLAN_H_

#include "nibble/quantize.h"

namespace nibble {

// A candidate maps [min + cut * step, max - top * step] to the codes, with
// step = (max - min) / kMaxCode: cuts and tops of 0 cover the whole block, one
// of 1 gives up about a code at that end.
struct AffinePlan {
  int cuts;            // cut = 0 .. cut_end
  float cut_end;
  int tops;            // top = top_begin .. top_end, for each cut
  float top_begin, top_end;
  int refits;          // re-round at the fitted line, refit
  bool greedy;         // single-code moves by the largest residual
  int scales;          // integers nearest to the sub-block scale
  int mins;            // for each, integers nearest to the min beside it
  int passes;          // choose integers, refit d and dmin
};

constexpr AffinePlan AffinePlanFor(Search search, int max_code) {
  const bool coarse = max_code < 4;  // a code is a third of the block
  const float cut = coarse ? 0.8f : 1.5f;
  const float begin = coarse ? -0.3f : -0.5f, end = coarse ? 0.8f : 1.5f;
  switch (search) {
    case Search::kFast:
      return {2, cut * 0.67f, 4, begin, end, 1, false, 1, 1, 1};
    case Search::kDefault:
      return {3, cut, 4, begin, end, 1, false, 2, 2, 1};
    case Search::kGradient:
      return {3, cut, 4, begin, end, 1, true, 2, 2, 1};
    case Search::kExhaustive:
      break;
  }
  return {6, cut * 1.33f, 12, begin, 2.0f * end, 3, false, 5, 3, 2};
}

// For offsets of either sign that are stored exactly. Steps so long that three
// codes stay unused pay (tops of -3): where a few columns matter far more than
// the rest, their positions on the lattice count. -3 .. 1.5 instead of -0.5 ..
// 1.5: 1.8 % less error for Q4_1, 3.5 % for Q5_1; two cuts, since the fit moves
// the offset anyway.
constexpr AffinePlan FreeOffsetPlanFor(Search search) {
  switch (search) {
    case Search::kFast:
      return {2, 0.5f, 6, -2.0f, 1.0f, 1, false, 0, 0, 0};
    case Search::kDefault:
      return {2, 0.5f, 12, -3.0f, 1.5f, 1, false, 0, 0, 0};
    case Search::kGradient:
      return {2, 0.5f, 12, -3.0f, 1.5f, 1, true, 0, 0, 0};
    case Search::kExhaustive:
      break;
  }
  return {8, 1.5f, 16, -4.0f, 2.0f, 3, false, 0, 0, 0};
}

// The candidates of a plan as the integers the scan takes, for y in 0 .. kOne:
// code = ((y - from) * inverse) >> 15, rounded.
template <int kMaxCode>
struct AffineCandidates {
  // y needs a fraction of a code, inverse a fraction of kMaxCode.
  static constexpr int kOneBits = kMaxCode < 4 ? 9 : 11;
  static constexpr int kOne = 1 << kOneBits;
  static constexpr int kInverseOne = 1 << (15 - kOneBits);
  // Candidates share their loads; more than this many at once would spill.
  static constexpr int kAtOnce = 2;
  static constexpr int kMostCuts = 8, kMostTops = 16;
  int cuts = 0, tops = 0;  // tops: a multiple of kAtOnce, the last repeated
  int from[kMostCuts] = {};
  int inverse[kMostCuts][kMostTops] = {};

  explicit AffineCandidates(const AffinePlan& plan) {
    cuts = plan.cuts;
    tops = (plan.tops + kAtOnce - 1) / kAtOnce * kAtOnce;
    for (int i = 0; i < cuts; ++i) {
      const float cut = At(0.0f, plan.cut_end, i, plan.cuts);
      from[i] = static_cast<int>(cut / kMaxCode * kOne + 0.5f);
      for (int k = 0; k < tops; ++k) {
        const int last = k < plan.tops ? k : plan.tops - 1;
        const float top = At(plan.top_begin, plan.top_end, last, plan.tops);
        inverse[i][k] = static_cast<int>(
            kMaxCode * kMaxCode / (kMaxCode - cut - top) * kInverseOne + 0.5f);
      }
    }
  }

 private:
  static float At(float begin, float end, int i, int count) {
    return count > 1 ? begin + (end - begin) * static_cast<float>(i) /
                                   static_cast<float>(count - 1)
                     : begin;
  }
};

}  // namespace nibble

#endif  // NIBBLE_SEARCH_AFFINE_PLAN_H_
