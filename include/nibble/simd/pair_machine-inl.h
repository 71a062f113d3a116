// SPDX-License-Identifier: MIT
// The SIMD machine in PairOrder, for pairs of codes from a grid of 32 (AVX2).
//
// A member of 32 pairs is two lookups in sixteen bytes: the one that is not
// asked gives zero, since bit 7 of its indices is set. Members stay apart.
// IQ2_KL matvec from memory, one core of Emerald Rapids: 3.3 -> 9.0 GB/s.
#if defined(NIBBLE_SIMD_PAIR_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_PAIR_MACHINE_INL_H_
#undef NIBBLE_SIMD_PAIR_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_PAIR_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/order.h"

namespace nibble {
namespace HWY_NAMESPACE {

// Codes that have a case in PairMachine, on this target.
template <class Codes>
inline constexpr bool kWantsPairs = false;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class Grid, class Low, class High>
inline constexpr bool kWantsPairs<
    formats::PairLut<Grid, formats::Or<Low, formats::Shl<4, High>>>> = true;

// One member of every pair, sixteen pairs at a time, kAdd added.
template <class Grid, size_t kMember, int kAdd>
struct PairTable {
  alignas(16) uint8_t half[2][16] = {};
  constexpr PairTable() {
    for (uint32_t i = 0; i < 32; ++i) {
      half[i / 16][i % 16] =
          static_cast<uint8_t>((Grid::kPairs[i] >> (8 * kMember)) + kAdd);
    }
  }
};

// As Simd, for positions [kE, kE + 32) of a block of 256.
struct PairMachine {
  using D8 = hn::Full256<uint8_t>;
  using V = hn::Vec<D8>;

  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Low,
            class High, class X>
  static HWY_INLINE V
  Eval(formats::PairLut<Grid, formats::Or<Low, formats::Shl<4, High>>> codes,
       const X* HWY_RESTRICT x) {
    static_assert(formats::Width<High>::value == 1, "two tables of sixteen");
    constexpr int kAdd = kBias ? kBiasOf<decltype(codes)> : 0;
    static constexpr PairTable<Grid, kE / 32 % 2, kAdd> kTable;
    using Indices = Simd<D8, typename OrderOf<Low>::type>;
    constexpr size_t kFirst = kE / 64 * 32;
    const D8 d8;
    const V upper = Indices::template Eval<kFirst, 7>(High(), x);
    const V index = hn::Or(Indices::template Eval<kFirst>(Low(), x), upper);
    return hn::Or(
        hn::TableLookupBytesOr0(hn::LoadDup128(d8, kTable.half[0]), index),
        hn::TableLookupBytesOr0(hn::LoadDup128(d8, kTable.half[1]),
                                hn::Xor(index, hn::Set(d8, uint8_t{0x80}))));
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // HWY_TARGET == HWY_AVX2

#endif  // NIBBLE_SIMD_PAIR_MACHINE_INL_H_
