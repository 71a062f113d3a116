// SPDX-License-Identifier: MIT
// A file that appears whole or not at all.
#ifndef NIBBLE_EXAMPLES_GGUF_OUTPUT_FILE_H_
#define NIBBLE_EXAMPLES_GGUF_OUTPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "nibble/status.h"

namespace nibble::gguf {

// Writes to a temporary file beside `path` and renames it over `path` in
// Commit(). Without a Commit() the destructor removes the temporary file, and
// what stood at `path` before stays as it was. Not thread-safe.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // kIo if `path` names something other than a regular file, or its folder
  // cannot be written.
  Status Open(const std::string& path);
  Status Write(const void* data, size_t size);
  // Flushes to the disk and gives the file its name.
  Status Commit();

  uint64_t bytes_written() const { return bytes_written_; }

 private:
  Status Fail(const char* verb, int error) const;

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
  uint64_t bytes_written_ = 0;
};

// Writes a small file the same way.
Status WriteFile(const std::string& path, const std::string& text);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_OUTPUT_FILE_H_
