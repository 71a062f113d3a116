// SPDX-License-Identifier: MIT
// The key-value pairs of a GGUF file.
#ifndef NIBBLE_EXAMPLES_GGUF_METADATA_H_
#define NIBBLE_EXAMPLES_GGUF_METADATA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nibble::gguf {

enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// Bytes of a value of fixed size; 0 for strings, arrays and unknown types.
size_t FixedValueBytes(ValueType type);

// `value` holds the bytes as they stand in the file, so a pair nobody here
// understands is still copied unchanged.
struct KeyValue {
  std::string key;
  ValueType type = ValueType::kUint32;
  std::string value;
};

// Pairs in file order, found by key.
class Metadata {
 public:
  const std::vector<KeyValue>& pairs() const { return pairs_; }

  // False, and nothing added, if the key is already there.
  bool Add(KeyValue pair);

  const KeyValue* Find(const std::string& key) const;

  // The value as a non-negative integer, whatever integer type it has.
  std::optional<uint64_t> Unsigned(const std::string& key) const;
  // The same of the first element if the value is an array.
  std::optional<uint64_t> FirstUnsigned(const std::string& key) const;
  std::optional<std::string> String(const std::string& key) const;
  // An array of strings; empty if absent or of another type.
  std::vector<std::string> Strings(const std::string& key) const;

  // Replace a value in its place, or append the pair.
  void SetUint32(const std::string& key, uint32_t value);
  void SetString(const std::string& key, std::string_view value);

 private:
  void Set(KeyValue pair);

  std::vector<KeyValue> pairs_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_METADATA_H_
