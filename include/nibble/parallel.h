// SPDX-License-Identifier: MIT
// How a caller lends its threads: a callback, or a part number.
#ifndef NIBBLE_PARALLEL_H_
#define NIBBLE_PARALLEL_H_

#include <cstddef>

namespace nibble {

// The caller's threads. run() must call task(arg, part) once for every part in
// [0, parts), on any threads in any order, and return when all are done. The
// library starts no threads of its own.
struct ParallelFor {
  void (*run)(void* context, size_t parts, void (*task)(void* arg, size_t part),
              void* arg) = nullptr;
  void* context = nullptr;
  size_t threads = 1;  // how many parts can usefully run at once
};

// Which share of the rows a call works on. For callers that split work
// themselves: each of `parts` threads makes the same call with its own `part`;
// together they write every row once and the result does not depend on `parts`.
struct Share {
  size_t part = 0;
  size_t parts = 1;
};

struct RowRange {
  size_t begin = 0;
  size_t end = 0;
};

// The rows of `share` out of `rows`, in steps of `multiple` rows: contiguous,
// disjoint, complete, and equal to within one step.
inline RowRange SplitRows(size_t rows, Share share,
                          size_t multiple = 1) noexcept {
  const size_t steps = (rows + multiple - 1) / multiple;
  const size_t begin = steps * share.part / share.parts * multiple;
  const size_t end = steps * (share.part + 1) / share.parts * multiple;
  return {begin < rows ? begin : rows, end < rows ? end : rows};
}

}  // namespace nibble

#endif  // NIBBLE_PARALLEL_H_
