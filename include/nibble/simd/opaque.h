// SPDX-License-Identifier: MIT
// Hides from the compiler where a value comes from.
#ifndef NIBBLE_SIMD_OPAQUE_H_
#define NIBBLE_SIMD_OPAQUE_H_

#include "hwy/base.h"

namespace nibble {

// The same integer or pointer, in a general register. Nothing that is computed
// from it is merged with what was computed before, or from another result:
// hence volatile.
template <class T>
HWY_INLINE T Opaque(T v) {
#if HWY_ARCH_X86_64 && !HWY_COMPILER_MSVC
  asm volatile("" : "+r"(v));
#endif
  return v;
}

}  // namespace nibble

#endif  // NIBBLE_SIMD_OPAQUE_H_
