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
#include "nibble/formats/fp4.h"
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

// kLo, which is code 0, and kHi; half way between them, kLo. With comparisons
// instead of roundings and clamps Q1_0 has 1050 instead of 920 million weights/s.
template <class L, int kLo, int kHi>
struct TwoLevels {
  using V = typename L::V;
  static constexpr float kMin = kLo, kMax = kHi;
  static constexpr int kCount = 2;
  static constexpr float kReach = 1e30f;  // nothing to clamp

  static HWY_INLINE V Near(V z) {
    return L::If(IsHigh(z), L::Set(kMax), L::Set(kMin));
  }
  static HWY_INLINE V NearInside(V z) { return Near(z); }
  static HWY_INLINE V Step(V, typename L::M up) {
    return L::If(up, L::Set(kMax), L::Set(kMin));
  }
  // Decoded codes, which are as far apart as the levels.
  static HWY_INLINE typename L::I Code(V z) {
    return L::IfI(IsHigh(z), L::SetI(kHi - kLo), L::SetI(0));
  }

 private:
  static HWY_INLINE typename L::M IsHigh(V z) {
    return L::Gt(L::Sub(z, L::Set(kMin)), L::Set(0.5f * (kMax - kMin)));
  }
};

// What the level sets of tables share; Entries is a formats::LutEntries.
template <class L, class Entries>
struct ListedLevels {
  using V = typename L::V;
  static constexpr int kCount = Entries::kCount;
  static constexpr float kMin = Entries::At(0);
  static constexpr float kMax = Entries::At(kCount - 1);

  // The level above or below; itself at the ends.
  static HWY_INLINE V Step(V level, typename L::M up) {
    V above = L::Set(kMax), below = L::Set(kMin);
    for (int k = 0; k < kCount; ++k) {  // from the far end towards the level
      const V hi = L::Set(At(kCount - 1 - k));
      const V lo = L::Set(At(k));
      above = L::If(L::Gt(hi, level), hi, above);
      below = L::If(L::Lt(lo, level), lo, below);
    }
    return L::If(up, above, below);
  }

 protected:
  static constexpr float At(int k) {
    return static_cast<float>(Entries::At(k));
  }
  // A level back to its code. Runs once per weight: counting will do.
  static HWY_INLINE typename L::I CodeOf(V level) {
    auto code = L::SetI(0);
    for (int k = 1; k < kCount; ++k) {
      code = L::IfI(L::Ge(level, L::Set(At(k))), L::SetI(k), code);
    }
    return code;
  }
};

// Four or eight levels: a comparison and a blend for each, less than a lookup
// (eight levels: IQ3_K 59 -> 87 million weights/s on AVX2; sixteen: 63 -> 60).
// Midpoints go to the upper level, here and below.
template <class L, class Entries>
struct FewLevels : ListedLevels<L, Entries> {
  using V = typename L::V;
  static constexpr float kReach = 1e30f;  // nothing to clamp

  static HWY_INLINE V Near(V z) {
    V level = L::Set(FewLevels::kMin);
    for (int k = 1; k < Entries::kCount; ++k) {
      const float below = FewLevels::At(k - 1), above = FewLevels::At(k);
      const auto up = L::Ge(z, L::Set(0.5f * (below + above)));
      level = L::If(up, L::Set(above), level);
    }
    return level;
  }
  static HWY_INLINE V NearInside(V z) { return Near(z); }
  static HWY_INLINE typename L::I Code(V z) {
    return FewLevels::CodeOf(Near(z));
  }
};

// Up to 16 signed levels at least 10 apart. Nearest without a search: bucket =
// round(z / 10) holds at most one midpoint, so it names the level at its lower
// edge and the gap to the next, and one comparison decides.
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

  template <class Entries>
  explicit constexpr TableBuckets(Entries) {
    constexpr int kCount = Entries::kCount;
    for (int i = 0; i < 32; ++i) {
      const int edge = 10 * (i < 16 ? i : i - 32) - 5;
      int k = 0;  // midpoints at or below the edge are decided
      while (k + 1 < kCount &&
             Entries::At(k) + Entries::At(k + 1) <= 2 * edge) {
        ++k;
      }
      const bool last = k + 1 == kCount;
      const int level = Entries::At(k);
      const int next = last ? level : Entries::At(k + 1);
      mid[i] = last ? 1e30f : 0.5f * static_cast<float>(level + next);
      below[i] = static_cast<float>(level);
      above[i] = static_cast<float>(next);
      biased[i] = static_cast<uint8_t>(level + 128);
      gap[i] = static_cast<uint8_t>(next - level);
    }
    biased[15] = gap[15] = 0x4B;
  }
};

template <class L, class Entries>
struct TableLevels : ListedLevels<L, Entries> {
  using V = typename L::V;
  static constexpr TableBuckets kTable{Entries()};
  static constexpr float kReach = 144.0f;  // buckets -15 .. 14, shifted or not

  static HWY_INLINE V Near(V z) { return Lookup(Clamp(z)); }
  // For |z| <= kReach, or that less the shift.
  static HWY_INLINE V NearInside(V z) { return Lookup(z); }
  static HWY_INLINE typename L::I Code(V z) {
    return TableLevels::CodeOf(Near(z));
  }

 private:
  // Beyond the outermost levels nothing changes any more.
  static HWY_INLINE V Clamp(V z) {
    return L::Max(L::Min(z, L::Set(kReach)), L::Set(-kReach));
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

// Up to 64 levels at least 2 apart, by a gather of 32 bits: round(z / kWidth)
// names the level below and the gap to the next as two numbers of bf16, which
// are floats as soon as the other half is out of the way. (A cubic for the number
// of a bucket and byte lookups as above: 6.4 instead of 7.8 ns per vector of
// eight for 32 levels, and nothing for 64.)
template <class Entries>
struct GatherTable {
  alignas(64) int32_t bucket[256] = {};  // below << 16 | gap, both as bf16
  alignas(64) int32_t level[256] = {};   // of level + 128: see Pack

  // The widest power of two that no two midpoints share.
  static constexpr int Width() {
    int least = 255;  // twice the distance
    for (int k = 2; k < Entries::kCount; ++k) {
      const int twice = Entries::At(k) - Entries::At(k - 2);
      least = twice < least ? twice : least;
    }
    int width = 1;
    while (4 * width <= least) width *= 2;
    return width;
  }
  // The upper half of a float; exact for integers up to 256.
  static constexpr int32_t Bf16(int v) {
    if (v == 0) return 0;
    const int32_t sign = v < 0 ? 0x8000 : 0;
    int32_t fraction = v < 0 ? -v : v, exponent = 127 + 7;
    while (fraction < 128) {
      fraction *= 2;
      --exponent;
    }
    return sign | (exponent << 7) | (fraction & 127);
  }
  // code | level above << 8 | level below << 16, the levels plus 128.
  static constexpr int32_t Pack(int code, int above, int below) {
    return code | ((above + 128) << 8) | ((below + 128) << 16);
  }

  constexpr GatherTable() {
    constexpr int kCount = Entries::kCount;
    for (int i = 0; i < 256; ++i) {
      const int twice_edge = Width() * (2 * (i < 128 ? i : i - 256) - 1);
      int k = 0;  // midpoints at or below the edge are decided
      while (k + 1 < kCount &&
             Entries::At(k) + Entries::At(k + 1) <= twice_edge) {
        ++k;
      }
      const int next = Entries::At(k + 1 < kCount ? k + 1 : k);
      bucket[i] = static_cast<int32_t>(
          static_cast<uint32_t>(Bf16(Entries::At(k))) << 16 |
          static_cast<uint32_t>(Bf16(next - Entries::At(k))));
    }
    for (int k = 0; k < kCount; ++k) {
      level[Entries::At(k) + 128] =
          Pack(k, Entries::At(k + 1 < kCount ? k + 1 : k),
               Entries::At(k > 0 ? k - 1 : k));
    }
  }
};

template <class L, class Entries>
struct GatherLevels : ListedLevels<L, Entries> {
  using V = typename L::V;
  static constexpr GatherTable<Entries> kTable{};
  static constexpr int kWidth = GatherTable<Entries>::Width();
  static constexpr float kReach = 126.0f * kWidth;
  static_assert(kReach > 200.0f, "candidates reach beyond the levels");

  static HWY_INLINE V Near(V z) {
    return NearInside(L::Max(L::Min(z, L::Set(kReach)), L::Set(-kReach)));
  }
  // For |z| <= kReach, or that less the shift.
  static HWY_INLINE V NearInside(V z) {
    const auto bucket = L::Bits(L::Add(L::Mul(z, L::Set(1.0f / kWidth)),
                                       L::Set(kRoundMagic)));
    const auto both =
        L::GatherI(kTable.bucket, L::AndI(bucket, L::SetI(255)));
    const V gap = L::FromBits(L::template ShlI<16>(both));
    const V below =
        L::FromBits(L::AndI(both, L::SetI(static_cast<int>(0xFFFF0000u))));
    // Exact; past the last level the gap is 0: either way below.
    const V mid = L::Add(below, L::Mul(gap, L::Set(0.5f)));
    return L::Add(below, L::IfElse0(L::Ge(z, mid), gap));
  }
  static HWY_INLINE typename L::I Code(V z) {
    return L::AndI(Facts(Near(z)), L::SetI(255));
  }
  static HWY_INLINE V Step(V level, typename L::M up) {
    const auto facts = Facts(level);
    const auto to =
        L::IfI(up, L::template ShrI<8>(facts), L::template ShrI<16>(facts));
    return L::Sub(L::ToFloat(L::AndI(to, L::SetI(255))), L::Set(128.0f));
  }

 private:
  static HWY_INLINE typename L::I Facts(V level) {
    return L::GatherI(kTable.level, L::ToInt(L::Add(level, L::Set(128.0f))));
  }
};

// Doubled 4-bit floats (formats/fp4.h).
template <class L>
struct Fp4Levels {
  using V = typename L::V;
  static constexpr float kMin = -12, kMax = 12;
  static constexpr int kCount = 15;
  static constexpr float kReach = 1e30f;  // nothing to clamp

  // Adding 1.5 * 2^23 times the distance between levels rounds to a level; that
  // is half the power of two below z, and 1 below 4.
  static HWY_INLINE V Near(V z) {
    const V a = L::Abs(z);
    const V power = L::FromBits(
        L::AndI(L::Bits(L::Max(a, L::Set(2.0f))), L::SetI(0x7F800000)));
    const V magic = L::Mul(power, L::Set(0.5f * kRoundMagic));
    const V q = L::Min(L::Sub(L::Add(a, magic), magic), L::Set(kMax));
    return L::If(L::Lt(z, L::Zero()), L::Neg(q), q);
  }
  static HWY_INLINE V NearInside(V z) { return Near(z); }
  // From 2 on, exponents and the highest bit of mantissas count the levels.
  static HWY_INLINE typename L::I Code(V z) {
    const V q = Near(z), a = L::Abs(q);
    const auto above = L::AddI(L::template ShrI<22>(L::Bits(a)),
                               L::SetI(2 - (0x40000000 >> 22)));
    const auto code =
        L::IfI(L::Lt(a, L::Set(2.0f)), L::ToInt(a), above);
    return L::IfI(L::Lt(q, L::Zero()), L::OrI(code, L::SetI(8)), code);
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
  static_assert(F::kMaxCode == 1 << k, "one bit");
  using type = TwoLevels<L, -F::kZero, F::kMaxCode - F::kZero>;
};
template <class L, class F, class E>
struct LevelsOf<L, F, formats::Signed<E>> {
  // Two's complement without the most negative value, which no search writes.
  static constexpr int kTop = (1 << (formats::Width<E>::value - 1)) - 1;
  using type = LinearLevels<L, -kTop, kTop, -kTop>;
};
// The axis of the grid: what a single element could be.
template <class L, class F, class Grid, class Index>
struct LevelsOf<L, F, formats::PairLut<Grid, Index>> {
  using type = TableLevels<L, formats::LutEntries<Grid::kAxis>>;
};
template <class L, class F, class E>
struct LevelsOf<L, F, formats::Fp4Table<E>> {
  using type = Fp4Levels<L>;
};
template <class L, class F, class E, uint64_t... kWords>
struct LevelsOf<L, F, formats::Lut<E, kWords...>> {
  using Entries = formats::LutEntries<kWords...>;
  template <int kCount>
  static auto Pick() {
    if constexpr (kCount <= 8) {
      return FewLevels<L, Entries>();
    } else if constexpr (kCount <= 16) {
      return TableLevels<L, Entries>();
    } else {
      return GatherLevels<L, Entries>();
    }
  }
  using type = decltype(Pick<Entries::kCount>());
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_LEVELS_INL_H_
