// SPDX-License-Identifier: MIT
// The SIMD machine in TurnOrder, for two-bit codes in runs of 32: three
// shuffles of products replace three conversions, multiplications by scales and
// their shuffles, of four. Matvec from L2, one core of Emerald Rapids,
// Gweights/s: IQ2_KS 50 -> 67, IQ2_K 51 -> 60, Q2_K 49 -> 57, TQ2_0 53 -> 70;
// eight tokens, GFLOPS: IQ2_KS 165 -> 222, IQ2_K 164 -> 220.
#if defined(NIBBLE_SIMD_TURN_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_TURN_MACHINE_INL_H_
#undef NIBBLE_SIMD_TURN_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_TURN_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/index64-inl.h"
#include "nibble/simd/order.h"

// No functions, so no attributes of a target (clang would miss them).
namespace nibble {
namespace HWY_NAMESPACE {

// Codes that have a case in TurnMachine, on this target.
template <class Codes>
inline constexpr bool kWantsTurns = false;
template <auto kM>
inline constexpr bool kWantsTurns<formats::Field<2, 32, kM>> =
    kVbmi&& formats::MemberBytes(kM) == 64;
template <class E, uint64_t... kWords>
inline constexpr bool kWantsTurns<formats::Lut<E, kWords...>> = kWantsTurns<E>;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL  // kVbmi

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Constants of TurnOrder's 32-bit lanes.
struct TurnLanes {
  alignas(64) uint32_t word[16] = {};
  alignas(64) uint32_t rotation[16] = {};
  constexpr TurnLanes() {
    for (size_t i = 0; i < 16; ++i) {
      word[i] = static_cast<uint32_t>(TurnOrder::Word(i));
      rotation[i] = static_cast<uint32_t>(TurnOrder::Rotation(i));
    }
  }
};

// What bits [kPlace, kPlace + 2) of an index stand for.
template <class Entries, int kPlace, int kFlip>
struct TurnTable {
  alignas(64) uint8_t bytes[64] = {};
  constexpr TurnTable() {
    for (int i = 0; i < 64; ++i) {
      bytes[i] = static_cast<uint8_t>(Entries::At(i >> kPlace & 3) ^ kFlip);
    }
  }
};

// As Simd, for positions [kE, kE + 64) of a chunk whose lanes have been
// rotated: fields at bit kE / 32 of all bytes.
struct TurnMachine {
  using D8 = hn::ScalableTag<uint8_t>;
  using V = hn::Vec<D8>;
  static_assert(HWY_MAX_LANES_D(D8) == 64, "sixteen words");

  template <auto kM, class X>
  static HWY_INLINE V Decode(formats::Field<2, 32, kM>, const X* HWY_RESTRICT x,
                             size_t /*readable*/) {
    static constexpr TurnLanes kLanes;
    const hn::Repartition<uint32_t, D8> d32;
    const auto words = hn::BitCast(d32, hn::LoadU(D8(), x->*kM));
    const auto lanes =
        hn::TableLookupLanes(words, hn::SetTableIndices(d32, kLanes.word));
    return hn::BitCast(D8(), hn::Ror(lanes, hn::Load(d32, kLanes.rotation)));
  }
  template <class E, uint64_t... kWords, class X>
  static HWY_INLINE V Decode(formats::Lut<E, kWords...>,
                             const X* HWY_RESTRICT x, size_t readable) {
    return Decode(E(), x, readable);
  }

  template <size_t kE, int kAt = 0, bool kBias = false, auto kM>
  static HWY_INLINE V Eval(formats::Field<2, 32, kM>, V rotated) {
    return hn::And(Moved<kE / 32>(rotated), hn::Set(D8(), uint8_t{3}));
  }
  template <size_t kE, int kAt = 0, bool kBias = false, class E,
            uint64_t... kWords>
  static HWY_INLINE V Eval(formats::Lut<E, kWords...>, V rotated) {
    // An index is six bits: fields from where they are, but for the last.
    constexpr int kPlace = HWY_MIN(kE / 32, 4);
    using Entries = formats::LutEntries<kWords...>;
    static constexpr TurnTable<Entries, kPlace, kBias ? 0x80 : 0> kTable;
    const V index = Moved<kE / 32 - kPlace>(rotated);
    return hn::TableLookupLanes(hn::Load(D8(), kTable.bytes),
                                LowBitIndices(D8(), index));
  }

 private:
  template <int kRight>
  static HWY_INLINE V Moved(V v) {
    const hn::Repartition<uint16_t, D8> d16;
    if constexpr (kRight == 0) return v;
    return hn::BitCast(D8(), hn::ShiftRight<kRight>(hn::BitCast(d16, v)));
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // kVbmi

#endif  // NIBBLE_SIMD_TURN_MACHINE_INL_H_
