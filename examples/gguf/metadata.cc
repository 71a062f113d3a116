// SPDX-License-Identifier: MIT
#include "gguf/metadata.h"

#include <cstring>
#include <utility>

#include "gguf/byte_reader.h"

namespace nibble::gguf {
namespace {

ByteReader ReaderOf(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

template <class T>
std::optional<uint64_t> NonNegative(const std::string& bytes) {
  T value;
  if (!ReaderOf(bytes).Read(&value) || value < 0) return std::nullopt;
  return static_cast<uint64_t>(value);
}

bool ReadString(ByteReader& reader, std::string_view* text) {
  uint64_t length;
  return reader.Read(&length) && reader.ReadBytes(length, text);
}

template <class T>
std::string BytesOf(const T& value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::optional<uint64_t> AsUnsigned(ValueType type, const std::string& value) {
  switch (type) {
    case ValueType::kUint8:
      return NonNegative<uint8_t>(value);
    case ValueType::kInt8:
      return NonNegative<int8_t>(value);
    case ValueType::kUint16:
      return NonNegative<uint16_t>(value);
    case ValueType::kInt16:
      return NonNegative<int16_t>(value);
    case ValueType::kUint32:
      return NonNegative<uint32_t>(value);
    case ValueType::kInt32:
      return NonNegative<int32_t>(value);
    case ValueType::kUint64:
      return NonNegative<uint64_t>(value);
    case ValueType::kInt64:
      return NonNegative<int64_t>(value);
    default:
      return std::nullopt;
  }
}

}  // namespace

size_t FixedValueBytes(ValueType type) {
  switch (type) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool:
      return 1;
    case ValueType::kUint16:
    case ValueType::kInt16:
      return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32:
      return 4;
    case ValueType::kUint64:
    case ValueType::kInt64:
    case ValueType::kFloat64:
      return 8;
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  return 0;
}

bool Metadata::Add(KeyValue pair) {
  if (!index_.emplace(pair.key, pairs_.size()).second) return false;
  pairs_.push_back(std::move(pair));
  return true;
}

const KeyValue* Metadata::Find(const std::string& key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &pairs_[found->second];
}

std::optional<uint64_t> Metadata::Unsigned(const std::string& key) const {
  const KeyValue* pair = Find(key);
  if (pair == nullptr) return std::nullopt;
  return AsUnsigned(pair->type, pair->value);
}

std::optional<uint64_t> Metadata::FirstUnsigned(const std::string& key) const {
  const KeyValue* pair = Find(key);
  if (pair == nullptr) return std::nullopt;
  if (pair->type != ValueType::kArray) return Unsigned(key);
  ByteReader reader = ReaderOf(pair->value);
  ValueType element;
  uint64_t count;
  if (!reader.Read(&element) || !reader.Read(&count) || count == 0) {
    return std::nullopt;
  }
  const size_t bytes = FixedValueBytes(element);
  const size_t begin = sizeof(element) + sizeof(count);
  if (pair->value.size() < begin + bytes) return std::nullopt;
  return AsUnsigned(element, pair->value.substr(begin, bytes));
}

std::optional<std::string> Metadata::String(const std::string& key) const {
  const KeyValue* pair = Find(key);
  if (pair == nullptr || pair->type != ValueType::kString) return std::nullopt;
  ByteReader reader = ReaderOf(pair->value);
  std::string_view text;
  if (!ReadString(reader, &text)) return std::nullopt;
  return std::string(text);
}

std::vector<std::string> Metadata::Strings(const std::string& key) const {
  const KeyValue* pair = Find(key);
  if (pair == nullptr || pair->type != ValueType::kArray) return {};
  ByteReader reader = ReaderOf(pair->value);
  ValueType element;
  uint64_t count;
  if (!reader.Read(&element) || element != ValueType::kString ||
      !reader.Read(&count)) {
    return {};
  }
  std::vector<std::string> strings;
  std::string_view text;
  while (strings.size() < count && ReadString(reader, &text)) {
    strings.emplace_back(text);
  }
  return strings;
}

void Metadata::SetUint32(const std::string& key, uint32_t value) {
  Set({key, ValueType::kUint32, BytesOf(value)});
}

void Metadata::SetString(const std::string& key, std::string_view value) {
  Set({key, ValueType::kString,
       BytesOf(uint64_t{value.size()}) + std::string(value)});
}

void Metadata::Set(KeyValue pair) {
  const auto found = index_.find(pair.key);
  if (found == index_.end()) {
    Add(std::move(pair));
  } else {
    pairs_[found->second] = std::move(pair);
  }
}

}  // namespace nibble::gguf
