// SPDX-License-Identifier: MIT
// The products of one chunk of a row with several tokens: what matvec does 256
// weights at a time, generic over a format and its machine.
//
// With s the scale of a sub-block, o the offset of its codes (zero point,
// shift, bias of the machine) and m its min, a row is
//
//   sum_g  s * ys * (codes . q)  +  (s * o - m) * ysum
//
// where q, ys and ysum are the activations' codes, scale and sum: an exact
// integer product and one fused multiply-add per sub-block for all the rest.
#if defined(NIBBLE_SIMD_CHUNK_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_CHUNK_DOT_INL_H_
#undef NIBBLE_SIMD_CHUNK_DOT_INL_H_
#else
#define NIBBLE_SIMD_CHUNK_DOT_INL_H_
#endif

#include <utility>

#include "hwy/highway.h"
#include "nibble/simd/dot-inl.h"
#include "nibble/simd/int8_row_chunk.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/matvec_machine-inl.h"
#include "nibble/simd/scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Scales of whole vectors are broadcast from memory, by the load itself.
// Compilers see through the array and would rather move them from register to
// register, two shuffles each (AVX2, Emerald Rapids: IQ2_KS 28 -> 33
// Gweights/s).
#undef NIBBLE_SCALES_IN_MEMORY
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2 && !HWY_COMPILER_MSVC
#define NIBBLE_SCALES_IN_MEMORY 1
#else
#define NIBBLE_SCALES_IN_MEMORY 0
#endif

// Are products of group g of 32 in 32-bit lanes 2 g and 2 g + 1 of all vectors?
// Then the groups' numbers come in these lanes, twice each: no shuffle per
// token (AVX3_SPR, IQ3_S: 28.5 -> 29.7 Gweights/s, IQ2_KL, two tokens: 138 ->
// 148 GFLOPS).
template <class Order, size_t kFloats>
constexpr bool TwoLanesPerGroup() {
  for (size_t i = 0; i < kChunk / 4; ++i) {
    const size_t lane = i % kFloats, vector = i / kFloats;
    const size_t from = ProductLanes<Order>::From(lane, vector);
    if (Order::Logical(4 * (vector * kFloats + from)) / 32 != lane / 2) {
      return false;
    }
  }
  return kFloats == 16;
}

// The products of one chunk (256 weights of one row) with several tokens.
template <class F>
struct ChunkDot {
  using Block = typename F::Block;
  using Codes = typename F::Codes;
  using Machine = MatvecMachine<Codes>;
  using Order = typename Machine::Order;

  using Lanes = ProductLanes<Order>;

  using D8 = hn::ScalableTag<uint8_t>;
  using DI8 = hn::RebindToSigned<D8>;
  using DF = hn::Repartition<float, D8>;  // lanes of products
  static constexpr size_t kN = HWY_MAX_LANES_D(D8);
  static constexpr size_t kFloats = HWY_MAX_LANES_D(DF);

  // Weights that share an activation scale and a weight scale, and in how many
  // lanes their numbers come.
  static constexpr size_t kGroup = ChunkWindows<F>::kGroup;
  static constexpr size_t kTimes = kGroup == 32 &&
                                           TwoLanesPerGroup<Order, kFloats>() &&
                                           ChunkWindows<F, 2>::Has()
                                       ? 2
                                       : 1;
  using Windows = ChunkWindows<F, kTimes>;
  static constexpr size_t kGroups = Windows::kGroups;
  using DS = typename Windows::DS;  // lanes of scales: a window
  static constexpr size_t kWindow = Windows::kWindow;
  using VF = hn::Vec<DF>;
  using VS = hn::Vec<DS>;

  static constexpr bool kQuads = kUsesQuads<F>;
  static constexpr bool kBias = kWantsBias<Codes, kQuads>;
  // As they are multiplied.
  static constexpr bool kSignedCodes =
      formats::IsSigned<Codes>::value && !kBias;
  static constexpr bool kSignsInCodes = Machine::kSigns == SignSource::kCodes;
  static constexpr int kMaxCode = kSignsInCodes ? 2 * F::kMaxCode
                                  : kBias
                                      ? CodeRange<Codes>::kHigh + kBiasOf<Codes>
                                      : F::kMaxCode;
  static constexpr int kOffset = -F::kZero - (kSignsInCodes ? F::kMaxCode
                                              : kBias       ? kBiasOf<Codes>
                                                            : 0);
  static constexpr bool kHasSigns =
      formats::kIsPresent<typename F::Signs> && !kSignsInCodes;
  static constexpr bool kHasShifts =
      formats::kIsPresent<typename F::ShiftCodes>;
  static constexpr bool kHasMins = formats::kIsPresent<typename F::MinCodes>;
  static_assert(!kHasSigns || kOffset == 0,
                "signs go to the activations, whose sums know nothing of them");
  static_assert(!kHasMins || (F::kRowHeader == 0 && F::kFactor == 1.0f),
                "mins do not share the factors applied at the end of the row");

  // What the corrections are multiplied by at the end of the row, to save the
  // multiplication per window: an offset they all have, or the sign of mins.
  static constexpr bool kHasCorrection = kHasMins || kHasShifts || kOffset != 0;
  // If the offset is a power of two, a shifted one is exactly a multiple of it:
  // one multiplication under a mask makes the difference.
  static constexpr bool kMasksShifts =
      kHasShifts && kOffset == -128 && HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;
  static constexpr float kCorrectionFactor =
      kMasksShifts ? static_cast<float>(kOffset)
      : kHasShifts ? 1.0f
      : kHasMins   ? -F::kMinFactor
                   : static_cast<float>(kOffset);

  // Corrections without scales are the same for every row, but for its factor:
  // the sum of the token's sums, added up once (AVX3_SPR, IQ1_BN, with the
  // scales in their lanes: 57 -> 59 Gweights/s).
  static constexpr bool kSharesCorrection =
      kHasCorrection && !kHasMins && !kHasShifts && F::kRowHeader != 0 &&
      !formats::kIsPresent<typename F::ScaleCodes>;
  static constexpr bool kSumsCorrections = kHasCorrection && !kSharesCorrection;
  static HWY_INLINE VS SharedCorrection(const Int8RowChunk* HWY_RESTRICT y,
                                        size_t chunks) {
    const DS ds;
    auto sum = hn::Zero(ds);
    if constexpr (kSharesCorrection) {
      for (size_t i = 0; i < chunks * kGroups; i += kWindow) {
        sum = hn::Add(sum, hn::Load(ds, SumsOf(y[i / kGroups]) + i % kGroups));
      }
    }
    return sum;
  }

  // Four vectors of products in a chunk, if as many, are a chain of 16 cycles
  // of dependent additions, less than a chunk takes. Eight need two: a single
  // one would bound AVX2 to 32 cycles.
  static constexpr bool kTwoChains = kChunk / kN > 4;

  // Sums of one token while its products with other rows or columns are at
  // hand.
  struct SavedSums {
    alignas(64) float even[kFloats];
    alignas(64) float odd[kTwoChains ? kFloats : 1];
    alignas(64) float correction[kWindow];
  };
  // Running sums of one token. The constructors are spelled out since an
  // implicit one has no target attribute with clang.
  struct Sums {
    VF even, odd;
    VS correction;
    HWY_INLINE Sums()
        : even(hn::Zero(DF())),
          odd(hn::Zero(DF())),
          correction(hn::Zero(DS())) {}
    HWY_INLINE explicit Sums(const SavedSums& saved)
        : even(hn::Load(DF(), saved.even)),
          odd(kTwoChains ? hn::Load(DF(), saved.odd) : hn::Zero(DF())),
          correction(kSumsCorrections ? hn::Load(DS(), saved.correction)
                                      : hn::Zero(DS())) {}
    HWY_INLINE void Save(SavedSums& to) const {
      hn::Store(even, DF(), to.even);
      if constexpr (kTwoChains) hn::Store(odd, DF(), to.odd);
      if constexpr (kSumsCorrections)
        hn::Store(correction, DS(), to.correction);
    }
  };
  // What is left to add up at the end of a row.
  static HWY_INLINE VF Total(const Sums& sums, VS shared) {
    const DF df;
    VF products = sums.even;
    if constexpr (kTwoChains) products = hn::Add(products, sums.odd);
    if constexpr (!kHasCorrection) return products;
    const VS correction = kSharesCorrection ? shared : sums.correction;
    return hn::MulAdd(hn::ZeroExtendResizeBitCast(df, DS(), correction),
                      hn::Set(df, kCorrectionFactor), products);
  }
  template <size_t kTokens>
  struct Scales {
    alignas(64) float at[kTokens][kGroups];
  };

  // What the machine takes codes from.
  static constexpr CodeSource kSource = Machine::kSource;
  static_assert(kSource <= CodeSource::kDecoded || F::kBlock == kChunk,
                "a chunk is a block");
  using Decoded = typename Machine::template Decoded<F>;

  // How many vectors of integer products a chunk has, which are scaled.
  static constexpr size_t Leaders() { return Turn(kVectors); }

  template <size_t... kT>
  static HWY_INLINE void Run(std::index_sequence<kT...> tokens,
                             const Block* HWY_RESTRICT x,
                             const Decoded& decoded,
                             const Int8RowChunk* HWY_RESTRICT y,
                             size_t y_stride, Sums* HWY_RESTRICT sums) {
    Scales<sizeof...(kT)> scales;
    ScaleAll(std::make_index_sequence<kGroups / kWindow>(), tokens, x, y,
             y_stride, scales, sums);
#if NIBBLE_SCALES_IN_MEMORY
    if constexpr (OneGroup<0>()) __asm__("" : "+m"(scales));
#endif
    HWY_ALIGN uint8_t buffer[kChunk / 8];
    const auto signs = ChunkSigns(x, buffer);
    Steps(std::make_index_sequence<kChunk / kN>(), tokens, decoded, y, y_stride,
          scales, signs, sums);
  }

 private:
  // s * o - m, divided by kCorrectionFactor.
  template <size_t kFirst>
  static HWY_INLINE VS WindowCorrection(DS ds, const Block* HWY_RESTRICT x,
                                        VS s) {
    auto correction = s;
    if constexpr (kMasksShifts) {
      constexpr float kRatio =
          static_cast<float>(kOffset + F::kShift) / kOffset;
      const auto shifted =
          Windows::template ShiftMask<typename F::ShiftCodes, kFirst>(ds, x);
      correction = hn::MaskedMulOr(s, shifted, s, hn::Set(ds, kRatio));
    } else if constexpr (kHasShifts) {
      correction =
          hn::Mul(s, Windows::template Offsets<kFirst>(ds, x, kOffset));
    }
    if constexpr (kHasMins) {
      static_assert(!kHasShifts, "no format has mins and shifts");
      const auto m = Windows::template Mins<kFirst>(ds, x);
      if constexpr (kOffset == 0) {
        correction = m;
      } else {
        static_assert(F::kMinFactor == 1.0f, "s * o would change its sign");
        correction =
            hn::NegMulAdd(s, hn::Set(ds, static_cast<float>(kOffset)), m);
      }
    }
    return correction;
  }

  template <size_t kFirst, size_t... kT, class S>
  static HWY_INLINE void ScaleWindow(std::index_sequence<kT...>,
                                     const Block* HWY_RESTRICT x,
                                     const Int8RowChunk* HWY_RESTRICT y,
                                     size_t y_stride, S& scales,
                                     Sums* HWY_RESTRICT sums) {
    const DS ds;
    const VS s = Windows::template Scales<kFirst>(ds, x);
    (hn::Store(hn::Mul(s, hn::Load(ds, ScalesOf(y[kT * y_stride]) + kFirst)),
               ds, scales.at[kT] + kFirst),
     ...);
    if constexpr (kSumsCorrections) {
      const VS c = WindowCorrection<kFirst>(ds, x, s);
      ((sums[kT].correction =
            hn::MulAdd(c, hn::Load(ds, SumsOf(y[kT * y_stride]) + kFirst),
                       sums[kT].correction)),
       ...);
    }
  }
  template <size_t... kW, class Tokens, class S>
  static HWY_INLINE void ScaleAll(std::index_sequence<kW...>, Tokens tokens,
                                  const Block* HWY_RESTRICT x,
                                  const Int8RowChunk* HWY_RESTRICT y,
                                  size_t y_stride, S& scales,
                                  Sums* HWY_RESTRICT sums) {
    (ScaleWindow<kW * kWindow>(tokens, x, y, y_stride, scales, sums), ...);
  }
  static HWY_INLINE const float* ScalesOf(const Int8RowChunk& y) {
    return kGroups == 16 ? y.scale16 : y.scale32;
  }
  static HWY_INLINE const float* SumsOf(const Int8RowChunk& y) {
    return kGroups == 16 ? y.sum16 : y.sum32;
  }

  // -- Products of positions [kPos, kPos + kN).

  // The group of float lane `lane`, whose product has four neighbours in it.
  template <size_t kPos>
  static constexpr size_t GroupOf(size_t lane) {
    return Order::Logical(kPos + 4 * Lanes::From(lane, kPos / kN)) / kGroup;
  }
  template <size_t kPos>
  static constexpr bool OneGroup() {
    for (size_t lane = 1; lane < kFloats; ++lane) {
      if (GroupOf<kPos>(lane) != GroupOf<kPos>(0)) return false;
    }
    return true;
  }

  // Vectors whose lanes are of the same groups add up their products as
  // integers: one conversion and multiply-add for all.
  static constexpr size_t kVectors = kChunk / kN;
  static constexpr bool SameGroups(size_t j, size_t k) {
    for (size_t lane = 0; lane < kFloats; ++lane) {
      if (Order::Logical(j * kN + 4 * Lanes::From(lane, j)) / kGroup !=
          Order::Logical(k * kN + 4 * Lanes::From(lane, k)) / kGroup) {
        return false;
      }
    }
    return true;
  }
  // The first such vector, how many there are, and the i-th of them.
  static constexpr size_t Leader(size_t j) {
    for (size_t k = 0; k < j; ++k) {
      if (SameGroups(j, k)) return k;
    }
    return j;
  }
  static constexpr size_t Members(size_t leader) {
    size_t count = 0;
    for (size_t k = 0; k < kVectors; ++k) count += SameGroups(leader, k);
    return count;
  }
  static constexpr size_t Member(size_t leader, size_t i) {
    size_t k = leader;
    for (; i != 0; --i) {
      do {
        ++k;
      } while (!SameGroups(leader, k));
    }
    return k;
  }
  // Leaders before this one: they take turns with two running sums.
  static constexpr size_t Turn(size_t leader) {
    size_t turn = 0;
    for (size_t k = 0; k < leader; ++k) turn += Leader(k) == k;
    return turn;
  }

  template <size_t kPos>
  struct GroupIndex {
    static constexpr size_t kFirst = GroupOf<kPos>(0) / kWindow * kWindow;
    alignas(64) int32_t lane[kFloats] = {};
    constexpr GroupIndex() {
      for (size_t i = 0; i < kFloats; ++i) {
        lane[i] = static_cast<int32_t>(GroupOf<kPos>(i) - kFirst);
      }
    }
  };

  // Are lanes in the order of scales?
  template <size_t kPos>
  static constexpr bool GroupPerLane() {
    for (size_t lane = 0; lane < kFloats; ++lane) {
      if (GroupOf<kPos>(lane) != lane / kTimes) return false;
    }
    return kGroups >= kFloats;
  }
  // Lane i gets the scale of its group: a broadcast from memory, or a lookup in
  // one window.
  template <size_t kPos>
  static HWY_INLINE VF Expand(const float* HWY_RESTRICT scales) {
    const DF df;
    if constexpr (OneGroup<kPos>()) {
      return hn::Set(df, scales[GroupOf<kPos>(0)]);
    } else if constexpr (GroupPerLane<kPos>()) {
      return hn::Load(df, scales);
    } else {
      static constexpr GroupIndex<kPos> kIndex;
      const auto window =
          hn::ResizeBitCast(df, hn::Load(DS(), scales + kIndex.kFirst));
      return hn::TableLookupLanes(window, hn::SetTableIndices(df, kIndex.lane));
    }
  }

  // Products of all vectors, turn by turn: those of the last one make all.
  struct TurnIndex {
    alignas(64) int32_t lane[kFloats] = {};
    constexpr TurnIndex() {
      for (size_t i = 0; i < kFloats; ++i) {
        lane[i] = static_cast<int32_t>(Lanes::From(i, 1));
      }
    }
  };
  static HWY_INLINE hn::Vec<hn::RebindToSigned<DF>> TurnedQuads(
      const hn::Vec<D8> (&codes)[kVectors], const hn::Vec<DI8> (&y)[kVectors]) {
    static_assert(kQuads, "products of four");
    static constexpr TurnIndex kIndex;
    const hn::RebindToSigned<DF> di32;
    const auto turn = hn::SetTableIndices(di32, kIndex.lane);
    auto sum = hn::Zero(di32);
    HWY_UNROLL(8)
    for (size_t j = 0; j < kVectors; ++j) {
      if (j != 0) sum = hn::TableLookupLanes(sum, turn);
      const size_t last = kVectors - 1 - j;
      sum = QuadsU8I8(di32, codes[last], y[last], sum);
    }
    return sum;
  }

  // The sum of products, quads of it per lane, times the scale.
  template <size_t kJ>
  static HWY_INLINE void AddScaled(hn::Vec<hn::RebindToSigned<DF>> products,
                                   const float* HWY_RESTRICT scales,
                                   Sums& sums) {
    const DF df;
    VF& sum = kTwoChains && Turn(kJ) % 2 != 0 ? sums.odd : sums.even;
    sum = hn::MulAdd(hn::ConvertTo(df, products), Expand<kJ * kN>(scales), sum);
  }

  // A vector of codes and what multiplies activations by their signs.
  template <size_t kJ>
  static HWY_INLINE auto StepCodes(const Decoded& x) {
    return Machine::type::template Eval<kJ * kN, 0, kBias>(Codes(), x);
  }
  static HWY_INLINE auto ChunkSigns(const Block* HWY_RESTRICT x,
                                    uint8_t* HWY_RESTRICT buffer) {
    static_assert(!kHasSigns || F::kBlock == kChunk, "one block of signs");
    if constexpr (kHasSigns && Machine::kSigns == SignSource::kLanes) {
      return LaneSigns(typename F::Signs(), x);
    } else if constexpr (kHasSigns) {
      return OrderedSigns(Order(), typename F::Signs(), x, buffer);
    } else {
      return 0;
    }
  }
  template <size_t kJ, class Signs>
  static HWY_INLINE auto StepSigns(Signs signs) {
    if constexpr (kHasSigns && Machine::kSigns == SignSource::kLanes) {
      return LaneSignMask(Order(), hwy::SizeTag<kJ>(), typename F::Signs(),
                          signs);
    } else if constexpr (kHasSigns) {
      return SignsAt<kJ * kN>(DI8(), Order(), typename F::Signs(), signs);
    } else {
      return 0;
    }
  }
  template <size_t kJ, class Signs>
  static HWY_INLINE hn::Vec<DI8> Activations(const Int8RowChunk& y,
                                             Signs signs) {
    const auto v = hn::Load(DI8(), y.q + kJ * kN);
    if constexpr (kHasSigns) {
      return WithSigns(DI8(), signs, v);
    } else {
      return v;
    }
  }

  // Codes of a leader and its members leave memory once and meet every token.
  template <size_t kJ, size_t... kI, size_t... kT, class S, class Signs>
  static HWY_INLINE void Step(std::index_sequence<kI...>,
                              std::index_sequence<kT...>, const Decoded& x,
                              const Int8RowChunk* HWY_RESTRICT y,
                              size_t y_stride, const S& scales, Signs signs,
                              Sums* HWY_RESTRICT sums) {
    const hn::RebindToSigned<DF> di32;
    const hn::Vec<D8> codes[] = {StepCodes<Member(kJ, kI)>(x)...};
    const decltype(StepSigns<0>(signs)) s[] = {
        StepSigns<Member(kJ, kI)>(signs)...};
    const auto products = [&](const Int8RowChunk& token) HWY_ATTR {
      const hn::Vec<DI8> a[] = {Activations<Member(kJ, kI)>(token, s[kI])...};
      if constexpr (Lanes::kTurn) {
        return TurnedQuads(codes, a);
      } else {
        return Dot4All<kMaxCode, kSignedCodes, kQuads>(di32, codes, a);
      }
    };
    (AddScaled<kJ>(products(y[kT * y_stride]), scales.at[kT], sums[kT]), ...);
  }
  template <size_t kJ, class Tokens, class S, class Signs>
  static HWY_INLINE void StepOfLeader(Tokens tokens, const Decoded& x,
                                      const Int8RowChunk* HWY_RESTRICT y,
                                      size_t y_stride, const S& scales,
                                      Signs signs, Sums* HWY_RESTRICT sums) {
    if constexpr (Leader(kJ) == kJ) {
      Step<kJ>(std::make_index_sequence<Members(kJ)>(), tokens, x, y, y_stride,
               scales, signs, sums);
    }
  }
  template <size_t... kJ, class Tokens, class S, class Signs>
  static HWY_INLINE void Steps(std::index_sequence<kJ...>, Tokens tokens,
                               const Decoded& x,
                               const Int8RowChunk* HWY_RESTRICT y,
                               size_t y_stride, const S& scales, Signs signs,
                               Sums* HWY_RESTRICT sums) {
    (StepOfLeader<kJ>(tokens, x, y, y_stride, scales, signs, sums), ...);
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_CHUNK_DOT_INL_H_
