// SPDX-License-Identifier: MIT
// The search vocabulary for one block at a time: plain floats. See
// lanes-inl.h for what each name means.
#ifndef NIBBLE_SEARCH_ONE_LANE_H_
#define NIBBLE_SEARCH_ONE_LANE_H_

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "nibble/float16.h"

namespace nibble {

struct OneLane {
  using V = float;
  using I = int32_t;
  using M = bool;
  static constexpr size_t kLanes = 1;

  static V Set(float f) { return f; }
  static V Zero() { return 0.0f; }
  static V Load(const float* p) { return *p; }
  static void Store(V v, float* p) { *p = v; }

  static V Add(V a, V b) { return a + b; }
  static V Sub(V a, V b) { return a - b; }
  static V Mul(V a, V b) { return a * b; }
  static V Div(V a, V b) { return a / b; }
  static V Sqrt(V a) { return std::sqrt(a); }
  static V Min(V a, V b) { return a < b ? a : b; }
  static V Max(V a, V b) { return a > b ? a : b; }
  static V Abs(V a) { return std::fabs(a); }
  static V Neg(V a) { return -a; }
  static V AddMul(V a, V b, V c) { return a + b * c; }
  static V SubMul(V a, V b, V c) { return a - b * c; }
  static V AddWhere(M m, V a, V b) { return m ? a + b : a; }
  static V Round(V a) {
    // volatile: compilers must not simplify the rounding away.
    volatile float t = a + 12582912.0f;
    return t - 12582912.0f;
  }
  static V RoundWithin(V a, int top) {
    return Min(Round(Max(a, 0.0f)), static_cast<float>(top));
  }

  static M Lt(V a, V b) { return a < b; }
  static M Gt(V a, V b) { return a > b; }
  static M Ge(V a, V b) { return a >= b; }
  static M Ne(V a, V b) { return a != b; }
  static M And(M a, M b) { return a && b; }
  static M Or(M a, M b) { return a || b; }
  static M Xor(M a, M b) { return a != b; }
  static M Not(M a) { return !a; }
  static M False() { return false; }
  static bool AllFalse(M a) { return !a; }
  static V If(M m, V yes, V no) { return m ? yes : no; }
  static V IfElse0(M m, V yes) { return m ? yes : 0.0f; }

  static I SetI(int i) { return i; }
  static void StoreI(I v, int32_t* p) { *p = v; }
  static I LoadI(const int32_t* p) { return *p; }
  static I AddI(I a, I b) {  // wraps
    return static_cast<I>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  }
  static I AndI(I a, I b) { return a & b; }
  static I OrI(I a, I b) { return a | b; }
  static I XorI(I a, I b) { return a ^ b; }
  static I MinI(I a, I b) { return a < b ? a : b; }
  static I MaxI(I a, I b) { return a > b ? a : b; }
  static M LtI(I a, I b) { return a < b; }
  static int32_t LeastI(I a) { return a; }
  static I CountLess(I count, I a, I b) { return count + (a < b ? 1 : 0); }
  template <int k>
  static I ShlI(I a) {
    return static_cast<I>(static_cast<uint32_t>(a) << k);
  }
  template <int k>
  static I ShrI(I a) {
    return a >> k;
  }
  static I GatherI(const int32_t* table, I index) { return table[index]; }
  static I IfI(M m, I yes, I no) { return m ? yes : no; }
  static I Bits(V v) { return static_cast<I>(BitsOf(v)); }
  static V FromBits(I v) { return FloatOf(static_cast<uint32_t>(v)); }
  static I ToInt(V a) { return static_cast<I>(a); }
  static V ToFloat(I a) { return static_cast<V>(a); }
  static I RoundToInt(V a) { return static_cast<I>(Round(a)); }

  struct P {
    int32_t first, second;
  };
  static P SetP(int i) { return {i, i}; }
  static P Pair(I first, I second) { return {first, second}; }
  static P LoadP(const int32_t* p) { return RepeatP(*p); }
  static void StoreP(P v, int32_t* p) {
    *p = OrI(v.first, ShlI<16>(v.second));
  }
  static P SubOrZeroP(P a, P b) {
    return {a.first > b.first ? a.first - b.first : 0,
            a.second > b.second ? a.second - b.second : 0};
  }
  static P RepeatP(int32_t pair) {
    return {static_cast<int16_t>(pair), pair >> 16};
  }
  static P SubP(P a, P b) {
    return {a.first - b.first, a.second - b.second};
  }
  template <int k>
  static P ShlP(P a) {
    return {static_cast<int16_t>(a.first * (1 << k)),
            static_cast<int16_t>(a.second * (1 << k))};
  }
  template <int k>
  static P ShrP(P a) {
    return {a.first >> k, a.second >> k};
  }
  static P MinP(P a, P b) {
    return {a.first < b.first ? a.first : b.first,
            a.second < b.second ? a.second : b.second};
  }
  static P MulP(P a, P b) { return {a.first * b.first, a.second * b.second}; }
  static P MulRoundP(P a, P b) {
    return {(a.first * b.first + 16384) >> 15,
            (a.second * b.second + 16384) >> 15};
  }
  static I DotP(P a, P b) { return a.first * b.first + a.second * b.second; }

  static void Transpose(const float* in, size_t, size_t count, float* out) {
    for (size_t i = 0; i < count; ++i) out[i] = in[i];
  }
};

}  // namespace nibble

#endif  // NIBBLE_SEARCH_ONE_LANE_H_
