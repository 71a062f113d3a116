// SPDX-License-Identifier: MIT
// The SIMD machine in LaneOrder for vectors of 32 bytes (AVX2), for grids: four
// lanes of 64 bits, each with weights of its own sub-block of 32. Vector 2 k +
// h has weights [8 k, 8 k + 8) of sub-blocks 4 h .. 4 h + 3.
//
// Products of four vectors (of two, with 16 weights to a scale) add up as
// integers. Points are loaded one by one: gathers are fast on few processors of
// this target (Emerald Rapids: IQ2_XXS 18.2 Gweights/s with them, 20.2 so;
// IQ3_XXS 16.7, 15.2).
//
// Matvec from memory there, GB/s: IQ2_XXS 3.3 -> 5.2, IQ2_XS 3.8 -> 5.4, IQ2_S
// 5.0 -> 6.6, IQ1_S 3.6 -> 5.2, IQ1_M 2.2 -> 4.6, IQ3_S 3.9 -> 5.9, IQ3_XXS
// 3.9 -> 5.8. Loads (three per cycle), vector operations (three) and all
// operations (six) bound it about equally.
#if defined(NIBBLE_SIMD_LANE32_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_LANE32_MACHINE_INL_H_
#undef NIBBLE_SIMD_LANE32_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_LANE32_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/numbers-inl.h"
#include "nibble/simd/order.h"

namespace nibble {
namespace HWY_NAMESPACE {

// Codes that have a case in Lane32Machine, on this target.
template <class Codes>
inline constexpr bool kWantsLanes32 = false;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class Grid, class Index>
inline constexpr bool kWantsLanes32<formats::GridPoints<Grid, Index>> = true;
template <int kShift, class E, class Points>
inline constexpr bool kWantsLanes32<
    formats::Or<formats::Shl<kShift, formats::Each<8, E>>, Points>> =
    kWantsLanes32<Points>;

// Numbers that are bytes of the block.
template <class Node>
struct ByteNumbers {
  static constexpr bool kHas = false;
};
template <int kRun, auto kM, class O>
struct ByteNumbers<formats::Field<8, kRun, kM, O>> {
  static constexpr bool kHas = true;
  template <class X>
  static HWY_INLINE size_t At(const X* HWY_RESTRICT x, size_t i) {
    return (x->*kM)[formats::FieldPos<8, kRun, O>::Byte(i)];
  }
};
template <int kFirst, int kPer, int kRecord, auto kM>
struct ByteNumbers<formats::RecordField<8, kFirst, kPer, 8, kRecord, kM>> {
  static constexpr bool kHas = kFirst % 8 == 0;
  template <class X>
  static HWY_INLINE size_t At(const X* HWY_RESTRICT x, size_t i) {
    using P = formats::RecordPos<8, kFirst, kPer, 8, kRecord>;
    return (x->*kM)[P::Byte(i) + static_cast<size_t>(P::Shift(i)) / 8];
  }
};

// Index numbers of a block's groups of kDim weights. Those that are not bytes
// of the block are computed as vectors and stored: moving lanes of a vector to
// general registers takes more. That is done for kSpan chunks at a time, since
// loads of less than what was stored are slow while that is in the store buffer
// (IQ1_S: 18 Gweights/s with one chunk, 25.1 with 4, 26.0 with 8, 26.4 with
// 16).
template <class Index, size_t kDim, class X, bool = ByteNumbers<Index>::kHas>
struct Indices32 {
  static constexpr size_t kSpan = 1;
  const X* x;
  HWY_INLINE void Prepare(const X* HWY_RESTRICT block) { x = block; }
  HWY_INLINE size_t At(size_t i) const { return ByteNumbers<Index>::At(x, i); }
};
template <class Index, size_t kDim, class X>
struct Indices32<Index, kDim, X, false> {
  static constexpr size_t kSpan = 8;
  alignas(32) uint16_t number[kChunk / kDim];
  template <size_t kFirst = 0>
  HWY_INLINE void Prepare(const X* HWY_RESTRICT x) {
    const hn::Full256<int16_t> di;
    const hn::Full256<uint16_t> du;
    const auto v = NumbersOf<From<kFirst>, 0>(di, Index(), x);
    hn::Store(hn::BitCast(du, v), du, number + kFirst);
    if constexpr (kFirst + 16 < kChunk / kDim) Prepare<kFirst + 16>(x);
  }
  HWY_INLINE size_t At(size_t i) const { return number[i]; }
};

// A number per group of eight weights as bytes: those of sub-blocks 0 1 4 5 in
// the lower half, 2 3 6 7 in the upper one, as packing leaves them.
template <class Node, int kAt = 0, class X>
HWY_INLINE hn::Vec<hn::Full256<uint8_t>> GroupBytes32(const X* HWY_RESTRICT x) {
  const hn::Full256<int16_t> d16;
  return hn::ReorderDemote2To(hn::Full256<uint8_t>(),
                              NumbersOf<From<0>, kAt>(d16, Node(), x),
                              NumbersOf<From<16>, kAt>(d16, Node(), x));
}
// Which of its bytes, from kFirst on, every byte of vector 2 kK + h gets; or,
// with kSize = 2, of words in the same order.
template <size_t kK, size_t kSize, size_t kFirst>
struct GroupShuffle32 {
  alignas(32) uint8_t index[32] = {};
  constexpr GroupShuffle32() {
    for (size_t i = 0; i < 32; ++i) {
      index[i] = static_cast<uint8_t>(kFirst + kSize * (i % 16 / 8 * 4 + kK) +
                                      i % kSize);
    }
  }
};

// As Simd, for positions [32 kJ, 32 kJ + 32) of a block of 256, kE = 32 kJ.
struct Lane32Machine {
  using D8 = hn::Full256<uint8_t>;
  using V = hn::Vec<D8>;

  // What Eval takes instead of the block.
  template <class Codes, class X>
  struct Chunk;
  template <class Grid, class Index, class X>
  struct Chunk<formats::GridPoints<Grid, Index>, X> {
    static constexpr size_t kDim = sizeof(typename Grid::Point);
    Indices32<Index, kDim, X> index;
    static constexpr size_t kSpan = decltype(index)::kSpan;
    HWY_INLINE void Prepare(const X* HWY_RESTRICT x) { index.Prepare(x); }
  };
  template <int kShift, class E, class Points, class X>
  struct Chunk<formats::Or<formats::Shl<kShift, formats::Each<8, E>>, Points>,
               X> {
    static constexpr size_t kSpan = Chunk<Points, X>::kSpan;
    Chunk<Points, X> points;
    V bits;  // of groups
    HWY_INLINE void Prepare(const X* HWY_RESTRICT x) {
      points.Prepare(x);
      bits = GroupBytes32<E, kShift>(x);
    }
  };

  // As many as are made at a time.
  template <class Codes, class X>
  struct Span {
    using C = Chunk<Codes, X>;
    static constexpr size_t kChunks = C::kSpan;
    C chunk[kChunks];
    // Those of `count` blocks from x on, at most kChunks.
    HWY_INLINE void Prepare(const X* HWY_RESTRICT x, size_t count) {
      for (size_t i = 0; i < count; ++i) chunk[i].Prepare(x + i);
    }
  };

  template <size_t kE, int kAt = 0, bool kBias = false, class Grid, class Index,
            class X>
  static HWY_INLINE V
  Eval(formats::GridPoints<Grid, Index>,
       const Chunk<formats::GridPoints<Grid, Index>, X>& chunk) {
    return V{Blend<0xF0>(Points16<Grid, kE>(chunk.index),
                         Points16<Grid, kE + 16>(chunk.index))};
  }
  // A bit per group of eight, in all its bytes.
  template <size_t kE, int kAt = 0, bool kBias = false, int kShift, class E,
            class Points, class X>
  static HWY_INLINE V
  Eval(formats::Or<formats::Shl<kShift, formats::Each<8, E>>, Points>,
       const Chunk<
           formats::Or<formats::Shl<kShift, formats::Each<8, E>>, Points>, X>&
           chunk) {
    static constexpr GroupShuffle32<kE / 64, 1, kE % 64 / 32 * 8> kShuffle;
    const V bits =
        hn::TableLookupBytes(chunk.bits, hn::Load(D8(), kShuffle.index));
    return hn::Or(bits, Eval<kE>(Points(), chunk.points));
  }

 private:
  // The points of positions [kE, kE + 16), in either half. Broadcasts from
  // memory take no more than a load, and blends go to any port; insertions
  // would go to the one of shuffles.
  template <class Grid, size_t kE, class Index>
  static HWY_INLINE __m256i Points16(const Index& index) {
    if constexpr (sizeof(typename Grid::Point) == 8) {
      return Blend<0xCC>(PointAt<Grid, kE>(index),
                         PointAt<Grid, kE + 8>(index));
    } else {
      return Blend<0xCC>(
          Blend<0xAA>(PointAt<Grid, kE>(index), PointAt<Grid, kE + 4>(index)),
          Blend<0xAA>(PointAt<Grid, kE + 8>(index),
                      PointAt<Grid, kE + 12>(index)));
    }
  }
  // Words of b where kMask has a bit.
  template <int kMask>
  static HWY_INLINE __m256i Blend(__m256i a, __m256i b) {
    return _mm256_blend_epi32(a, b, kMask);
  }
  // The point of position kE, repeated.
  template <class Grid, size_t kE, class Index>
  static HWY_INLINE __m256i PointAt(const Index& index) {
    using Point = typename Grid::Point;
    const hn::Repartition<Point, D8> d;
    const size_t i = index.At(LaneOrder::Logical(kE) / sizeof(Point));
    return hn::Set(d, Grid::Host()[i]).raw;
  }
};

// ---- Signs. A byte b per group, of which a shuffle makes words and a product
// brings bits 2 i and 2 i + 1 to the tops of their bytes: the words' bytes are
// 2 b and b. Their lowest bits, which have nowhere to go, are 1, lest a byte be
// zero.
struct Signs32 {
  hn::Vec<hn::Full256<uint8_t>> half[2];  // of vectors 2 k + h
};
HWY_INLINE Signs32 PairSigns32(hn::Vec<hn::Full256<uint8_t>> bytes,
                               hn::Vec<hn::Full256<uint8_t>> odd_bytes) {
  const hn::Full256<uint8_t> d8;
  const auto one = hn::Set(d8, uint8_t{1});
  const auto twice = hn::Or(hn::Add(bytes, bytes), one);
  return {{hn::InterleaveLower(d8, twice, odd_bytes),
           hn::InterleaveUpper(d8, twice, odd_bytes)}};
}

template <int kRun, auto kM, class X>
HWY_INLINE Signs32 LaneSigns(formats::FreeSigns<formats::Field<8, kRun, kM>>,
                             const X* HWY_RESTRICT x) {
  static_assert(formats::MemberBytes(kM) == 32, "a bit per weight");
  const hn::Full256<uint8_t> d8;
  const hn::Vec<decltype(d8)> b{
      _mm256_permute4x64_epi64(hn::LoadU(d8, x->*kM).raw, 0xD8)};
  return PairSigns32(b, hn::Or(b, hn::Set(d8, uint8_t{1})));
}
template <class Seven, class X>
HWY_INLINE Signs32 LaneSigns(formats::ParitySigns<Seven>,
                             const X* HWY_RESTRICT x) {
  // The eighth sign of four bits, and the lowest bit.
  alignas(16) static constexpr uint8_t kEighth[16] = {
      1,   129, 129, 1,   129, 1,   1,   129,  //
      129, 1,   1,   129, 1,   129, 129, 1};
  const hn::Full256<uint8_t> d8;
  const hn::Full256<uint16_t> d16;
  const auto seven = GroupBytes32<Seven>(x);
  const auto high = hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(d16, seven)));
  const auto four = hn::And(hn::Xor(seven, high), hn::Set(d8, uint8_t{15}));
  const auto eighth = hn::TableLookupBytes(hn::LoadDup128(d8, kEighth), four);
  return PairSigns32(seven, hn::Or(seven, eighth));
}

// What multiplies activations of vector kJ by their signs.
template <size_t kJ, class Node>
HWY_INLINE hn::Vec<hn::Full256<int8_t>> LaneSignMask(LaneOrder,
                                                     hwy::SizeTag<kJ>, Node,
                                                     const Signs32& signs) {
  static constexpr GroupShuffle32<kJ / 2, 2, 0> kShuffle;
  const hn::Full256<uint8_t> d8;
  const hn::Full256<uint16_t> d16;
  const hn::Full256<uint64_t> d64;
  const auto words =
      hn::TableLookupBytes(signs.half[kJ % 2], hn::Load(d8, kShuffle.index));
  const auto power =
      hn::BitCast(d16, hn::Set(d64, uint64_t{0x0001000400100040}));
  return hn::BitCast(hn::Full256<int8_t>(),
                     hn::Mul(hn::BitCast(d16, words), power));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // HWY_TARGET == HWY_AVX2

#endif  // NIBBLE_SIMD_LANE32_MACHINE_INL_H_
