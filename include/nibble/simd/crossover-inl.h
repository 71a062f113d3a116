// SPDX-License-Identifier: MIT
// From how many tokens on a product is faster in another way: the one table.
#if defined(NIBBLE_SIMD_CROSSOVER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_CROSSOVER_INL_H_
#undef NIBBLE_SIMD_CROSSOVER_INL_H_
#else
#define NIBBLE_SIMD_CROSSOVER_INL_H_
#endif

#include "nibble/simd/crossover.h"
#include "nibble/simd/dot-inl.h"
#include "nibble/simd/level_table-inl.h"
#include "nibble/simd/matvec-inl.h"
#include "nibble/simd/panel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// What unpacking costs, roughly: few levels are looked up, codes of more bits
// computed, points of grids and trellises gathered or generated.
template <class E>
inline constexpr bool kPoints = false;
template <class Grid, class Index>
inline constexpr bool kPoints<formats::GridPoints<Grid, Index>> = true;
template <class A, class B>
inline constexpr bool kPoints<formats::Or<A, B>> = kPoints<A> || kPoints<B>;
// Small enough for registers, where matvec looks them up but panels do not.
template <class E>
inline constexpr bool kPairs = false;
template <class Grid, class Index>
inline constexpr bool kPairs<formats::PairLut<Grid, Index>> = true;
template <class Layout, auto kM>
inline constexpr bool kPairs<formats::Base3<Layout, kM>> = true;

// Scales from bits of the codes take long to collect.
template <class E>
inline constexpr bool kSpread = false;
template <int kBits, int kFirst, auto kM>
inline constexpr bool kSpread<formats::LowBits<kBits, kFirst, kM>> = true;

// matvec decodes a row once per few tokens, a panel once for all of them, and
// bf16 tiles multiply fastest but cost the most to unpack. GFLOPS of 4096 x
// 4096, weights from memory (Emerald Rapids, one core, g++ 12):
//
//   tokens           6     8     9    10    11    12    14    16    20    28
//   Q4_K   matvec  162   170   167   170   169   172
//          panels  132   163   175   187   197   215   235   250   285   327
//          tiles   127   169   188   210   230   250   290   332   369   493
//   IQ4_KS matvec  232   243   237   232   233   234
//          panels  158   194   205   220   220   250   268   279   316   346
//          tiles   124   168   187   212   233   254   294   336   369   513
//   IQ2_KS matvec  210   222   225   231   227   226   208
//          panels  178   216   229   241   250   274   297   308   346   387
//          tiles   135   181   202   222   248   270   313   356   392   552
//   Q6_K   matvec  156   158   161   155   151   156
//          panels  113   142   155   163   173   186   209   223   246   291
//          tiles    86   112   125   145   159   173   201   228   253   362
//   Q5_0   matvec  203   215   209   207   213   216
//          panels  152   178   195   202   216   235   255   269   306   344
//          tiles    88   107   120   131   140   155   185   208   246   352
//   IQ3_S  matvec  163   176   179   183   186   194
//          panels  125   153   165   176   185   205   224   237   273   316
//          tiles    78   103   116   130   141   150   177   208   243   332
//   IQ4_KT matvec                                       205   206   205
//          panels                                                   192
//          tiles                                                    197   283
//   IQ3_KT matvec                                       171   178   184
//          panels                                                   190
//          tiles                                                    230   319
//   IQ2_XS matvec  207   195   198   202   211   214   212   198
//          panels                          175   184   205   228
//   IQ2_KL matvec  233   259   260   259   262   265   273   267   258
//          panels  140   165   175   182   194   215   229   243   278   315
//          tiles    88   116   129   146   159   176   201   232   267   378
//
// Tiles of Q6_K, Q5_0 and the types after it were measured before their codes
// became floats by a shuffle; they are up to 20 % faster since, IQ5_K and IQ6_K
// 25 %.
//
// Panels. Without VNNI matvec meets four tokens at a time, and panels win from
// five on; with dot products of Arm from four on, counted in instructions
// (Q4_0, 4 tokens, per weight and token: matvec 0.33, panels 0.28 with sdot and
// 0.24 with i8mm). With VNNI matvec slows down where more than two vectors of
// integer products per chunk are scaled, panels where codes are wide, looked up
// or generated, where scales are per 16 or coded and where there are mins.
// Signs in the codes cost it nothing per token.
template <class F>
constexpr size_t PanelsFrom() {
  using Codes = typename F::Codes;
  using Trellis = formats::TrellisOf<Codes>;
  constexpr bool kMins = formats::kIsPresent<typename F::MinCodes>;
  constexpr bool kPer16 = F::kSub < 32;
  if constexpr (!kNativeU8I8) {
    return kNativeI8I8 ? 4 : 5;
  } else if constexpr (Trellis::kIsTrellis) {
    return Trellis::kGroup == 8 ? 19 : 21;
  } else if constexpr (kPairs<Codes>) {
    return 17;
  } else if constexpr (ChunkDot<F>::kSignsInCodes) {
    return kPer16 ? 15 : 17;
  } else if constexpr (kPoints<Codes>) {
    return kPer16 ? 11 : 12;
  } else if constexpr (formats::ScaleOf<F>::type::kCoded) {
    return kPer16 ? 15 : 9;
  } else if constexpr (ProductLanes<typename ChunkDot<F>::Order>::kTurn) {
    return kMins ? 16 : kPer16 ? 13 : 9;
  } else if constexpr (LevelProducts<F>::kFit) {
    return kMins ? 12 : 8;
  } else if constexpr (kPer16) {
    return formats::TableOf<Codes>::kSize > 16 ? 13 : 10;
  } else if constexpr (ChunkDot<F>::Leaders() > 2) {
    return HWY_MIN(4 + formats::Width<Codes>::value, 10);
  } else {
    return kMins ? 13 : 12;
  }
}

// Tiles. Levels that are looked up unpack fastest, less so where every
// sub-block has an offset, and panels are slow where they have mins, fast where
// they hold products or few levels. Trellises take as long to generate either
// way; signs cost matvec an instruction per token.
template <class F>
constexpr size_t TilesFrom() {
  using Codes = typename F::Codes;
  using Trellis = formats::TrellisOf<Codes>;
  constexpr bool kMins = formats::kIsPresent<typename F::MinCodes>;
  constexpr bool kShifts = formats::kIsPresent<typename F::ShiftCodes>;
  constexpr bool kSigns = formats::kIsPresent<typename F::Signs>;
  constexpr bool kPer16 = F::kSub < 32;
  constexpr int kWidth = formats::Width<Codes>::value;
  if constexpr (!kNativeU8I8) {
    return SIZE_MAX;
  } else if constexpr (kPairs<Codes>) {
    return 20;
  } else if constexpr (Trellis::kIsTrellis) {
    return Trellis::kMagnitude ? 12 : Trellis::kGroup == 8 ? 17 : 19;
  } else if constexpr (kPoints<Codes>) {
    return kSigns ? (kPer16 ? 17 : 24) : (kPer16 ? 13 : 19);
  } else if constexpr (!LevelTable<Codes>::kHas) {
    return kPer16             ? 10
           : kMins            ? (F::kBlock < kChunk ? 12 : 10)
           : F::kMaxCode > 63 ? 13
                              : 21;
  } else if constexpr (kPer16 &&
                       ProductLanes<typename ChunkDot<F>::Order>::kTurn) {
    return 13;
  } else if constexpr (kMins) {
    return ChunkDot<F>::Leaders() > 2 ? 9 : 10;
  } else if constexpr (LevelProducts<F>::kFit) {
    return 15;
  } else if constexpr (kPer16 && formats::ScaleOf<F>::type::kCoded) {
    return 12;
  } else if constexpr (kSpread<typename F::ScaleCodes>) {
    return 22;
  } else if constexpr (kShifts) {
    return kPer16 ? 12 : kWidth < 4 ? 14 : 11;
  } else {
    return kWidth == 2 && F::kBlock < kChunk ? 14 : 10;
  }
}

template <class F>
constexpr Crossover CrossoverOf() {
  return {PanelsFrom<F>(), TilesFrom<F>()};
}

// Tokens that meet a row of matvec at a time: more than it is faster for would
// only be compiled.
template <class F>
inline constexpr size_t kTokensAtOnce =
    HWY_MIN(kMaxTokens, HWY_MAX(PanelsFrom<F>() - 1, size_t{4}));

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_CROSSOVER_INL_H_
