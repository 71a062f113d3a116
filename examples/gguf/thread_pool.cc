// SPDX-License-Identifier: MIT
#include "gguf/thread_pool.h"

#include <algorithm>

namespace nibble::gguf {

ThreadPool::ThreadPool(size_t threads) {
  if (threads == 0) threads = std::thread::hardware_concurrency();
  for (size_t i = 1; i < std::max<size_t>(threads, 1); ++i) {
    workers_.emplace_back([this] { Work(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(size_t parts, const std::function<void(size_t)>& task) {
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  next_ = 0;
  parts_ = parts;
  unfinished_ = parts;
  wake_.notify_all();
  TakeParts(lock);
  done_.wait(lock, [this] { return unfinished_ == 0; });
  parts_ = 0;
}

ParallelFor ThreadPool::AsParallelFor() {
  ParallelFor parallel;
  parallel.context = this;
  parallel.threads = threads();
  parallel.run = [](void* context, size_t parts,
                    void (*task)(void* arg, size_t part), void* arg) {
    static_cast<ThreadPool*>(context)->Run(
        parts, [=](size_t part) { task(arg, part); });
  };
  return parallel;
}

void ThreadPool::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || next_ < parts_; });
    if (stop_) return;
    TakeParts(lock);
  }
}

void ThreadPool::TakeParts(std::unique_lock<std::mutex>& lock) {
  while (next_ < parts_) {
    const size_t part = next_++;
    const auto& task = *task_;
    lock.unlock();
    task(part);
    lock.lock();
    if (--unfinished_ == 0) done_.notify_one();
  }
}

}  // namespace nibble::gguf
