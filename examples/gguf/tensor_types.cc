// SPDX-License-Identifier: MIT
#include "gguf/tensor_types.h"

#include <algorithm>
#include <cctype>

namespace nibble::gguf {
namespace {

constexpr TensorType kTypes[] = {
#define NIBBLE_GGUF_TYPE(id, name, weights, bytes, header, file_type) \
  {id, name, weights, bytes, header, file_type},
#include "gguf/tensor_types.def"
#undef NIBBLE_GGUF_TYPE
};

}  // namespace

std::optional<uint64_t> TensorType::RowBytes(uint64_t cols) const {
  if (cols % block_weights != 0) return std::nullopt;
  uint64_t bytes;
  if (__builtin_mul_overflow(cols / block_weights, uint64_t{block_bytes},
                             &bytes) ||
      __builtin_add_overflow(bytes, uint64_t{row_header_bytes}, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

const TensorType* FindTensorType(uint32_t id) {
  for (const TensorType& type : kTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

const TensorType* FindTensorType(std::string_view name) {
  for (const TensorType& type : kTypes) {
    if (SameName(type.name, name)) return &type;
  }
  return nullptr;
}

const char* TensorTypeName(uint32_t id) {
  const TensorType* type = FindTensorType(id);
  return type != nullptr ? type->name : "unknown";
}

std::optional<Type> LibraryType(uint32_t id) {
  const Type type = static_cast<Type>(id);
  if (FindTypeInfo(type) == nullptr) return std::nullopt;
  return type;
}

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::optional<Type> RowType(uint32_t id) {
  const InterleavedInfo* info = Interleaved(id);
  return LibraryType(info != nullptr ? TypeId(info->base) : id);
}

}  // namespace nibble::gguf
