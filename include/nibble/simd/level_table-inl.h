// SPDX-License-Identifier: MIT
// Formats of sixteen levels or fewer, whose weights are looked up.
#if defined(NIBBLE_SIMD_LEVEL_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_LEVEL_TABLE_INL_H_
#undef NIBBLE_SIMD_LEVEL_TABLE_INL_H_
#else
#define NIBBLE_SIMD_LEVEL_TABLE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Codes of at most four bits: sixteen levels, looked up by `Index`.
template <class E, bool kFew = (formats::Width<E>::value <= 4)>
struct LevelTable {
  static constexpr bool kHas = false;
};
template <class E>
struct LevelTable<E, true> {
  static constexpr bool kHas = !formats::IsSigned<E>::value;
  using Index = E;
  static constexpr int Level(int i) { return i; }
};
template <class E, uint64_t... kWords>
struct LevelTable<formats::Lut<E, kWords...>, true> {
  static constexpr bool kHas = true;
  using Index = E;
  using Entries = formats::LutEntries<kWords...>;
  static constexpr int Level(int i) { return Entries::At(i % Entries::kSize); }
};

template <class Table>
struct LevelFloats {
  alignas(64) float values[16];
  constexpr LevelFloats() : values() {
    for (int i = 0; i < 16; ++i) {
      values[i] = static_cast<float>(Table::Level(i));
    }
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_LEVEL_TABLE_INL_H_
