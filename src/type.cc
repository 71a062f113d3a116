// SPDX-License-Identifier: MIT
#include "nibble/type.h"

#include "nibble/formats/all.h"
#include "src/names.h"

namespace nibble {
namespace {

template <class F>
constexpr TypeInfo InfoOf(Type type, const char* name, const char* symbol,
                          Type fallback, const char* summary) {
  return TypeInfo{type,         name,
                  symbol,       summary,
                  F::kBlock,    sizeof(typename F::Block),
                  F::kSub,      F::kRowHeader,
                  true,         F::kWantsImportance,
                  fallback,     F::kInferenceFactor};
}

constexpr TypeInfo kQuantized[] = {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary)   \
  InfoOf<formats::symbol>(Type::k##symbol, name, #symbol, Type::k##fallback, \
                          summary),
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
};
constexpr size_t kNumQuantized = sizeof(kQuantized) / sizeof(kQuantized[0]);

constexpr TypeInfo Plain(Type type, const char* name, const char* symbol,
                         size_t bytes, const char* summary) {
  return TypeInfo{type, name,  symbol, summary, 1,   bytes,
                  1,    0,     false,  false,   type, 1.0f};
}
constexpr TypeInfo kPlain[] = {
    Plain(Type::kF32, "f32", "F32", 4, "IEEE binary32"),
    Plain(Type::kF16, "f16", "F16", 2, "IEEE binary16"),
    Plain(Type::kBF16, "bf16", "BF16", 2, "upper half of binary32"),
};

}  // namespace

TypeList QuantizedTypes() noexcept { return {kQuantized, kNumQuantized}; }

const TypeInfo* FindTypeInfo(Type type) noexcept {
  for (const TypeInfo& info : kQuantized) {
    if (info.type == type) return &info;
  }
  for (const TypeInfo& info : kPlain) {
    if (info.type == type) return &info;
  }
  return nullptr;
}

size_t RowBytes(Type type, size_t cols) noexcept {
  const TypeInfo* info = FindTypeInfo(type);
  if (info == nullptr || cols == 0 || cols % info->block_weights != 0) return 0;
  size_t bytes;
  if (__builtin_mul_overflow(cols / info->block_weights, info->block_bytes,
                             &bytes) ||
      __builtin_add_overflow(bytes, info->row_header_bytes, &bytes)) {
    return 0;
  }
  return bytes;
}

std::optional<Type> TypeFromName(std::string_view name) noexcept {
  for (const TypeInfo& info : kQuantized) {
    if (SameName(name, info.name)) return info.type;
  }
  for (const TypeInfo& info : kPlain) {
    if (SameName(name, info.name)) return info.type;
  }
  return std::nullopt;
}

const char* TypeName(Type type) noexcept {
  const TypeInfo* info = FindTypeInfo(type);
  return info != nullptr ? info->name : "unknown";
}

Type FallbackType(Type type, size_t cols) noexcept {
  const TypeInfo* info = FindTypeInfo(type);
  while (info != nullptr && info->quantized &&
         cols % info->block_weights != 0) {
    info = FindTypeInfo(info->fallback);
  }
  return info != nullptr ? info->type : Type::kF16;
}

}  // namespace nibble
