// SPDX-License-Identifier: MIT
// A plain ParallelFor for benchmarks: one std::thread per part and call.
#ifndef NIBBLE_BENCH_THREADS_H_
#define NIBBLE_BENCH_THREADS_H_

#include <thread>
#include <vector>

#include "nibble/parallel.h"

namespace nibble {

class Threads {
 public:
  explicit Threads(size_t count) {
    parallel_.run = &Run;
    parallel_.threads = count;
  }
  // Null for one thread: the call then stays on the caller's.
  const ParallelFor* get() const {
    return parallel_.threads > 1 ? &parallel_ : nullptr;
  }

 private:
  static void Run(void*, size_t parts, void (*task)(void*, size_t),
                  void* arg) {
    std::vector<std::thread> threads;
    for (size_t part = 1; part < parts; ++part) {
      threads.emplace_back(task, arg, part);
    }
    task(arg, 0);
    for (std::thread& thread : threads) thread.join();
  }

  ParallelFor parallel_;
};

}  // namespace nibble

#endif  // NIBBLE_BENCH_THREADS_H_
