// SPDX-License-Identifier: MIT
// A big buffer on huge pages, as far as the system grants them, or on small
// ones.
#ifndef NIBBLE_BENCH_PAGE_BUFFER_H_
#define NIBBLE_BENCH_PAGE_BUFFER_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <new>
#include <string>

namespace nibble {

enum class Pages { kHuge, kSmall };

// The words of --pages.
inline const std::map<std::string, Pages>& PagesByName() {
  static const std::map<std::string, Pages> names = {{"huge", Pages::kHuge},
                                                     {"small", Pages::kSmall}};
  return names;
}

class PageBuffer {
 public:
  explicit PageBuffer(size_t size, Pages pages = Pages::kHuge)
      : mapped_(size + kHuge) {
    void* p = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<uint8_t*>(p);
    const size_t misaligned = reinterpret_cast<uintptr_t>(base_) % kHuge;
    data_ = base_ + (kHuge - misaligned) % kHuge;
    madvise(data_, size,
            pages == Pages::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  }
  ~PageBuffer() { munmap(base_, mapped_); }
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  uint8_t* data() { return data_; }

  // KiB of this process on huge pages: after the buffer has been written.
  static size_t HugeKib() {
    size_t kib = 0;
    if (FILE* f = std::fopen("/proc/self/smaps_rollup", "r")) {
      char line[256];
      while (std::fgets(line, sizeof(line), f) != nullptr) {
        if (std::sscanf(line, "AnonHugePages: %zu kB", &kib) == 1) break;
      }
      std::fclose(f);
    }
    return kib;
  }

 private:
  static constexpr size_t kHuge = size_t{2} << 20;
  size_t mapped_;
  uint8_t* base_;
  uint8_t* data_;
};

}  // namespace nibble

#endif  // NIBBLE_BENCH_PAGE_BUFFER_H_
