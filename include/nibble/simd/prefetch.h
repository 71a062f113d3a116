// SPDX-License-Identifier: MIT
// Asks for memory ahead of time.
#ifndef NIBBLE_SIMD_PREFETCH_H_
#define NIBBLE_SIMD_PREFETCH_H_

#include <cstddef>
#include <cstdint>

namespace nibble {

// As __builtin_prefetch counts them.
enum class CacheLevel { kL2 = 2, kL1 = 3 };

// Every 64th byte of [p, p + bytes); the memory need not exist.
template <CacheLevel kLevel>
inline __attribute__((always_inline)) void Prefetch(const uint8_t* p,
                                                    size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(p + i, 0, static_cast<int>(kLevel));
  }
}

}  // namespace nibble

#endif  // NIBBLE_SIMD_PREFETCH_H_
