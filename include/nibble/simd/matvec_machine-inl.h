// SPDX-License-Identifier: MIT
// Which machine and element order matvec takes for a Codes type on this target.
#if defined(NIBBLE_SIMD_MATVEC_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_MATVEC_MACHINE_INL_H_
#undef NIBBLE_SIMD_MATVEC_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_MATVEC_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/simd/digit_machine-inl.h"
#include "nibble/simd/lane32_machine-inl.h"
#include "nibble/simd/lane_machine-inl.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/order.h"
#include "nibble/simd/pair_machine-inl.h"
#include "nibble/simd/plane_machine-inl.h"
#include "nibble/simd/point_machine-inl.h"
#include "nibble/simd/ternary_machine-inl.h"
#include "nibble/simd/trellis_machine-inl.h"
#include "nibble/simd/turn_machine-inl.h"

// No functions, so no attributes of a target (clang would miss them).
namespace nibble {
namespace HWY_NAMESPACE {

enum class MachineKind {
  kSimd,
  kSeeds,
  kLanes64,
  kPoints,
  kTrellis,
  kTurns,
  kTernary,
  kLanes32,
  kPairs,
  kDigits
};
template <class Codes, bool kIsTrellis = formats::TrellisOf<Codes>::kIsTrellis>
inline constexpr MachineKind kMachineKind =
    kWantsTernary<Codes> ? MachineKind::kTernary
    : NIBBLE_LANE_ORDER != 0 && kWantsLanes<Codes>
        ? (kIsTrellis            ? MachineKind::kTrellis
           : kWantsPoints<Codes> ? MachineKind::kPoints
                                 : MachineKind::kLanes64)
    : kIsTrellis           ? MachineKind::kSeeds
    : kWantsTurns<Codes>   ? MachineKind::kTurns
    : kWantsLanes32<Codes> ? MachineKind::kLanes32
    : kWantsPairs<Codes>   ? MachineKind::kPairs
    : kWantsDigits<Codes>  ? MachineKind::kDigits
                           : MachineKind::kSimd;

// What a machine evaluates codes from.
enum class CodeSource {
  kBlock,    // the block
  kDecoded,  // what it has decoded of it, knowing how much can be read
  kAhead,    // the same, one chunk ahead
  kSpan,     // what it has stored of several chunks
};

// Where signs are: in the machine's order, in lanes, or in its codes, which are
// weights plus F::kMaxCode then.
enum class SignSource { kOrdered, kLanes, kCodes };

// A machine, its element order, what it evaluates codes from, where signs are.
template <class M, class O, CodeSource kFrom,
          SignSource kSignsAre = SignSource::kOrdered>
struct MachineTraits {
  static constexpr SignSource kSigns = kSignsAre;
  static constexpr CodeSource kSource = kFrom;
  using Order = O;
  using type = M;
};
// The same from the block.
template <class M, class O, SignSource kSignsAre = SignSource::kOrdered>
struct BlockMachine : MachineTraits<M, O, CodeSource::kBlock, kSignsAre> {
  template <class F>
  using Decoded = const typename F::Block* HWY_RESTRICT;
};
// From a D, for any format.
template <class M, class O, class D, CodeSource kFrom = CodeSource::kDecoded,
          SignSource kSignsAre = SignSource::kOrdered>
struct DecodingMachine : MachineTraits<M, O, kFrom, kSignsAre> {
  template <class F>
  using Decoded = D;
};

// What matvec takes on this target.
template <class Codes, MachineKind = kMachineKind<Codes>>
struct MatvecMachine
    : BlockMachine<
          Simd<hn::ScalableTag<uint8_t>, typename OrderOf<Codes>::type>,
          typename OrderOf<Codes>::type> {};
template <int kGroup, class Index, bool kMagnitude>
struct MatvecMachine<formats::Trellis<kGroup, Index, kMagnitude>,
                     MachineKind::kSeeds>
    : DecodingMachine<Simd<hn::ScalableTag<uint8_t>, QuadOrder<kGroup>>,
                      QuadOrder<kGroup>, ChunkSeeds<kGroup>> {};
#if NIBBLE_LANE_ORDER
template <class Codes>
struct MatvecMachine<Codes, MachineKind::kLanes64>
    : hwy::If<kWantsPlanes<Codes>,
              BlockMachine<PlaneMachine, PlaneOrder<2>, SignSource::kLanes>,
              BlockMachine<LaneMachine, LaneOrder, SignSource::kLanes>> {};
template <class Codes>
struct MatvecMachine<Codes, MachineKind::kPoints>
    : DecodingMachine<PointMachine, PointOrder, PointMachine::Chunk,
                      CodeSource::kSpan, SignSource::kCodes> {
  template <class F>
  using Span = PointMachine::Span<F>;
};
template <int kGroup, class Index, bool kMagnitude>
struct MatvecMachine<formats::Trellis<kGroup, Index, kMagnitude>,
                     MachineKind::kTrellis>
    : DecodingMachine<TrellisMachine, TrellisOrder<kGroup>,
                      TrellisMachine::Decoded<8 / kGroup>, CodeSource::kAhead,
                      SignSource::kLanes> {};
template <class Layout, auto kM>
struct MatvecMachine<formats::Base3<Layout, kM>, MachineKind::kTernary>
    : DecodingMachine<TernaryMachine, TernaryOrder<Layout>, TernaryMachine::V> {
};
template <class Codes>
struct MatvecMachine<Codes, MachineKind::kTurns>
    : DecodingMachine<TurnMachine, TurnOrder, TurnMachine::V> {};
#endif
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2
template <class Codes>
struct MatvecMachine<Codes, MachineKind::kLanes32>
    : MachineTraits<Lane32Machine, LaneOrder, CodeSource::kSpan,
                    SignSource::kLanes> {
  template <class F>
  using Decoded = Lane32Machine::Chunk<Codes, typename F::Block>;
  template <class F>
  using Span = Lane32Machine::Span<Codes, typename F::Block>;
};
template <class Codes>
struct MatvecMachine<Codes, MachineKind::kPairs>
    : BlockMachine<PairMachine, typename OtherOrderOf<Codes>::type> {};
template <class Codes>
struct MatvecMachine<Codes, MachineKind::kDigits>
    : BlockMachine<DigitMachine, typename OtherOrderOf<Codes>::type> {};
#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#endif  // NIBBLE_SIMD_MATVEC_MACHINE_INL_H_
