// SPDX-License-Identifier: MIT
// Sub-block scales, mins and offsets of one block, decoded by the Quad machine.
#if defined(NIBBLE_SIMD_SCALES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_SCALES_INL_H_
#undef NIBBLE_SIMD_SCALES_INL_H_
#else
#define NIBBLE_SIMD_SCALES_INL_H_
#endif

#include <cstddef>
#include <cstring>

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/block_bytes-inl.h"
#include "nibble/simd/numbers-inl.h"
#include "nibble/simd/order.h"
#include "nibble/simd/scale_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The lowest bits of 64 words. Without masks, x86 packs words of that bit alone
// to bytes and takes their signs, in code without loops, which all that ask for
// the bits share (AVX2, IQ4_KSS matvec: 17.9 -> 22.9 Gweights/s).
template <size_t kFirst = 0>
HWY_INLINE uint64_t LowestBits(const uint16_t* HWY_RESTRICT words) {
  const hn::CappedTag<uint16_t, 32> d16;
  constexpr size_t n = HWY_MAX_LANES_D(decltype(d16));
  if constexpr (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3) {
    const hn::RebindToSigned<decltype(d16)> di16;
    const hn::Repartition<int8_t, decltype(d16)> di8;
    const auto top = [&](size_t i) HWY_ATTR {
      return hn::BitCast(di16, hn::ShiftLeft<15>(hn::LoadU(d16, words + i)));
    };
    const auto bytes = hn::OrderedDemote2To(di8, top(kFirst), top(kFirst + n));
    uint8_t stored[8];
    hn::StoreMaskBits(di8, hn::Lt(bytes, hn::Zero(di8)), stored);
    uint32_t part = 0;
    memcpy(&part, stored, 2 * n / 8);
    const uint64_t bits = uint64_t{part} << kFirst;
    if constexpr (kFirst + 2 * n == 64) {
      return bits;
    } else {
      return bits | LowestBits<kFirst + 2 * n>(words);
    }
  } else {
    uint64_t bits = 0;
    for (size_t i = 64; i != 0; i -= n) {
      const auto odd =
          hn::TestBit(hn::LoadU(d16, words + i - n), hn::Set(d16, uint16_t{1}));
      uint8_t stored[8];
      hn::StoreMaskBits(d16, odd, stored);
      uint32_t part = 0;
      memcpy(&part, stored, n / 8);
      bits = (bits << n) | part;
    }
    return bits;
  }
}

// Codes kept in the low bits of 16-bit words, eight words to a code: all eight
// at once.
template <class Node>
struct LowBitWords {
  static constexpr bool kHas = false;
};
template <int kBits, int kShift, auto kM>
struct LowBitWords<formats::LowBits<kBits, kShift, kM>> {
  static constexpr bool kHas = true;
  template <class X>
  static HWY_INLINE uint64_t Eight(const X* HWY_RESTRICT x) {
    static_assert(formats::MemberBytes(kM) == 128, "64 words");
    const uint64_t bits = LowestBits(
        reinterpret_cast<const uint16_t*>(static_cast<const uint8_t*>(x->*kM)));
    constexpr uint64_t kMask = 0x0101010101010101ull * ((1u << kBits) - 1);
    return (bits >> kShift) & kMask;
  }
};

// Codes [kFirst, kFirst + lanes) of a description of sub-block codes as floats;
// of neighbouring blocks, kPerBlock codes each, if one has fewer. Four codes at
// a time in a general register, then one promotion: narrow stores followed by a
// wide load would fail store forwarding.
template <class Node, size_t kFirst, size_t kPerBlock, class DF, class X>
HWY_INLINE hn::Vec<DF> CodesToFloat(DF df, const X* HWY_RESTRICT x) {
  constexpr size_t n = HWY_MAX_LANES_D(DF);
  static_assert(n % 4 == 0 && n <= 16, "4, 8 or 16 sub-blocks at a time");
  const hn::RebindToSigned<DF> di;
  if constexpr (kNumbersAreFast && kFirst % kPerBlock + n <= kPerBlock &&
                kNumbersFit<Node, kFirst % kPerBlock, n>) {
    return hn::ConvertTo(
        df, Numbers<kFirst % kPerBlock>(di, Node(), x + kFirst / kPerBlock));
  } else {
    using T = hwy::If<formats::IsSigned<Node>::value, int8_t, uint8_t>;
    const hn::Rebind<T, DF> d8;
    static_assert(kPerBlock % 4 == 0, "four codes come from one block");
    const auto quad = [&](size_t e) {
      return static_cast<uint64_t>(
          formats::Quad::Eval(Node(), x[e / kPerBlock], e % kPerBlock));
    };
    uint64_t words[2] = {};
    if constexpr (LowBitWords<Node>::kHas) {
      static_assert(kPerBlock == 8, "a byte per sub-block of eight");
      words[0] = LowBitWords<Node>::Eight(x) >> (8 * kFirst);
    } else {
      words[0] = quad(kFirst);
      if constexpr (n >= 8) words[0] |= quad(kFirst + 4) << 32;
      if constexpr (n == 16) {
        words[1] = quad(kFirst + 8) | (quad(kFirst + 12) << 32);
      }
    }
    const hn::Full128<uint64_t> d64;
    const auto bytes = hn::BitCast(
        hn::Full128<T>(), hn::Dup128VecFromValues(d64, words[0], words[1]));
    return hn::ConvertTo(df, hn::PromoteTo(di, hn::ResizeBitCast(d8, bytes)));
  }
}

// Whether the target converts fp16 in hardware. Where it does not, Highway's
// emulation takes infinities and NaNs for large numbers.
constexpr bool kNativeHalf = (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) ||
                             (HWY_ARCH_ARM && HWY_TARGET != HWY_EMU128);

// fp16 -> float, exactly.
HWY_INLINE float HalfToFloat(uint16_t half) {
  if constexpr (kNativeHalf) {
    const hn::CappedTag<hwy::float16_t, 4> d16;
    const hn::Rebind<float, decltype(d16)> df;
    const hn::Repartition<uint16_t, decltype(d16)> du;
    const auto bits = hn::Set(du, half);
    return hn::GetLane(hn::PromoteTo(df, hn::BitCast(d16, bits)));
  } else {
    return F16ToF32(half);
  }
}
HWY_INLINE float HalfToFloat(formats::Word16 half) {
  return HalfToFloat(formats::Load16(half.bytes));
}

// The scale in the header of a row, 1 without one.
template <class F>
HWY_INLINE float RowScale(const uint8_t* HWY_RESTRICT row) {
  if constexpr (F::kRowHeader == 2) {
    return HalfToFloat(formats::Load16(row));
  } else {
    return formats::Reader<F>::RowScale(row);
  }
}

// Four fp16 numbers, converted straight from memory. g++ loads them first, and
// from a register the instruction takes a shuffle more (AVX3_SPR, from L2: Q2_K
// 53.0 -> 56.7 Gweights/s).
HWY_INLINE hn::Vec<hn::CappedTag<float, 4>> FourHalves(
    const uint8_t* HWY_RESTRICT p) {
  const hn::CappedTag<float, 4> d4;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !HWY_COMPILER_MSVC
  hn::Vec<decltype(d4)> four;
  using Eight = uint8_t[8];
  __asm__("vcvtph2ps %1, %0"
          : "=v"(four.raw)
          : "m"(*reinterpret_cast<const Eight*>(p)));
  return four;
#else
  const hn::Rebind<hwy::float16_t, decltype(d4)> d16;
  return hn::PromoteTo(
      d4, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
#endif
}

// The fp16 number at kOffset of block x, in all lanes. Where there is an
// instruction for it, it converts eight bytes of the block straight from
// memory.
template <size_t kOffset, class DF, class X>
HWY_INLINE hn::Vec<DF> BroadcastHalf(DF df, const X* HWY_RESTRICT x) {
  const uint8_t* HWY_RESTRICT p = reinterpret_cast<const uint8_t*>(x) + kOffset;
  if constexpr (HWY_ARCH_X86 && kNativeHalf && sizeof(X) >= 8) {
    constexpr int kLane = kOffset + 8 <= sizeof(X) ? 0 : 3;  // first or last
    const auto four = FourHalves(p - 2 * kLane);
    if constexpr (kLane == 0) {
      return hn::Set(df, hn::GetLane(four));
    } else {
      const hn::RebindToSigned<DF> di;
      return hn::TableLookupLanes(hn::ResizeBitCast(df, four),
                                  hn::IndicesFromVec(df, hn::Set(di, kLane)));
    }
  } else {
    return hn::Set(df, HalfToFloat(formats::Load16(p)));
  }
}

// -- Coded scales (formats/scales.h): bytes to floats, exactly.
template <class DF, class V8>
HWY_INLINE hn::Vec<DF> DecodeScales(formats::ScaleKind<formats::Exponent8>,
                                    DF df, V8 bytes) {
  const hn::RebindToSigned<DF> di;
  const hn::Rebind<uint8_t, DF> d8;
  const auto v = hn::PromoteTo(di, hn::ResizeBitCast(d8, bytes));
  const auto one = hn::Set(di, 1);
  const auto normal = hn::ShiftLeft<23>(hn::Sub(v, one));
  // 0 and 1: 2^-128 and 2^-127 as bits. The smaller of the two from 2 on.
  const auto small = hn::ShiftLeft<21>(hn::Add(v, one));
  return hn::BitCast(df, hn::Max(normal, small));
}
// Bits 0-6 are those of an fp16 number, 7 bits further up and 2^7 times
// smaller.
template <size_t kN, class DF, class V8>
HWY_INLINE hn::Vec<DF> DecodeScales(formats::ScaleKind<formats::E4M3Scales<kN>>,
                                    DF df, V8 bytes) {
  const hn::Rebind<uint8_t, DF> d8;
  const hn::Rebind<uint16_t, DF> d16;
  const hn::Rebind<hwy::float16_t, DF> dh;
  const auto v = hn::PromoteTo(d16, hn::ResizeBitCast(d8, bytes));
  const auto nan = hn::Eq(v, hn::Set(d16, uint16_t{0x7F}));
  const auto bits =
      hn::And(hn::ShiftLeft<7>(v), hn::Set(d16, uint16_t{0x3F80}));
  const auto half = hn::BitCast(dh, hn::IfThenZeroElse(nan, bits));
  return hn::Mul(hn::PromoteTo(df, half), hn::Set(df, 128.0f));
}

// The coded scales of groups [kFirst, kFirst + lanes), kPerBlock to a block.
template <class F, size_t kFirst, size_t kPerBlock, class DF>
HWY_INLINE hn::Vec<DF> CodedScales(DF df,
                                   const typename F::Block* HWY_RESTRICT x) {
  using Block = typename F::Block;
  using Kind = typename formats::ScaleOf<F>::type;
  static_assert(Kind::kCount == 1 || Kind::kCount == kPerBlock,
                "a scale per block or per group");
  constexpr size_t kStep = Kind::kCount == 1 ? 0 : 1;
  using Pieces = BlockPieces<sizeof(Block), offsetof(Block, d), 1, kStep,
                             kPerBlock, kFirst, HWY_MAX_LANES_D(DF)>;
  constexpr size_t kAtOnce = kStep == 1 && kPerBlock % 4 == 0 ? 4 : 1;
  return DecodeScales(
      Kind(), df,
      GatherPieces<Pieces, kChunk / F::kBlock * sizeof(Block), kAtOnce>(
          reinterpret_cast<const uint8_t*>(x)));
}

// The fp16 number at kOffset of the blocks of groups [kFirst, kFirst + lanes)
// of a chunk.
template <class F, size_t kOffset, size_t kPerBlock, size_t kFirst, class DF>
HWY_INLINE hn::Vec<DF> GroupHalves(DF df,
                                   const typename F::Block* HWY_RESTRICT x) {
  constexpr size_t kBlockBytes = sizeof(typename F::Block);
  using Pieces = BlockPieces<kBlockBytes, kOffset, 2, 0, kPerBlock, kFirst,
                             HWY_MAX_LANES_D(DF)>;
  const hn::Rebind<hwy::float16_t, DF> d16;
  const auto bits = GatherPieces<Pieces, kChunk / F::kBlock * kBlockBytes, 2>(
      reinterpret_cast<const uint8_t*>(x));
  return hn::PromoteTo(df, hn::ResizeBitCast(d16, bits));
}

// Single bits, one after the other.
template <class Node>
struct BitsInOrder {
  static constexpr bool kHas = false;
};
template <auto kM>
struct BitsInOrder<formats::Field<1, 1, kM>> {
  static constexpr bool kHas = true;
  template <class X>
  static HWY_INLINE const uint8_t* Of(const X& x) {
    return x.*kM;
  }
};

// A bit turned.
template <class Node>
struct TurnedBit {
  static constexpr bool kIs = false;
  using Bit = Node;
};
template <class E>
struct TurnedBit<formats::Inverted<1, E>> {
  static constexpr bool kIs = true;
  using Bit = E;
};

// Scales, shifts and mins of groups [kFirst, kFirst + kWindow) of the chunk of
// 256 weights that starts at block x. A group is a sub-block, or 32 weights of
// a longer one. With kTimes each group has so many lanes, one after the other:
// what is said of groups here, is said of lanes.
template <class F, size_t kTimes = 1>
struct ChunkWindows {
  using Block = typename F::Block;
  static constexpr size_t kGroup = 32 < F::kSub ? 32 : F::kSub;
  static_assert(kGroup == 16 || kGroup == 32, "activations have these sums");
  static constexpr size_t kGroups = kChunk / kGroup * kTimes;
  static constexpr size_t kPerBlock = F::kBlock / kGroup;
  using DS = hn::CappedTag<float, kGroups>;
  static constexpr size_t kWindow = HWY_MAX_LANES_D(DS);
  using VS = hn::Vec<DS>;

  // Is choosing by a mask one operation? With AVX2 it is three.
  static constexpr bool kBlends = HWY_TARGET != HWY_AVX2;

  // Can all numbers come kTimes times?
  static constexpr bool Has() {
    using Codes = typename F::ScaleCodes;
    using Shifts = typename F::ShiftCodes;
    constexpr bool kCodes = formats::kIsPresent<Codes>;
    constexpr bool kShifts = formats::kIsPresent<Shifts>;
    constexpr bool kMins = formats::kIsPresent<typename F::MinCodes>;
    if constexpr (kTimes == 1) {
      return true;
    } else if constexpr (kMins || formats::ScaleOf<F>::type::kCoded) {
      return false;
    } else if constexpr (F::kBlock != kChunk) {
      return F::kRowHeader != 0 && !kCodes && !kShifts;
    } else {
      return (!kCodes || CodeIndex<Codes, 0, kWindow, kTimes>::kHas) &&
             (!kShifts || CodeIndex<typename TurnedBit<Shifts>::Bit, 0, kWindow,
                                    kTimes>::kTests);
    }
  }

  // A number per sub-block: kStep * code + kBase.
  template <class Node, size_t kFirst, int kStep = 1, int kBase = 0>
  static HWY_INLINE VS Codes(DS ds, const Block* HWY_RESTRICT x) {
    using Index = CodeIndex<Node, kFirst, kWindow, kTimes>;
    if constexpr (formats::IsConstant<Node>::value) {
      static_assert(kStep == 1 && kBase == 0, "as it is");
      return hn::Set(ds,
                     static_cast<float>(formats::Scalar::Eval(Node(), *x, 0)));
    } else {
      static_assert(F::kSub == kGroup, "one code per group");
      if constexpr (F::kBlock == kChunk && Index::kHas) {
        return ScaledCodes<Index, kStep, kBase>(ds, x);
      } else {
        static_assert(kTimes == 1, "see kHas");
        const auto codes = CodesToFloat<Node, kFirst, kPerBlock>(ds, x);
        if constexpr (kStep == 1 && kBase == 0) return codes;
        return hn::MulAdd(codes, hn::Set(ds, static_cast<float>(kStep)),
                          hn::Set(ds, static_cast<float>(kBase)));
      }
    }
  }
  // The fp16 number at kOffset of every block.
  template <size_t kOffset, size_t kFirst>
  static HWY_INLINE VS Halves(DS ds, const Block* HWY_RESTRICT x) {
    if constexpr (F::kBlock == kChunk) {
      return BroadcastHalf<kOffset>(ds, x);
    } else {
      static_assert(kTimes == 1, "see kHas");
      return GroupHalves<F, kOffset, kPerBlock, kFirst>(ds, x);
    }
  }

  // Without kFactor and the row's scale.
  template <size_t kFirst>
  static HWY_INLINE VS Scales(DS ds, const Block* HWY_RESTRICT x) {
    auto s = hn::Set(ds, 1.0f);
    if constexpr (formats::kIsPresent<typename F::ScaleCodes>) {
      s = Codes<typename F::ScaleCodes, kFirst, F::kScaleStep, F::kScaleBase>(
          ds, x);
    }
    if constexpr (formats::kIsPresent<typename F::HalfNibbles>) {
      s = hn::Mul(s, hn::Set(ds, HalfToFloat(formats::HalfBits<F>(*x))));
    } else if constexpr (formats::ScaleOf<F>::type::kCoded) {
      s = hn::Mul(s, CodedScales<F, kFirst, kPerBlock>(ds, x));
    } else if constexpr (F::kRowHeader == 0) {
      s = hn::Mul(s, Halves<offsetof(Block, d), kFirst>(ds, x));
    }
    return s;
  }
  // Which groups are shifted.
  template <class Node, size_t kFirst>
  static HWY_INLINE hn::Mask<DS> ShiftMask(DS ds, const Block* HWY_RESTRICT x) {
    using Index = CodeIndex<Node, kFirst, kWindow, kTimes>;
    static_assert(formats::Width<Node>::value == 1, "a bit per sub-block");
    if constexpr (BitsInOrder<Node>::kHas && kTimes == 1 && kWindow >= 8) {
      static_assert(F::kBlock == kChunk, "bits of one block");
      return hn::LoadMaskBits(ds, BitsInOrder<Node>::Of(*x) + kFirst / 8);
    } else if constexpr (F::kBlock == kChunk && Index::kTests) {
      return hn::RebindMask(ds, Index::Test(hn::RebindToUnsigned<DS>(), x));
    } else if constexpr (F::kBlock == kChunk && Index::kHas) {
      const hn::RebindToUnsigned<DS> du;
      const auto bits = Index::template At<0>(du, x);
      return hn::RebindMask(ds, hn::TestBit(bits, hn::Set(du, 1u)));
    } else if constexpr (kNumbersAreFast && F::kBlock == kChunk &&
                         kNumbersFit<Node, kFirst, kWindow>) {
      const hn::RebindToSigned<DS> di;
      const auto bits = Numbers<kFirst>(di, Node(), x);
      return hn::RebindMask(ds, hn::Ne(bits, hn::Zero(di)));
    } else {
      return hn::Gt(Codes<Node, kFirst>(ds, x), hn::Zero(ds));
    }
  }
  // What is added to the codes.
  template <size_t kFirst>
  static HWY_INLINE VS Offsets(DS ds, const Block* HWY_RESTRICT x,
                               int offset = -F::kZero) {
    const auto zero = hn::Set(ds, static_cast<float>(offset));
    using Shifts = typename F::ShiftCodes;
    if constexpr (!formats::kIsPresent<Shifts>) {
      return zero;
    } else if constexpr (kBlends) {
      const auto shifted = hn::Set(ds, static_cast<float>(offset + F::kShift));
      using Turned = TurnedBit<Shifts>;
      const auto set = ShiftMask<typename Turned::Bit, kFirst>(ds, x);
      return Turned::kIs ? hn::IfThenElse(set, zero, shifted)
                         : hn::IfThenElse(set, shifted, zero);
    } else if constexpr (BitsInOrder<Shifts>::kHas && kWindow == 8) {
      // A byte in all lanes comes with its load.
      const hn::RebindToUnsigned<DS> du;
      const hn::Repartition<uint8_t, DS> d8;
      const uint8_t* HWY_RESTRICT bits = BitsInOrder<Shifts>::Of(*x);
      const auto all = hn::BitCast(du, hn::Set(d8, bits[kFirst / 8]));
      const auto set = hn::RebindMask(
          ds, hn::TestBit(all, hn::Shl(hn::Set(du, 1u), hn::Iota(du, 0))));
      const auto shift = hn::Set(ds, static_cast<float>(F::kShift));
      return hn::Add(hn::IfThenElseZero(set, shift), zero);
    } else {
      return hn::MulAdd(Codes<Shifts, kFirst>(ds, x),
                        hn::Set(ds, static_cast<float>(F::kShift)), zero);
    }
  }
  // Without kMinFactor.
  template <size_t kFirst>
  static HWY_INLINE VS Mins(DS ds, const Block* HWY_RESTRICT x) {
    return hn::Mul(Codes<typename F::MinCodes, kFirst>(ds, x),
                   Halves<offsetof(Block, dmin), kFirst>(ds, x));
  }
};

// All numbers of a chunk, in memory: x = scale * (code + offset) - min.
template <class F>
struct ChunkScales {
  using Windows = ChunkWindows<F>;
  static constexpr size_t kGroups = Windows::kGroups;
  static constexpr bool kHasMin = formats::kIsPresent<typename F::MinCodes>;
  static constexpr bool kHasShift = formats::kIsPresent<typename F::ShiftCodes>;
  alignas(64) float scale[kGroups];
  alignas(64) float min[kHasMin ? kGroups : 1];
  alignas(64) float offset[kHasShift ? kGroups : 1];

  // `factor` is kFactor times the row's scale.
  template <size_t kFirst = 0>
  HWY_INLINE void Decode(const typename F::Block* HWY_RESTRICT x,
                         float factor) {
    const typename Windows::DS ds;
    auto s = Windows::template Scales<kFirst>(ds, x);
    if constexpr (F::kRowHeader != 0 || F::kFactor != 1.0f) {
      s = hn::Mul(s, hn::Set(ds, factor));
    }
    hn::Store(s, ds, scale + kFirst);
    if constexpr (kHasMin) {
      const auto m = Windows::template Mins<kFirst>(ds, x);
      hn::Store(hn::Mul(m, hn::Set(ds, F::kMinFactor)), ds, min + kFirst);
    }
    if constexpr (kHasShift) {
      hn::Store(Windows::template Offsets<kFirst>(ds, x), ds, offset + kFirst);
    }
    constexpr size_t kNext = kFirst + Windows::kWindow;
    if constexpr (kNext < kGroups) Decode<kNext>(x, factor);
  }
};

// What the drivers need per sub-block: x = scale * (code + offset) - min.
template <class F>
struct SubScales {
  static constexpr size_t kSubs = F::kBlock / F::kSub;
  static constexpr size_t kPadded = kSubs < 4 ? 4 : kSubs;
  alignas(64) float scale[kPadded];
  alignas(64) float min[kPadded];
  alignas(64) float offset[kPadded];

  // Reader's, with the target's conversion of fp16: in software it took as long
  // as unpacking the codes of a small block.
  static HWY_INLINE float BlockScale(const typename F::Block& x,
                                     float row_scale, size_t s = 0) {
    if constexpr (F::kRowHeader != 0 || formats::ScaleOf<F>::type::kCoded) {
      return formats::Reader<F>::BlockScale(x, row_scale, s);
    } else {
      return F::kFactor * HalfToFloat(formats::HalfBits<F>(x));
    }
  }

  // `factor` is the row scale times kFactor for formats with a row header.
  HWY_INLINE void Decode(const typename F::Block& x, float row_scale) {
    if constexpr (!formats::kIsPresent<typename F::ScaleCodes>) {
      for (size_t s = 0; s < kSubs; ++s) {
        scale[s] = BlockScale(x, row_scale, s);
        if constexpr (formats::kIsPresent<typename F::MinCodes>) {
          const int code = formats::Scalar::Eval(typename F::MinCodes(), x, s);
          min[s] =
              F::kMinFactor * static_cast<float>(code) * HalfToFloat(x.dmin);
        }
        offset[s] = static_cast<float>(-F::kZero);
      }
    } else {
      Steps<0>(x, BlockScale(x, row_scale));
    }
  }

 private:
  template <size_t kFirst>
  HWY_INLINE void Steps(const typename F::Block& x, float d) {
    const hn::CappedTag<float, kSubs> df;
    constexpr size_t n = HWY_MAX_LANES_D(decltype(df));
    const auto step = hn::Set(df, static_cast<float>(F::kScaleStep));
    const auto base = hn::Set(df, static_cast<float>(F::kScaleBase));
    const auto codes =
        CodesToFloat<typename F::ScaleCodes, kFirst, kSubs>(df, &x);
    // Small integers: exact, fused or not.
    hn::Store(hn::Mul(hn::MulAdd(codes, step, base), hn::Set(df, d)), df,
              scale + kFirst);
    if constexpr (formats::kIsPresent<typename F::MinCodes>) {
      const auto m = CodesToFloat<typename F::MinCodes, kFirst, kSubs>(df, &x);
      const float dmin = F::kMinFactor * HalfToFloat(x.dmin);
      hn::Store(hn::Mul(m, hn::Set(df, dmin)), df, min + kFirst);
    }
    auto zero = hn::Set(df, static_cast<float>(-F::kZero));
    if constexpr (formats::kIsPresent<typename F::ShiftCodes>) {
      const auto g =
          CodesToFloat<typename F::ShiftCodes, kFirst, kSubs>(df, &x);
      zero = hn::MulAdd(g, hn::Set(df, static_cast<float>(F::kShift)), zero);
    }
    hn::Store(zero, df, offset + kFirst);
    if constexpr (kFirst + n < kSubs) Steps<kFirst + n>(x, d);
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_SCALES_INL_H_
