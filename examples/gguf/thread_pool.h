// SPDX-License-Identifier: MIT
// Threads to lend to the library, which starts none itself.
#ifndef NIBBLE_EXAMPLES_GGUF_THREAD_POOL_H_
#define NIBBLE_EXAMPLES_GGUF_THREAD_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "nibble/parallel.h"

namespace nibble::gguf {

// `threads` threads, the caller's among them, that wait between calls. One
// caller at a time.
class ThreadPool {
 public:
  // 0 means one thread per hardware thread.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }

  // Calls task(part) for every part in [0, parts) and returns when all are
  // done. Parts are handed out one by one, so uneven parts still balance.
  void Run(size_t parts, const std::function<void(size_t)>& task);

  // This pool as the library's callback. Valid as long as the pool.
  ParallelFor AsParallelFor();

 private:
  void Work();
  // Takes parts until none are left. Called with the lock held.
  void TakeParts(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const std::function<void(size_t)>* task_ = nullptr;
  size_t next_ = 0;
  size_t parts_ = 0;
  size_t unfinished_ = 0;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_THREAD_POOL_H_
