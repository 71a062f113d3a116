// SPDX-License-Identifier: MIT
// Arena: hands out aligned pieces of the caller's scratch memory.
#ifndef NIBBLE_SEARCH_ARENA_H_
#define NIBBLE_SEARCH_ARENA_H_

#include <cstddef>
#include <cstdint>

namespace nibble {

// Without memory it only counts: the same code that allocates says how much it
// needs.
class Arena {
 public:
  explicit Arena(void* memory) : next_(static_cast<uint8_t*>(memory)) {}

  template <class T>
  T* Take(size_t count) {
    const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    used_ += bytes;
    if (next_ == nullptr) return nullptr;
    T* p = reinterpret_cast<T*>(next_);
    next_ += bytes;
    return p;
  }
  size_t used() const { return used_; }

 private:
  uint8_t* next_;
  size_t used_ = 0;
};

}  // namespace nibble

#endif  // NIBBLE_SEARCH_ARENA_H_
