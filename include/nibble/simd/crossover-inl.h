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
template <int kGroup, class Index, bool kMagnitude>
inline constexpr bool kPoints<formats::Trellis<kGroup, Index, kMagnitude>> =
    true;
template <class A, class B>
inline constexpr bool kPoints<formats::Or<A, B>> = kPoints<A> || kPoints<B>;
// Small enough for registers, where matvec looks them up but panels do not.
template <class E>
inline constexpr bool kPairs = false;
template <class Grid, class Index>
inline constexpr bool kPairs<formats::PairLut<Grid, Index>> = true;
template <class Layout, auto kM>
inline constexpr bool kPairs<formats::Base3<Layout, kM>> = true;

// matvec decodes a row once per few tokens, a panel once for all of them, and
// bf16 tiles multiply fastest but cost the most to unpack. GFLOPS of 4096 x
// 4096, weights from memory (Emerald Rapids, one core, g++ 12):
//
//   tokens           6     8     9    10    12    14    16    20    24
//   Q4_K   matvec  157   161   152   154   153
//          panels  132   163   175   186   213   233   248   279   306
//          tiles   125   165   187   204   247   285   325   365   435
//   IQ4_KS matvec  230   239   213   210   198   193   191
//          panels  147   182   195   207   235   258   271   307   337
//          tiles   124   168   187   207   248   288   328   368   435
//   Q6_K   matvec  155   149   138   139   143
//          panels  104   132   144   154   175   193   209   237   260
//          tiles    80   109   122   133   164   189   212   253   300
//   Q5_0   matvec  198   211   174   174   176
//          panels  132   163   176   186   216   235   251   286   317
//          tiles    75   100   112   122   146   172   193   232   279
//   IQ3_S  matvec  155   173   143   149   153
//          panels  121   151   164   174   205   222   236   271   299
//          tiles    77   105   116   130   154   180   206   244   293
//   IQ2_KL matvec  230   253   200   208   214   216   213
//          panels  130   157   171   180   212   219   241   272   310
//          tiles    87   116   129   146   174   199   230   268   319
//
// Furthest from their class: TQ2_0, whose panels win from 6 tokens on, NVFP4
// and Q2_0, from 13. Without VNNI matvec meets four tokens at a time, and
// panels win from five on.
template <class F>
constexpr Crossover CrossoverOf() {
  using Codes = typename F::Codes;
  constexpr bool kMins = formats::kIsPresent<typename F::MinCodes>;
  if constexpr (!kNativeU8I8) {
    return {5, SIZE_MAX};
  } else if constexpr (kPairs<Codes>) {
    return {13, 22};
  } else if constexpr (kPoints<Codes>) {
    return {9, 24};
  } else if constexpr (LevelTable<Codes>::kHas) {
    return kMins ? Crossover{9, 9} : Crossover{10, 10};
  } else if constexpr (F::kSub >= 32 && !kMins &&
                       formats::Width<Codes>::value < 8) {
    return {9, 24};  // panels of codes without scales per 16 or mins are fast
  } else {
    return {9, 14};
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_CROSSOVER_INL_H_
