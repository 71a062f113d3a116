// SPDX-License-Identifier: MIT
// Level sets: the values a code can take, and the nearest of them.
#if defined(NIBBLE_SEARCH_LEVELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_LEVELS_INL_H_
#undef NIBBLE_SEARCH_LEVELS_INL_H_
#else
#define NIBBLE_SEARCH_LEVELS_INL_H_
#endif

#include <type_traits>

#include "nibble/formats/format.h"
#include "nibble/search/lanes-inl.h"
#include "nibble/search/one_lane.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// The integers kLo .. kHi; code = level - kLo + kFirstCode.
template <class L, int kLo, int kHi, int kFirstCode = 0>
struct LinearLevels {
  using V = typename L::V;
  static constexpr float kMin = kLo, kMax = kHi;
  static constexpr int kCount = kHi - kLo + 1;
  static constexpr float kReach = 0.5f - kMin;

  static HWY_INLINE V Near(V z) {
    return L::Max(L::Min(L::Round(z), L::Set(kMax)), L::Set(kMin));
  }
  // For |z| <= kReach, where the lower clamp cannot act.
  static HWY_INLINE V NearInside(V z) {
    return L::Min(L::Round(z), L::Set(kMax));
  }
  // The level above or below; itself at the ends.
  static HWY_INLINE V Step(V level, typename L::M up) {
    const V to = L::Add(level, L::If(up, L::Set(1.0f), L::Set(-1.0f)));
    return L::Max(L::Min(to, L::Set(kMax)), L::Set(kMin));
  }
  // Any finite z, however large.
  static HWY_INLINE typename L::I Code(V z) {
    const V level =
        L::Round(L::Max(L::Min(z, L::Set(kMax)), L::Set(kMin)));
    const auto code = L::ToInt(L::Sub(level, L::Set(kMin)));
    if constexpr (kFirstCode == 0) {
      return code;
    } else {  // two's complement bytes
      return L::AndI(L::AddI(code, L::SetI(kFirstCode)), L::SetI(255));
    }
  }
};

// kLo, kLo + kStep .. kHi, of which the lowest is code 0: decoded codes that are
// multiples of kStep.
template <class L, int kLo, int kHi, int kStep>
struct SteppedLevels {
  using V = typename L::V;
  using Steps = LinearLevels<L, 0, (kHi - kLo) / kStep>;
  static constexpr float kMin = kLo, kMax = kHi;
  static constexpr int kCount = Steps::kCount;
  static constexpr float kReach = 0.0f;  // no shortcut

  static HWY_INLINE V Near(V z) {
    const V steps = Steps::Near(ToSteps(z));
    return L::AddMul(L::Set(kMin), steps, L::Set(kStep));
  }
  static HWY_INLINE V NearInside(V z) { return Near(z); }
  static HWY_INLINE V Step(V level, typename L::M up) {
    const V steps = Steps::Step(ToSteps(level), up);
    return L::AddMul(L::Set(kMin), steps, L::Set(kStep));
  }
  static HWY_INLINE typename L::I Code(V z) {
    return L::ToInt(L::Sub(Near(z), L::Set(kMin)));
  }

 private:
  static HWY_INLINE V ToSteps(V z) {
    return L::Mul(L::Sub(z, L::Set(kMin)), L::Set(1.0f / kStep));
  }
};

// Up to 16 signed levels at least 10 apart, as in a Lut16. Nearest without a
// search: bucket = round(z / 10) holds at most one midpoint, so it names the
// level at its lower edge and the gap to the next, and one comparison decides.
// Midpoints go to the upper level.
struct TableBuckets {
  // Buckets -16 .. 15 at index 0 .. 31 (negative ones in the upper half, as
  // the low five bits of two's complement read).
  alignas(64) float mid[32] = {};
  alignas(64) float below[32] = {};
  alignas(64) float above[32] = {};
  // The same as bytes. Entry 15 (no bucket of a value in range) is 0x4B, the top
  // byte of 2^23: a lookup can deliver the float 2^23 + byte at once.
  alignas(16) uint8_t biased[32] = {};  // below + 128
  alignas(16) uint8_t gap[32] = {};     // above - below
  float lowest = 0, highest = 0;
  int count = 0;

  constexpr TableBuckets(uint64_t lo, uint64_t hi) {
    int level[16] = {};
    for (int i = 0; i < 16; ++i) {
      const uint64_t word = i < 8 ? lo : hi;
      level[i] = static_cast<int8_t>((word >> (8 * (i % 8))) & 255);
      if (i == 0 || level[i] > level[i - 1]) count = i + 1;
    }
    lowest = static_cast<float>(level[0]);
    highest = static_cast<float>(level[count - 1]);
    for (int i = 0; i < 32; ++i) {
      const int edge = 10 * (i < 16 ? i : i - 32) - 5;
      int k = 0;  // midpoints at or below the edge are decided
      while (k + 1 < count && level[k] + level[k + 1] <= 2 * edge) ++k;
      const bool last = k + 1 == count;
      const int next = last ? level[k] : level[k + 1];
      mid[i] = last ? 1e30f : 0.5f * static_cast<float>(level[k] + next);
      below[i] = static_cast<float>(level[k]);
      above[i] = static_cast<float>(next);
      biased[i] = static_cast<uint8_t>(level[k] + 128);
      gap[i] = static_cast<uint8_t>(next - level[k]);
    }
    biased[15] = gap[15] = 0x4B;
  }
};

template <class L, uint64_t kLoWord, uint64_t kHiWord>
struct TableLevels {
  using V = typename L::V;
  static constexpr TableBuckets kTable{kLoWord, kHiWord};
  static constexpr float kMin = kTable.lowest, kMax = kTable.highest;
  static constexpr int kCount = kTable.count;
  static constexpr float kReach = 144.0f;  // buckets -15 .. 14, shifted or not

  static HWY_INLINE V Near(V z) { return Lookup(Clamp(z)); }
  // For |z| <= kReach, or that less the shift.
  static HWY_INLINE V NearInside(V z) { return Lookup(z); }
  static HWY_INLINE typename L::I Code(V z) { return CodeOf(Near(z)); }
  // The level above or below; itself at the ends.
  static HWY_INLINE V Step(V level, typename L::M up) {
    V above = L::Set(kMax), below = L::Set(kMin);
    for (int k = 0; k < kCount; ++k) {  // from the far end towards the level
      const V hi = L::Set(LevelAt(kCount - 1 - k)), lo = L::Set(LevelAt(k));
      above = L::If(L::Gt(hi, level), hi, above);
      below = L::If(L::Lt(lo, level), lo, below);
    }
    return L::If(up, above, below);
  }

 private:
  // Beyond the outermost levels nothing changes any more.
  static HWY_INLINE V Clamp(V z) {
    return L::Max(L::Min(z, L::Set(kReach)), L::Set(-kReach));
  }
  static constexpr float LevelAt(int k) {
    return static_cast<float>(static_cast<int8_t>(
        ((k < 8 ? kLoWord : kHiWord) >> (8 * (k % 8))) & 255));
  }
  // A level back to its code. Runs once per weight: counting will do.
  static HWY_INLINE typename L::I CodeOf(V level) {
    auto code = L::SetI(0);
    for (int k = 1; k < kCount; ++k) {
      code = L::IfI(L::Ge(level, L::Set(LevelAt(k))), L::SetI(k), code);
    }
    return code;
  }
  static HWY_INLINE float Lookup(float z) {
    const auto bucket = OneLane::Bits(z * 0.1f + kRoundMagic) & 31;
    return z >= kTable.mid[bucket] ? kTable.above[bucket]
                                   : kTable.below[bucket];
  }
  template <class VV, hwy::EnableIf<!std::is_same<VV, float>()>* = nullptr>
  static HWY_INLINE VV Lookup(VV z) {
    const auto bucket =
        L::Bits(L::Add(L::Mul(z, L::Set(0.1f)), L::Set(kRoundMagic)));
    if constexpr (L::kLanes == 16) {
      return LookupFloats(z, bucket);
    } else {
      return LookupBytes(z, bucket);
    }
  }
  // 32 floats are two registers.
  template <class VV, class I>
  static HWY_INLINE VV LookupFloats(VV z, I bucket) {
    const HwyLanes::D d;
    const auto index = hn::IndicesFromVec(d, L::AndI(bucket, L::SetI(31)));
    const auto pick = [&](const float* table) HWY_ATTR {
      return hn::TwoTablesLookupLanes(d, hn::Load(d, table),
                                      hn::Load(d, table + 16), index);
    };
    return L::If(L::Ge(z, pick(kTable.mid)), pick(kTable.above),
                 pick(kTable.below));
  }
  // Byte lookups of 16 entries: an index with bit 7 set gives 0, so one index
  // serves the non-negative buckets and, with bit 7 flipped, the negative ones.
  template <class VV, class I>
  static HWY_INLINE VV LookupBytes(VV z, I bucket) {
    const HwyLanes::D d;
    const hn::Repartition<uint8_t, HwyLanes::D> d8;
    const auto positive =
        L::OrI(L::AndI(bucket, L::SetI(0x8F)), L::SetI(0x0F808000));
    const auto negative =
        L::XorI(positive, L::SetI(static_cast<int>(0x8F000080u)));
    const auto pick = [&](const uint8_t* table) HWY_ATTR {
      const auto a = hn::TableLookupBytesOr0(hn::LoadDup128(d8, table),
                                             hn::BitCast(d8, positive));
      const auto b = hn::TableLookupBytesOr0(hn::LoadDup128(d8, table + 16),
                                             hn::BitCast(d8, negative));
      return hn::BitCast(d, hn::Or(a, b));  // 2^23 + byte
    };
    const VV below = L::Sub(pick(kTable.biased), L::Set(8388608.0f + 128.0f));
    const VV gap = L::Sub(pick(kTable.gap), L::Set(8388608.0f));
    // Half a gap is exact; past the last level the gap is 0: either way below.
    const VV mid = L::Add(below, L::Mul(gap, L::Set(0.5f)));
    return L::Add(below, L::IfElse0(L::Ge(z, mid), gap));
  }
};

// The level set of a Codes description.
template <class L, class F, class Codes>
struct LevelsOf {
  // Plain codes: 0 .. kMaxCode minus the zero point.
  using type = LinearLevels<L, -F::kZero, F::kMaxCode - F::kZero>;
};
template <class L, class F, int k, class E>
struct LevelsOf<L, F, formats::Shl<k, E>> {
  using type =
      SteppedLevels<L, -F::kZero, F::kMaxCode - F::kZero, 1 << k>;
};
template <class L, class F, class E>
struct LevelsOf<L, F, formats::Signed<E>> {
  // Two's complement without the most negative value, which no search writes.
  static constexpr int kTop = (1 << (formats::Width<E>::value - 1)) - 1;
  using type = LinearLevels<L, -kTop, kTop, -kTop>;
};
template <class L, class F, uint64_t kLo, uint64_t kHi, class E>
struct LevelsOf<L, F, formats::Lut16<kLo, kHi, E>> {
  using type = TableLevels<L, kLo, kHi>;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_LEVELS_INL_H_
