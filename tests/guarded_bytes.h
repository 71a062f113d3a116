// SPDX-License-Identifier: MIT
// Memory between two pages that fault: reads before or behind it crash the
// test.
#ifndef NIBBLE_TESTS_GUARDED_BYTES_H_
#define NIBBLE_TESTS_GUARDED_BYTES_H_

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>

namespace nibble {

enum class Guard { kBefore, kBehind };  // which end touches its page

class GuardedBytes {
 public:
  GuardedBytes(size_t size, Guard guard) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t inside = (size + page - 1) / page * page;
    mapped_ = inside + 2 * page;
    void* p =
        mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    base_ = static_cast<uint8_t*>(p);
    REQUIRE(mprotect(base_ + page, inside, PROT_READ | PROT_WRITE) == 0);
    data_ = base_ + page + (guard == Guard::kBehind ? inside - size : 0);
  }
  ~GuardedBytes() { munmap(base_, mapped_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  uint8_t* data() { return data_; }

 private:
  uint8_t* base_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t mapped_ = 0;
};

}  // namespace nibble

#endif  // NIBBLE_TESTS_GUARDED_BYTES_H_
