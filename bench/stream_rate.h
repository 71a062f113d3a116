// SPDX-License-Identifier: MIT
// The memory limit in GB/s.
#ifndef NIBBLE_BENCH_STREAM_RATE_H_
#define NIBBLE_BENCH_STREAM_RATE_H_

#include <cstddef>
#include <cstdint>

#include "bench/stream.h"
#include "bench/timing.h"
#include "nibble/parallel.h"

namespace nibble {

// Of reading [data, data + bytes), the best of at least `seconds`. Each of the
// threads reads its share; null means this one alone.
inline double StreamRate(const uint8_t* data, size_t bytes,
                         const ParallelFor* parallel, double seconds) {
  struct Task {
    const uint8_t* data;
    size_t bytes;
    volatile uint64_t sink;
  };
  const size_t threads = parallel != nullptr ? parallel->threads : 1;
  Task task{data, bytes / threads, 0};
  const auto read = [](void* arg, size_t part) {
    auto& t = *static_cast<Task*>(arg);
    t.sink = StreamRead(t.data + part * t.bytes, t.bytes);
  };
  const double best = BestSeconds(seconds, [&] {
    if (parallel == nullptr) return read(&task, 0);
    parallel->run(parallel->context, threads, read, &task);
  });
  return 1e-9 * static_cast<double>(bytes) / best;
}

}  // namespace nibble

#endif  // NIBBLE_BENCH_STREAM_RATE_H_
