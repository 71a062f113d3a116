// SPDX-License-Identifier: MIT
// The C API: conversions around the C++ calls, and no exception gets out.
#include "nibble/c/nibble.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "nibble/nibble.h"

namespace nibble {
namespace {

// ---- The two sides name the same numbers.

static_assert(NIBBLE_TYPE_F32 == static_cast<int>(Type::kF32));
static_assert(NIBBLE_TYPE_F16 == static_cast<int>(Type::kF16));
static_assert(NIBBLE_TYPE_BF16 == static_cast<int>(Type::kBF16));
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary)             \
  static_assert(NIBBLE_TYPE_##symbol == static_cast<int>(Type::k##symbol) && \
                NIBBLE_TYPE_##symbol < NIBBLE_TYPE_UNKNOWN);
#include "nibble/formats/formats.def"
#undef NIBBLE_FORMAT

static_assert(NIBBLE_OK == static_cast<int>(StatusCode::kOk));
static_assert(NIBBLE_INVALID_ARGUMENT ==
              static_cast<int>(StatusCode::kInvalidArgument));
static_assert(NIBBLE_UNSUPPORTED == static_cast<int>(StatusCode::kUnsupported));
static_assert(NIBBLE_INVALID_DATA ==
              static_cast<int>(StatusCode::kInvalidData));
static_assert(NIBBLE_IO == static_cast<int>(StatusCode::kIo));
static_assert(NIBBLE_RESOURCE == static_cast<int>(StatusCode::kResource));

// ---- Conversions.

// Cuts what does not fit; `bytes` counts the terminating zero.
void CopyText(const char* from, char* to, size_t bytes) noexcept {
  if (to == nullptr || bytes == 0) return;
  const size_t n = std::min(std::strlen(from), bytes - 1);
  std::memcpy(to, from, n);
  to[n] = '\0';
}

nibble_status Report(const Status& status, nibble_message* message) noexcept {
  if (message != nullptr) {
    CopyText(status.message().c_str(), message->text, sizeof(message->text));
  }
  return static_cast<nibble_status>(status.code());
}

// Runs `call`, which returns a Status. The verbs themselves never throw; copies
// of names and messages may, when memory is out.
template <class Call>
nibble_status Guarded(nibble_message* message, const Call& call) noexcept {
  try {
    return Report(call(), message);
  } catch (const std::exception& e) {
    if (message != nullptr) {
      CopyText(e.what(), message->text, sizeof(message->text));
    }
  } catch (...) {
    if (message != nullptr) message->text[0] = '\0';
  }
  return NIBBLE_RESOURCE;
}

// A missing view becomes one without data, which every verb refuses by name.
ConstMatrix View(const nibble_const_matrix* m) noexcept {
  if (m == nullptr) return ConstMatrix(Type::kF32, nullptr, 1, 1);
  return ConstMatrix(static_cast<Type>(m->type),
                     static_cast<const uint8_t*>(m->data), m->rows, m->cols,
                     m->stride_bytes);
}
MutableMatrix View(const nibble_matrix* m) noexcept {
  if (m == nullptr) return MutableMatrix(Type::kF32, nullptr, 1, 1);
  return MutableMatrix(static_cast<Type>(m->type),
                       static_cast<uint8_t*>(m->data), m->rows, m->cols,
                       m->stride_bytes);
}

}  // namespace
}  // namespace nibble

using nibble::Guarded;
using nibble::View;

extern "C" {

const char* nibble_version(void) { return NIBBLE_VERSION; }

// ---- Types.

size_t nibble_type_count(void) { return nibble::QuantizedTypes().size(); }

nibble_type nibble_type_at(size_t index) {
  const nibble::TypeList types = nibble::QuantizedTypes();
  if (index >= types.size()) return NIBBLE_TYPE_UNKNOWN;
  return static_cast<nibble_type>(types.first[index].type);
}

int nibble_find_type_info(nibble_type type, nibble_type_info* out) {
  const nibble::TypeInfo* info =
      nibble::FindTypeInfo(static_cast<nibble::Type>(type));
  if (info == nullptr || out == nullptr) return 0;
  out->type = type;
  out->name = info->name;
  out->symbol = info->symbol;
  out->summary = info->summary;
  out->block_weights = info->block_weights;
  out->block_bytes = info->block_bytes;
  out->sub_block_weights = info->sub_block_weights;
  out->row_header_bytes = info->row_header_bytes;
  out->quantized = info->quantized;
  out->wants_importance = info->wants_importance;
  out->fallback = static_cast<nibble_type>(info->fallback);
  return 1;
}

nibble_type nibble_type_from_name(const char* name) {
  if (name == nullptr) return NIBBLE_TYPE_UNKNOWN;
  const auto type = nibble::TypeFromName(name);
  if (!type.has_value()) return NIBBLE_TYPE_UNKNOWN;
  return static_cast<nibble_type>(*type);
}

const char* nibble_type_name(nibble_type type) {
  return nibble::TypeName(static_cast<nibble::Type>(type));
}

size_t nibble_row_bytes(nibble_type type, size_t cols) {
  return nibble::RowBytes(static_cast<nibble::Type>(type), cols);
}

nibble_type nibble_fallback_type(nibble_type type, size_t cols) {
  return static_cast<nibble_type>(
      nibble::FallbackType(static_cast<nibble::Type>(type), cols));
}

// ---- Targets.

size_t nibble_target_count(void) {
  size_t count = 0;
  Guarded(nullptr, [&] {
    count = nibble::AvailableTargets().size();
    return nibble::OkStatus();
  });
  return count;
}

void nibble_target_name(size_t index, char* name, size_t bytes) {
  nibble::CopyText("", name, bytes);
  Guarded(nullptr, [&] {
    const auto names = nibble::AvailableTargets();
    if (index < names.size()) {
      nibble::CopyText(names[index].c_str(), name, bytes);
    }
    return nibble::OkStatus();
  });
}

void nibble_chosen_target(char* name, size_t bytes) {
  nibble::CopyText("", name, bytes);
  Guarded(nullptr, [&] {
    nibble::CopyText(nibble::ChosenTarget().c_str(), name, bytes);
    return nibble::OkStatus();
  });
}

nibble_status nibble_force_target(const char* target, nibble_message* message) {
  return Guarded(message, [&] {
    return nibble::ForceTarget(target != nullptr ? target : "");
  });
}

// ---- Rows.

nibble_status nibble_dequantize(const nibble_const_matrix* packed,
                                const nibble_matrix* out,
                                nibble_message* message) {
  return Guarded(message,
                 [&] { return nibble::Dequantize(View(packed), View(out)); });
}

nibble_status nibble_validate(const nibble_const_matrix* packed,
                              nibble_message* message) {
  return Guarded(message, [&] { return nibble::Validate(View(packed)); });
}

}  // extern "C"
