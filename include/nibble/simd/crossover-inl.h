// SPDX-License-Identifier: MIT
// From how many tokens on a product is faster in another way: the one table.
#if defined(NIBBLE_SIMD_CROSSOVER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_CROSSOVER_INL_H_
#undef NIBBLE_SIMD_CROSSOVER_INL_H_
#else
#define NIBBLE_SIMD_CROSSOVER_INL_H_
#endif

#include "nibble/simd/bf16_panel-inl.h"
#include "nibble/simd/crossover.h"
#include "nibble/simd/dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// What unpacking costs, roughly: few levels are looked up, codes of more bits
// computed, points of grids and trellises gathered or generated.
template <class E>
inline constexpr bool kPoints = false;
template <class Grid, class Index>
inline constexpr bool kPoints<formats::GridPoints<Grid, Index>> = true;
template <class Grid, class Index>
inline constexpr bool kPoints<formats::PairLut<Grid, Index>> = true;
template <int kGroup, class Index, bool kMagnitude>
inline constexpr bool kPoints<formats::Trellis<kGroup, Index, kMagnitude>> =
    true;
template <class A, class B>
inline constexpr bool kPoints<formats::Or<A, B>> = kPoints<A> || kPoints<B>;

// matvec decodes a row once per few tokens, a panel once for all of them, and
// bf16 tiles multiply fastest but cost the most to unpack. GFLOPS of 4096 x 4096,
// weights from memory up to 8 tokens (Emerald Rapids, one core, g++ 12):
//
//   tokens           6     7     8     9    12    16    32
//   Q4_K  matvec   157   141   146   146
//         panels   105   119   134   196   237   268   362
//         tiles    121   141   161   194   259   342   614
//   Q8_0  matvec   149   134   138   155
//         panels    87    99   111   192   234   269   368
//         tiles     89   104   119   164   217   288   517
//   IQ3_S matvec   108    92    95    86
//         panels   102   115   126   184   224   254   358
//         tiles     74    86    98   123   165   213   415
//
// Without VNNI matvec meets four tokens at a time, and panels win from five on.
template <class F>
constexpr Crossover CrossoverOf() {
  if constexpr (!kNativeU8I8) {
    return {5, SIZE_MAX};
  } else if constexpr (kPoints<typename F::Codes>) {
    return {7, 18};
  } else if constexpr (LevelTable<typename F::Codes>::kHas) {
    return {9, 8};
  } else {
    return {9, 14};
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_CROSSOVER_INL_H_
