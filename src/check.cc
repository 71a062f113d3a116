// SPDX-License-Identifier: MIT
#include "src/check.h"

#include <cstdarg>
#include <cstdio>

namespace nibble {
namespace {

// printf into a fixed buffer: nothing to allocate before the one string, and
// nothing that throws on a bad format.
Status Failed(StatusCode code, const char* format, va_list args) noexcept {
  char text[256];
  if (vsnprintf(text, sizeof(text), format, args) < 0) {
    return Status(code, format);
  }
  return Status(code, text);
}

// The name of a type that exists, in this build or not; else null.
const char* RegistryName(Type type) noexcept {
  switch (type) {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  case Type::k##symbol:                                          \
    return name;
#include "nibble/formats/formats.def"
#undef NIBBLE_FORMAT
    default:
      return nullptr;
  }
}

}  // namespace

#define NIBBLE_STATUS_MAKER(name, code)             \
  Status name(const char* format, ...) noexcept {   \
    va_list args;                                   \
    va_start(args, format);                         \
    Status status = Failed(code, format, args);     \
    va_end(args);                                   \
    return status;                                  \
  }
NIBBLE_STATUS_MAKER(InvalidArgument, StatusCode::kInvalidArgument)
NIBBLE_STATUS_MAKER(InvalidData, StatusCode::kInvalidData)
NIBBLE_STATUS_MAKER(Unsupported, StatusCode::kUnsupported)
NIBBLE_STATUS_MAKER(ResourceError, StatusCode::kResource)
#undef NIBBLE_STATUS_MAKER

Status CheckMatrix(const char* name, const ConstMatrix& m) noexcept {
  const TypeInfo* info = FindTypeInfo(m.type);
  if (info == nullptr) {
    if (const char* left_out = RegistryName(m.type)) {
      return Unsupported("%s: type %s is not in this build (NIBBLE_FORMATS)",
                         name, left_out);
    }
    return Unsupported("%s: type id %u is unknown", name,
                       static_cast<unsigned>(m.type));
  }
  if (m.rows == 0 || m.cols == 0) {
    return InvalidArgument("%s: %zu x %zu is empty", name, m.rows, m.cols);
  }
  const size_t row_bytes = RowBytes(m.type, m.cols);
  if (row_bytes == 0) {
    return InvalidArgument("%s: %zu columns are no multiple of the %zu of a %s "
                           "block",
                           name, m.cols, info->block_weights, info->name);
  }
  if (m.data == nullptr) return InvalidArgument("%s: data is null", name);
  if (m.stride_bytes < row_bytes) {
    return InvalidArgument("%s: stride %zu is below the %zu bytes of a %s row",
                           name, m.stride_bytes, row_bytes, info->name);
  }
  size_t bytes;
  if (__builtin_mul_overflow(m.rows, m.stride_bytes, &bytes)) {
    return InvalidArgument("%s: %zu rows of %zu bytes overflow", name, m.rows,
                           m.stride_bytes);
  }
  const size_t element = info->quantized ? 1 : info->block_bytes;
  if (reinterpret_cast<uintptr_t>(m.data) % element != 0 ||
      m.stride_bytes % element != 0) {
    return InvalidArgument("%s: data or stride not aligned to the %zu bytes of "
                           "%s",
                           name, element, info->name);
  }
  return OkStatus();
}

Status CheckFloatMatrix(const char* name, const ConstMatrix& m) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckMatrix(name, m));
  if (FindTypeInfo(m.type)->quantized) {
    return InvalidArgument("%s: %s given, F32, F16 or BF16 wanted", name,
                           TypeName(m.type));
  }
  return OkStatus();
}

Status CheckPackedMatrix(const char* name, const ConstMatrix& m) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckMatrix(name, m));
  if (!FindTypeInfo(m.type)->quantized) {
    return InvalidArgument("%s: %s given, a quantized type wanted", name,
                           TypeName(m.type));
  }
  return OkStatus();
}

Status CheckShare(Share share) noexcept {
  if (share.parts == 0 || share.part >= share.parts) {
    return InvalidArgument("share: part %zu of %zu", share.part, share.parts);
  }
  return OkStatus();
}

}  // namespace nibble
