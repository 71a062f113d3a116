// SPDX-License-Identifier: MIT
#ifndef NIBBLE_SIMD_CROSSOVER_H_
#define NIBBLE_SIMD_CROSSOVER_H_

#include <cstddef>

namespace nibble {

// From how many tokens on int8 panels, and bf16 tiles where there are some, are
// the fastest way to multiply weights of one format.
struct Crossover {
  size_t panels;
  size_t tiles;
};

}  // namespace nibble

#endif  // NIBBLE_SIMD_CROSSOVER_H_
