// SPDX-License-Identifier: MIT
// Verbs: every intrinsic the kernels use, once, each with a host twin that
// gives the same bits. The code of one thread is written with them and
// therefore runs, and is tested, on a machine without a device. BytePermute is
// with the machine that needs it, in formats/machines.h.
#ifndef NIBBLE_CUDA_COMMON_CUH_
#define NIBBLE_CUDA_COMMON_CUH_

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "nibble/float16.h"
#include "nibble/formats/nodes.h"

// Unrolls the loop that follows kUnroll times, a constant that must be in
// scope; host compilers decide by themselves.
#ifdef __CUDA_ARCH__
#define NIBBLE_UNROLL _Pragma("unroll kUnroll")
#else
#define NIBBLE_UNROLL
#endif

namespace nibble {
namespace cuda {

inline constexpr uint32_t kWarp = 32;

// sum + the dot product of four signed bytes with four signed bytes. Exact.
NIBBLE_HD inline int Dot4(uint32_t a, uint32_t b, int sum) {
#ifdef __CUDA_ARCH__
  return __dp4a(static_cast<int>(a), static_cast<int>(b), sum);
#else
  for (int i = 0; i < 32; i += 8) {
    sum += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
  }
  return sum;
#endif
}

// a * b + c, rounded once. Written out where it is wanted: the compilers' own
// contraction is off, so that host and device round alike.
NIBBLE_HD inline float Fma(float a, float b, float c) {
#ifdef __CUDA_ARCH__
  return __fmaf_rn(a, b, c);
#else
  return std::fma(a, b, c);
#endif
}

// The nearest integer, ties to even. |x| < 2^31.
NIBBLE_HD inline int NearestInt(float x) {
#ifdef __CUDA_ARCH__
  return __float2int_rn(x);
#else
  return static_cast<int>(std::nearbyint(x));
#endif
}

// fp16 to float, exact; a NaN stays one, its payload may differ from the
// host's.
NIBBLE_HD inline float HalfToFloat(uint16_t half) {
#ifdef __CUDA_ARCH__
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(half));
  return f;
#else
  return F16ToF32(half);
#endif
}

// float to fp16, nearest even; NaNs as above.
NIBBLE_HD inline uint16_t FloatToHalf(float f) {
#ifdef __CUDA_ARCH__
  uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(f));
  return half;
#else
  return F32ToF16(f);
#endif
}

// Writes a word to an address that is a multiple of kAlign: LoadAligned's twin.
template <size_t kAlign, class Word>
NIBBLE_HD inline void StoreAligned(const Word& v, void* p) {
  constexpr size_t kKnown = kAlign < sizeof(Word) ? kAlign : sizeof(Word);
  memcpy(__builtin_assume_aligned(p, kKnown), &v, sizeof(v));
}

// Sixteen bytes: one load where the address is a multiple of 16.
struct alignas(16) Words16 {
  uint32_t word[4];
};

// The sum over a warp: lanes 16 apart first, then 8, 4, 2, 1. Every lane gets
// the same bits, because an addition does not care which operand is first.
#ifdef __CUDACC__
__device__ inline float WarpSum(float v) {
  for (int apart = 16; apart > 0; apart /= 2) {
    v += __shfl_xor_sync(0xFFFFFFFFu, v, apart);
  }
  return v;
}
// The value of the lane whose number differs in the bits of `apart`.
template <class T>
__device__ inline T Across(T v, int apart) {
  return __shfl_xor_sync(0xFFFFFFFFu, v, apart);
}
#endif
// lane: the values of the 32 lanes; overwritten.
inline float HostWarpSum(float* lane) {
  for (uint32_t apart = kWarp / 2; apart > 0; apart /= 2) {
    for (uint32_t i = 0; i < apart; ++i) lane[i] += lane[i + apart];
  }
  return lane[0];
}

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_COMMON_CUH_
