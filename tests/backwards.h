// SPDX-License-Identifier: MIT
// Threads for tests of what must not depend on them.
#ifndef NIBBLE_TESTS_BACKWARDS_H_
#define NIBBLE_TESTS_BACKWARDS_H_

#include <cstddef>

#include "nibble/parallel.h"

namespace nibble {

// Runs the parts last to first, on this thread.
inline ParallelFor Backwards(size_t threads) {
  ParallelFor parallel;
  parallel.run = [](void*, size_t parts, void (*task)(void*, size_t),
                    void* arg) {
    while (parts-- > 0) task(arg, parts);
  };
  parallel.threads = threads;
  return parallel;
}

}  // namespace nibble

#endif  // NIBBLE_TESTS_BACKWARDS_H_
