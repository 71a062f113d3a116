// SPDX-License-Identifier: MIT
// Type ids in GGUF files: names and sizes, for copying and for bounds checks.
#ifndef NIBBLE_EXAMPLES_GGUF_TENSOR_TYPES_H_
#define NIBBLE_EXAMPLES_GGUF_TENSOR_TYPES_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "nibble/transcode.h"
#include "nibble/type.h"

namespace nibble::gguf {

struct TensorType {
  uint32_t id;
  const char* name;
  uint32_t block_weights;
  uint32_t block_bytes;
  uint32_t row_header_bytes;
  uint32_t file_type;  // general.file_type of a model mostly of this type

  // Bytes of a row of `cols` weights; nullopt if the block does not divide
  // `cols` or the size overflows.
  std::optional<uint64_t> RowBytes(uint64_t cols) const;

  // Of the blocks; a row header adds 8 * bytes / columns.
  double bits_per_weight() const { return 8.0 * block_bytes / block_weights; }
};

// Null for an id no known program writes.
const TensorType* FindTensorType(uint32_t id);

// Case-insensitive: "q4_K" and "Q4_K" are the same type. Null if unknown.
const TensorType* FindTensorType(std::string_view name);

// "q4_K", or "unknown".
const char* TensorTypeName(uint32_t id);

// The library's type behind an id, if this build computes with it.
std::optional<Type> LibraryType(uint32_t id);

// "Q4_k" is "q4_K".
bool SameName(std::string_view a, std::string_view b);

// What is known of a row-interleaved type; null for all others.
inline const InterleavedInfo* Interleaved(uint32_t id) {
  return FindInterleaved(static_cast<InterleavedType>(id));
}

// The type of the rows behind an id, interleaved or not, if this build computes
// with it.
std::optional<Type> RowType(uint32_t id);

inline uint32_t TypeId(Type type) { return static_cast<uint32_t>(type); }

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_TENSOR_TYPES_H_
