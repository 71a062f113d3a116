// SPDX-License-Identifier: MIT
// A whole file as read-only memory.
#ifndef NIBBLE_EXAMPLES_GGUF_MAPPED_FILE_H_
#define NIBBLE_EXAMPLES_GGUF_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "nibble/status.h"

namespace nibble::gguf {

// A memory map of a regular file: a model far larger than memory opens at once
// and only the pages in use stay resident. Movable, not copyable. The file must
// not shrink while it is mapped.
class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  // kIo if `path` cannot be opened, is no regular file, or cannot be mapped.
  static Status Open(const std::string& path, MappedFile* file);

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_MAPPED_FILE_H_
