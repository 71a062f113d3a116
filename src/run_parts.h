// SPDX-License-Identifier: MIT
// Runs the parts of a call on the caller's threads, or here.
#ifndef NIBBLE_SRC_RUN_PARTS_H_
#define NIBBLE_SRC_RUN_PARTS_H_

#include <cstddef>

#include "nibble/parallel.h"

namespace nibble {

// How many parts to make: 1 if there is nothing to run them on.
inline size_t ThreadsOf(const ParallelFor* parallel) noexcept {
  if (parallel == nullptr || parallel->run == nullptr) return 1;
  return parallel->threads > 1 ? parallel->threads : 1;
}

// work(part) for every part in [0, parts); 1 part stays on this thread.
template <class Work>
void RunParts(const ParallelFor* parallel, size_t parts,
              const Work& work) noexcept {
  if (parts == 1) {
    work(0);
    return;
  }
  const void* arg = &work;
  parallel->run(
      parallel->context, parts,
      [](void* own, size_t part) { (*static_cast<const Work*>(own))(part); },
      const_cast<void*>(arg));
}

}  // namespace nibble

#endif  // NIBBLE_SRC_RUN_PARTS_H_
