// SPDX-License-Identifier: MIT
// Writing GGUF files as a stream.
#ifndef NIBBLE_EXAMPLES_GGUF_GGUF_WRITER_H_
#define NIBBLE_EXAMPLES_GGUF_GGUF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/metadata.h"
#include "gguf/output_file.h"
#include "nibble/status.h"

namespace nibble::gguf {

// Writes GGUF version 3. The header needs the size of every tensor but none of
// the data, so a model larger than memory passes through:
//
//   GgufWriter writer;
//   writer.Open(path, metadata, tensors, alignment);
//   for each tensor, in order: writer.Write(...) as often as wanted;
//   writer.Commit();
//
// Nothing stands at `path` before Commit() succeeds (see OutputFile).
class GgufWriter {
 public:
  // Of `tensors`, name, dims, type and bytes are used; offsets are computed.
  Status Open(const std::string& path, const Metadata& metadata,
              const std::vector<Tensor>& tensors, uint32_t alignment);

  // The next `size` bytes of the current tensor; padding is added behind its
  // last byte. kInvalidArgument if they are more than the tensor has left.
  Status Write(const void* data, size_t size);

  // kInvalidArgument if a tensor is incomplete.
  Status Commit();

  uint64_t bytes_written() const { return file_.bytes_written(); }

 private:
  Status Pad();

  OutputFile file_;
  std::vector<Tensor> tensors_;
  uint32_t alignment_ = kDefaultAlignment;
  size_t current_ = 0;  // the tensor being written
  uint64_t written_of_current_ = 0;
};

// The bytes before the data section, padding included.
std::string SerializeHeader(const Metadata& metadata,
                            const std::vector<Tensor>& tensors,
                            uint32_t alignment);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_GGUF_WRITER_H_
