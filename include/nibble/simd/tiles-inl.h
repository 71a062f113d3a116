// SPDX-License-Identifier: MIT
// Intel's tile instructions (AMX), where the target may have them.
//
// They are assembly because Highway has none, and compilers offer theirs only
// to functions that carry a target of their own, which could not be inlined
// with Highway's.
#if defined(NIBBLE_SIMD_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_TILES_INL_H_
#undef NIBBLE_SIMD_TILES_INL_H_
#else
#define NIBBLE_SIMD_TILES_INL_H_
#endif

#include "hwy/highway.h"

#undef NIBBLE_MAY_HAVE_TILES
#if HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX3_SPR && !HWY_COMPILER_MSVC
#define NIBBLE_MAY_HAVE_TILES 1
#endif

#ifndef NIBBLE_TILE_OPS
#define NIBBLE_TILE_OPS
// Rows of a tile are 64 bytes, and `stride` bytes apart.
#define NIBBLE_TILE_LOAD(tile, p, stride)                       \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(p), \
                   "r"(size_t{stride}))
// Rows that follow one another, with the hint that this data will not be wanted
// again soon: it leaves the 32 KiB weight panel in L1 (2.75 -> 3.6 TFLOPS).
#define NIBBLE_TILE_STREAM(tile, p)                               \
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #tile ::"r"(p), \
                   "r"(size_t{64}))
#define NIBBLE_TILE_STORE(tile, p)                                  \
  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(p), \
                   "r"(size_t{64})                                  \
                   : "memory")
#define NIBBLE_TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::)
// c += a * b
#define NIBBLE_TILE_MULTIPLY(c, a, b) \
  __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
#endif

#endif  // NIBBLE_SIMD_TILES_INL_H_
