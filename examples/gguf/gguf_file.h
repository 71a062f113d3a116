// SPDX-License-Identifier: MIT
// Reading GGUF files that nobody vouches for.
#ifndef NIBBLE_EXAMPLES_GGUF_GGUF_FILE_H_
#define NIBBLE_EXAMPLES_GGUF_GGUF_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gguf/mapped_file.h"
#include "gguf/metadata.h"
#include "nibble/status.h"

namespace nibble::gguf {

constexpr uint32_t kDefaultAlignment = 32;
constexpr size_t kMaxDims = 4;

// One tensor: a stack of `rows` rows of `cols` weights.
struct Tensor {
  std::string name;
  uint32_t n_dims = 0;
  std::array<uint64_t, kMaxDims> dims = {1, 1, 1, 1};  // [0] = row length
  uint32_t type = 0;    // an id of tensor_types.def
  uint64_t offset = 0;  // from the start of the data section
  uint64_t bytes = 0;
  const uint8_t* data = nullptr;  // `bytes` bytes, inside the map

  uint64_t cols() const { return dims[0]; }
  uint64_t rows() const { return dims[1] * dims[2] * dims[3]; }
  // Experts are stored as one tensor of several matrices.
  uint64_t matrices() const { return dims[2] * dims[3]; }
  uint64_t weights() const { return cols() * rows(); }
};

// What a GGUF file says, checked: every count, length and offset fits the file,
// no product of dimensions overflows, names and keys are unique, tensors are
// aligned and do not overlap. Code behind this can trust all of it.
struct Contents {
  uint32_t version = 3;
  uint32_t alignment = kDefaultAlignment;
  Metadata metadata;
  std::vector<Tensor> tensors;  // in file order

  // Null if there is none.
  const Tensor* FindTensor(const std::string& name) const;
};

// Parses `size` bytes. `path` is only for messages. The tensors' `data` points
// into `data`.
Status ParseGguf(const std::string& path, const uint8_t* data, size_t size,
                 Contents* contents);

// A mapped GGUF file of version 2 or 3. Movable, not copyable.
class GgufFile {
 public:
  // Errors are one line that starts with the path and names the offending item.
  static Status Open(const std::string& path, GgufFile* file);

  const std::string& path() const { return path_; }
  size_t file_bytes() const { return map_.size(); }
  const Contents& contents() const { return contents_; }
  const std::vector<Tensor>& tensors() const { return contents_.tensors; }

 private:
  std::string path_;
  MappedFile map_;
  Contents contents_;
};

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_GGUF_FILE_H_
