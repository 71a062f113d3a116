// SPDX-License-Identifier: MIT
// The vocabulary of the quantization searches: one block per lane.
//
// Searches are templates over a lane type L and use only what L offers, so the
// same code runs on Highway vectors (here), on one float (one_lane.h: the
// reference) and in a GPU thread. Nothing crosses lanes and nothing is fused:
// multiplications and additions round separately, division and square root are
// IEEE. Hence the same bytes at every vector width.
//
// Classes with vectors in them declare their default constructor: an implicit
// one has no target attribute with clang, and cannot inline that of an Arm
// vector.
#if defined(NIBBLE_SEARCH_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_LANES_INL_H_
#undef NIBBLE_SEARCH_LANES_INL_H_
#else
#define NIBBLE_SEARCH_LANES_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Adding 1.5 * 2^23 rounds |x| < 2^22 to the nearest integer, ties to even.
inline constexpr float kRoundMagic = 12582912.0f;

// At most kMost lanes, a power of two.
template <size_t kMost>
struct HwyLanesUpTo {
  using D = hn::CappedTag<float, kMost>;
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using V = hn::Vec<D>;
  using I = hn::Vec<DI>;
  using M = hn::Mask<D>;
  static constexpr size_t kLanes = HWY_MAX_LANES_D(D);

  static HWY_INLINE V Set(float f) { return hn::Set(D(), f); }
  static HWY_INLINE V Zero() { return hn::Zero(D()); }
  static HWY_INLINE V Load(const float* p) { return hn::Load(D(), p); }
  static HWY_INLINE void Store(V v, float* p) { hn::Store(v, D(), p); }

  static HWY_INLINE V Add(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE V Sub(V a, V b) { return hn::Sub(a, b); }
  static HWY_INLINE V Mul(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE V Div(V a, V b) { return hn::Div(a, b); }
  static HWY_INLINE V Sqrt(V a) { return hn::Sqrt(a); }
  // Not for NaN, and not to be relied on for the sign of a zero.
  static HWY_INLINE V Min(V a, V b) { return hn::Min(a, b); }
  static HWY_INLINE V Max(V a, V b) { return hn::Max(a, b); }
  static HWY_INLINE V Abs(V a) { return hn::Abs(a); }
  static HWY_INLINE V Neg(V a) { return hn::Neg(a); }
  // a + b * c, rounded twice.
  static HWY_INLINE V AddMul(V a, V b, V c) { return hn::Add(a, hn::Mul(b, c)); }
  static HWY_INLINE V SubMul(V a, V b, V c) { return hn::Sub(a, hn::Mul(b, c)); }
  // a + b where m, else a, which is not -0.
  static HWY_INLINE V AddWhere(M m, V a, V b) {
#if HWY_TARGET <= HWY_AVX3
    return hn::MaskedAddOr(a, m, a, b);
#else
    return hn::Add(a, hn::IfThenElseZero(m, b));
#endif
  }
  // Nearest integer, |a| < 2^22.
  static HWY_INLINE V Round(V a) {
    const V magic = Set(kRoundMagic);
    return hn::Sub(hn::Add(a, magic), magic);
  }
  // Round(a) clamped to 0 .. top, a of any size. The order of floats is that of
  // integers here, and where minimum and maximum of floats compete with
  // additions (AMD), those of integers are free.
  static HWY_INLINE V RoundWithin(V a, int top) {
    const V magic = Set(kRoundMagic);
    const V highest = Set(kRoundMagic + static_cast<float>(top));
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE2
    const V rounded = Add(Max(a, Zero()), magic);
    return Sub(Min(rounded, highest), magic);  // no such instructions
#else
    const V positive = FromBits(hn::Max(Bits(a), SetI(0)));
    const V rounded = Add(positive, magic);
    return Sub(FromBits(hn::Min(Bits(rounded), Bits(highest))), magic);
#endif
  }

  static HWY_INLINE M Lt(V a, V b) { return hn::Lt(a, b); }
  static HWY_INLINE M Gt(V a, V b) { return hn::Gt(a, b); }
  static HWY_INLINE M Ge(V a, V b) { return hn::Ge(a, b); }
  static HWY_INLINE M Ne(V a, V b) { return hn::Ne(a, b); }
  static HWY_INLINE M And(M a, M b) { return hn::And(a, b); }
  static HWY_INLINE M Or(M a, M b) { return hn::Or(a, b); }
  static HWY_INLINE M Xor(M a, M b) { return hn::Xor(a, b); }
  static HWY_INLINE M Not(M a) { return hn::Not(a); }
  static HWY_INLINE M False() { return hn::MaskFalse(D()); }
  static HWY_INLINE bool AllFalse(M a) { return hn::AllFalse(D(), a); }
  static HWY_INLINE V If(M m, V yes, V no) { return hn::IfThenElse(m, yes, no); }
  static HWY_INLINE V IfElse0(M m, V yes) { return hn::IfThenElseZero(m, yes); }

  // Integer lanes.
  static HWY_INLINE I SetI(int i) { return hn::Set(DI(), i); }
  static HWY_INLINE void StoreI(I v, int32_t* p) { hn::Store(v, DI(), p); }
  static HWY_INLINE I LoadI(const int32_t* p) { return hn::Load(DI(), p); }
  static HWY_INLINE I AddI(I a, I b) { return hn::Add(a, b); }
  static HWY_INLINE I AndI(I a, I b) { return hn::And(a, b); }
  static HWY_INLINE I OrI(I a, I b) { return hn::Or(a, b); }
  static HWY_INLINE I XorI(I a, I b) { return hn::Xor(a, b); }
  static HWY_INLINE I MinI(I a, I b) { return hn::Min(a, b); }
  static HWY_INLINE I MaxI(I a, I b) { return hn::Max(a, b); }
  static HWY_INLINE M LtI(I a, I b) {
    return hn::RebindMask(D(), hn::Lt(a, b));
  }
  static HWY_INLINE int32_t LeastI(I a) { return hn::ReduceMin(DI(), a); }
  // count + 1 where a < b.
  static HWY_INLINE I CountLess(I count, I a, I b) {
    if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) {
      return hn::MaskedAddOr(count, hn::Lt(a, b), count, SetI(1));
    } else {  // where masks are vectors
      return hn::Sub(count, hn::VecFromMask(DI(), hn::Lt(a, b)));
    }
  }
  template <int k>
  static HWY_INLINE I ShlI(I a) {
    return hn::ShiftLeft<k>(a);
  }
  // Arithmetic: the sign comes in from the left.
  template <int k>
  static HWY_INLINE I ShrI(I a) {
    return hn::ShiftRight<k>(a);
  }
  // table[index], per lane.
  static HWY_INLINE I GatherI(const int32_t* table, I index) {
    return hn::GatherIndex(DI(), table, index);
  }
  static HWY_INLINE I IfI(M m, I yes, I no) {
    return hn::IfThenElse(hn::RebindMask(DI(), m), yes, no);
  }
  static HWY_INLINE I Bits(V v) { return hn::BitCast(DI(), v); }
  static HWY_INLINE V FromBits(I v) { return hn::BitCast(D(), v); }
  // An integral a in [0, 2^22) as an integer, by its mantissa bits.
  static HWY_INLINE I ToInt(V a) {
    return AndI(Bits(Add(a, Set(8388608.0f))), SetI(0x7FFFFF));
  }
  static HWY_INLINE V ToFloat(I a) { return hn::ConvertTo(D(), a); }
  // Round(a) as an integer, for a in [0, 2^22).
  static HWY_INLINE I RoundToInt(V a) {
    return AndI(Bits(Add(a, Set(8388608.0f))), SetI(0x7FFFFF));
  }

  // Pairs: two 16-bit integers in each lane, both of the lane's own block. Half
  // the instructions of floats where 16 bits are enough.
  using DP = hn::Repartition<int16_t, D>;
  using P = hn::Vec<DP>;
  static HWY_INLINE P SetP(int i) {
    return hn::Set(DP(), static_cast<int16_t>(i));
  }
  // From integers in [0, 2^15).
  static HWY_INLINE P Pair(I first, I second) {
    return hn::BitCast(DP(), OrI(first, ShlI<16>(second)));
  }
  static HWY_INLINE P LoadP(const int32_t* p) {
    return hn::BitCast(DP(), LoadI(p));
  }
  static HWY_INLINE void StoreP(P v, int32_t* p) {
    StoreI(hn::BitCast(DI(), v), p);
  }
  // max(a - b, 0) for a, b >= 0.
  static HWY_INLINE P SubOrZeroP(P a, P b) {
    const hn::RebindToUnsigned<DP> du;
    return hn::BitCast(
        DP(), hn::SaturatedSub(hn::BitCast(du, a), hn::BitCast(du, b)));
  }
  // Both halves of every lane from one word.
  static HWY_INLINE P RepeatP(int32_t pair) {
    return hn::BitCast(DP(), SetI(pair));
  }
  static HWY_INLINE P SubP(P a, P b) { return hn::Sub(a, b); }
  template <int k>
  static HWY_INLINE P ShlP(P a) {
    return hn::ShiftLeft<k>(a);
  }
  template <int k>
  static HWY_INLINE P ShrP(P a) {
    return hn::ShiftRight<k>(a);
  }
  static HWY_INLINE P MinP(P a, P b) { return hn::Min(a, b); }
  static HWY_INLINE P MulP(P a, P b) { return hn::Mul(a, b); }
  // (a * b + 2^14) >> 15.
  static HWY_INLINE P MulRoundP(P a, P b) { return hn::MulFixedPoint15(a, b); }
  // The sum of both products.
  static HWY_INLINE I DotP(P a, P b) {
    return hn::WidenMulPairwiseAdd(DI(), a, b);
  }

  // out[i * kLanes + lane] = in[lane * stride + i] for i < 16 * count.
  static HWY_INLINE void Transpose(const float* HWY_RESTRICT in, size_t stride,
                                   size_t count, float* HWY_RESTRICT out) {
    for (size_t i = 0; i < count; i += kLanes) {
      V r[kLanes];
      for (size_t j = 0; j < kLanes; ++j) {
        r[j] = hn::LoadU(D(), in + j * stride + i);
      }
      TransposeSquare(r);
      for (size_t j = 0; j < kLanes; ++j) Store(r[j], out + (i + j) * kLanes);
    }
  }

 private:
  static HWY_INLINE V Lower64(V a, V b) {
    const hn::Repartition<double, D> d64;
    return hn::BitCast(D(), hn::InterleaveLower(d64, hn::BitCast(d64, a),
                                                hn::BitCast(d64, b)));
  }
  static HWY_INLINE V Upper64(V a, V b) {
    const hn::Repartition<double, D> d64;
    return hn::BitCast(D(), hn::InterleaveUpper(d64, hn::BitCast(d64, a),
                                                hn::BitCast(d64, b)));
  }
  // 4x4 inside the 128-bit blocks of r[0..3].
  static HWY_INLINE void Transpose4(V* r) {
    const D d;
    const V a = hn::InterleaveLower(d, r[0], r[1]);
    const V b = hn::InterleaveUpper(d, r[0], r[1]);
    const V c = hn::InterleaveLower(d, r[2], r[3]);
    const V e = hn::InterleaveUpper(d, r[2], r[3]);
    r[0] = Lower64(a, c);
    r[1] = Upper64(a, c);
    r[2] = Lower64(b, e);
    r[3] = Upper64(b, e);
  }
  static HWY_INLINE void TransposeSquare(V* r) {
    const D d;
    static_assert(kLanes == 4 || kLanes == 8 || kLanes == 16, "lanes");
    for (size_t i = 0; i < kLanes; i += 4) Transpose4(r + i);
    if constexpr (kLanes == 8) {
      for (size_t i = 0; i < 4; ++i) {
        const V lo = r[i], hi = r[i + 4];
        r[i] = hn::ConcatLowerLower(d, hi, lo);
        r[i + 4] = hn::ConcatUpperUpper(d, hi, lo);
      }
    } else if constexpr (kLanes == 16) {
      for (size_t i = 0; i < 4; ++i) {  // 4x4 of 128-bit blocks
        const V a = r[i], b = r[i + 4], c = r[i + 8], e = r[i + 12];
        const V ab0 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a);
        const V ab1 = hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a));
        const V ce0 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(e), c);
        const V ce1 = hn::OddEvenBlocks(e, hn::SwapAdjacentBlocks(c));
        r[i] = hn::ConcatLowerLower(d, ce0, ab0);
        r[i + 4] = hn::ConcatLowerLower(d, ce1, ab1);
        r[i + 8] = hn::ConcatUpperUpper(d, ce0, ab0);
        r[i + 12] = hn::ConcatUpperUpper(d, ce1, ab1);
      }
    }
  }
};
using HwyLanes = HwyLanesUpTo<16>;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_LANES_INL_H_
