// SPDX-License-Identifier: MIT
// Scratch memory: the caller's, or allocated once per call.
#ifndef NIBBLE_SRC_ALIGNED_MEMORY_H_
#define NIBBLE_SRC_ALIGNED_MEMORY_H_

#include <cstdint>
#include <cstdlib>

#include "src/check.h"

namespace nibble {

class AlignedMemory {
 public:
  AlignedMemory() = default;
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;
  ~AlignedMemory() { std::free(owned_); }

  // Takes `given` if it is not null (and then large enough and aligned to 64),
  // else allocates `needed` bytes.
  Status UseOrAllocate(void* given, size_t given_bytes,
                       size_t needed) noexcept {
    if (given != nullptr) {
      if (given_bytes < needed) {
        return InvalidArgument("scratch has %zu bytes, %zu are needed",
                               given_bytes, needed);
      }
      if (reinterpret_cast<uintptr_t>(given) % 64 != 0) {
        return InvalidArgument("scratch is not aligned to 64 bytes");
      }
      memory_ = static_cast<uint8_t*>(given);
      return OkStatus();
    }
    owned_ = std::aligned_alloc(64, (needed + 63) / 64 * 64);
    if (owned_ == nullptr && needed != 0) {
      return ResourceError("%zu bytes of scratch cannot be allocated", needed);
    }
    memory_ = static_cast<uint8_t*>(owned_);
    return OkStatus();
  }
  uint8_t* get() const noexcept { return memory_; }

 private:
  void* owned_ = nullptr;
  uint8_t* memory_ = nullptr;
};

}  // namespace nibble

#endif  // NIBBLE_SRC_ALIGNED_MEMORY_H_
