// SPDX-License-Identifier: MIT
// The SIMD machine in PlaneOrder<2>, for grids of points of four weights: the
// points' bits are looked up in registers, 64 points at a time, and bit
// matrices turn them into one weight of every point. A gather of sixteen points
// takes 9 cycles on Emerald Rapids. Matvec from memory, Gweights/s:
// IQ3_XXS 17.0 -> 19.8 with gathers in LaneOrder, 31.3 so; IQ3_S 15.3
// -> 18.4, 25.6.
#if defined(NIBBLE_SIMD_PLANE_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_PLANE_MACHINE_INL_H_
#undef NIBBLE_SIMD_PLANE_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_PLANE_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/lane_signs-inl.h"
#include "nibble/simd/order.h"

// No functions, so no attributes of a target (clang would miss them).
namespace nibble {
namespace HWY_NAMESPACE {

// Grids of which the machine has a case.
template <class Codes>
inline constexpr bool kWantsPlanes = false;
template <class Grid, class Index>
inline constexpr bool kWantsPlanes<formats::GridPoints<Grid, Index>> =
    sizeof(typename Grid::Point) == 4;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if NIBBLE_LANE_ORDER

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The points of a grid, four bits to a weight: those in which its levels
// differ.
template <class Grid>
struct GridPlanes {
  static constexpr size_t kTables = Grid::kPoints / 64;
  static constexpr uint8_t Level(size_t point, size_t weight) {
    return static_cast<uint8_t>(Grid::Host()[point] >> (8 * weight));
  }
  static constexpr uint8_t Bits(bool all) {
    uint8_t every = 255, any = 0;
    for (size_t i = 0; i < 4 * Grid::kPoints; ++i) {
      every &= Level(i / 4, i % 4);
      any |= Level(i / 4, i % 4);
    }
    return all ? every : static_cast<uint8_t>(any & ~every);
  }
  static constexpr uint8_t kConstant = Bits(true), kVaries = Bits(false);
  // Bits that vary below `bit`.
  static constexpr int Rank(int bit) {
    int rank = 0;
    for (int i = 0; i < bit; ++i) rank += kVaries >> i & 1;
    return rank;
  }
  static_assert(Rank(8) <= 4, "half a byte for each weight");

  // plane[h][i]: weights 2 h and 2 h + 1 of point i.
  alignas(64) uint8_t plane[2][Grid::kPoints] = {};
  // From a plane's byte to its lower and its upper weight.
  uint64_t matrix[2] = {};
  constexpr GridPlanes() {
    for (size_t i = 0; i < 4 * Grid::kPoints; ++i) {
      uint32_t bits = 0;
      for (int bit = 0; bit < 8; ++bit) {
        if (kVaries >> bit & 1) {
          bits |= (Level(i / 4, i % 4) >> bit & 1u) << Rank(bit);
        }
      }
      uint8_t& byte = plane[i % 4 / 2][i / 4];
      byte = static_cast<uint8_t>(byte | bits << (4 * (i % 2)));
    }
    for (int bit = 0; bit < 8; ++bit) {
      const uint64_t row = kVaries >> bit & 1 ? uint64_t{1} << Rank(bit) : 0;
      matrix[0] |= row << (8 * (7 - bit));
      matrix[1] |= row << (8 * (7 - bit) + 4);
    }
  }
};

// As LaneMachine, for positions [64 kJ, 64 kJ + 64): weight kJ of every point.
struct PlaneMachine {
  using D8 = hn::ScalableTag<uint8_t>;
  using V = hn::Vec<D8>;
  using M = hn::Mask<D8>;

  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Index,
            class X>
  static HWY_INLINE V Eval(formats::GridPoints<Grid, Index>,
                           const X* HWY_RESTRICT x) {
    static constexpr GridPlanes<Grid> kPlanes;
    constexpr size_t kWeight = kE / 64;
    const V plane = Lookup(kPlanes.plane[kWeight / 2], Index(), x);
    const auto matrix =
        _mm512_set1_epi64(static_cast<int64_t>(kPlanes.matrix[kWeight % 2]));
    return V{_mm512_gf2p8affine_epi64_epi8(plane.raw, matrix,
                                           GridPlanes<Grid>::kConstant)};
  }

 private:
  // Entries of a table of 256 bytes, or of 512.
  template <auto kM, class X>
  static HWY_INLINE V Lookup(const uint8_t* HWY_RESTRICT table,
                             formats::Field<8, 64, kM>,
                             const X* HWY_RESTRICT x) {
    const D8 d8;
    const V index = hn::LoadU(d8, x->*kM);
    const M bit6 = hn::TestBit(index, hn::Set(d8, uint8_t{64}));
    const M bit7 = hn::TestBit(index, hn::Set(d8, uint8_t{128}));
    const auto entry = [&](size_t i) HWY_ATTR {
      return V{
          _mm512_permutexvar_epi8(index.raw, hn::Load(d8, table + 64 * i).raw)};
    };
    return hn::IfThenElse(bit7, hn::IfThenElse(bit6, entry(3), entry(2)),
                          hn::IfThenElse(bit6, entry(1), entry(0)));
  }
  template <class Low, auto kM, class X>
  static HWY_INLINE V
  Lookup(const uint8_t* HWY_RESTRICT table,
         formats::Or<Low, formats::Shl<8, formats::Field<1, 1, kM>>>,
         const X* HWY_RESTRICT x) {
    const M bit8 = hn::LoadMaskBits(D8(), x->*kM);
    return hn::IfThenElse(bit8, Lookup(table + 256, Low(), x),
                          Lookup(table, Low(), x));
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_LANE_ORDER

#endif  // NIBBLE_SIMD_PLANE_MACHINE_INL_H_
