// SPDX-License-Identifier: MIT
// Before hwy/highway.h in units that are compiled once per target: EMU128 is
// inlined as the compiler sees fit.
//
// It is there for tests, on machines that all have something better. Its
// operations are loops over lanes, and always inlining them into unrolled
// kernels took half of the whole build (IQ2_XS compute: 21 s, now 4; the other
// eight targets take 1 to 2 s each).
#include "hwy/base.h"
#include "hwy/detect_targets.h"

// No include guard: the answer differs per target.
#if defined(__OPTIMIZE__) && (HWY_ARCH_X86 || HWY_ARCH_ARM)
#undef HWY_INLINE
#if HWY_TARGET == HWY_EMU128
#define HWY_INLINE inline
#else
#define HWY_INLINE inline __attribute__((always_inline))  // as in hwy/base.h
#endif
#endif
