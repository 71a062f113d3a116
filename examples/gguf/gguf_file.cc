// SPDX-License-Identifier: MIT
#include "gguf/gguf_file.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "gguf/byte_reader.h"
#include "gguf/failure.h"
#include "gguf/tensor_types.h"

namespace nibble::gguf {
namespace {

// The smallest pair: empty key, type, one byte. The smallest tensor: empty
// name, no dimensions, type, offset. A count that could not fit even so is a
// lie, found before anything is sized by it.
constexpr uint64_t kMinPairBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;

// Programs that load these files hold names in 64 or 128 bytes. The bound also
// keeps regular expressions, whose depth grows with the text, off long names.
constexpr uint64_t kMaxNameBytes = 1024;

// Arrays of arrays are legal; a file of nothing but array headers is an attack
// on the stack.
constexpr int kMaxArrayDepth = 4;

// Padding is at most this per tensor, so a few bytes of input cannot ask for
// gigabytes of output.
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;

class Parser {
 public:
  Parser(const std::string& path, const uint8_t* data, size_t size,
         Contents* contents)
      : path_(path),
        data_(data),
        size_(size),
        reader_(data, size),
        contents_(*contents) {}

  Status Parse() {
    NIBBLE_RETURN_IF_ERROR(ReadPreamble());
    NIBBLE_RETURN_IF_ERROR(ReadPairs());
    NIBBLE_RETURN_IF_ERROR(ReadAlignment());
    NIBBLE_RETURN_IF_ERROR(ReadTensors());
    NIBBLE_RETURN_IF_ERROR(PlaceTensors());
    return CheckOverlap();
  }

 private:
  template <class... Args>
  Status Bad(fmt::format_string<Args...> format, Args&&... args) const {
    return Failure(StatusCode::kInvalidData, "{}: {}", path_,
                   fmt::format(format, std::forward<Args>(args)...));
  }

  Status Truncated(std::string_view what) const {
    return Failure(StatusCode::kIo,
                   "{}: truncated: {} at byte {} does not fit the {} bytes of "
                   "the file",
                   path_, what, reader_.position(), size_);
  }

  Status ReadPreamble();
  Status CheckVersion() const;
  Status ReadPairs();
  Status ReadPair(uint64_t index);
  Status SkipValue(ValueType type, const std::string& where, int depth);
  Status SkipArray(const std::string& where, int depth);
  Status ReadAlignment();
  Status ReadTensors();
  Status ReadTensor(uint64_t index);
  Status ReadDims(const std::string& where, Tensor* tensor);
  Status SizeTensor(const std::string& where, Tensor* tensor) const;
  Status PlaceTensors();
  Status CheckOverlap() const;

  const std::string& path_;
  const uint8_t* data_;
  size_t size_;
  ByteReader reader_;
  Contents& contents_;
  uint64_t tensor_count_ = 0;
  uint64_t pair_count_ = 0;
};

Status Parser::ReadPreamble() {
  std::string_view magic;
  if (!reader_.ReadBytes(4, &magic) || magic != "GGUF") {
    return Bad("not a GGUF file (it does not begin with 'GGUF')");
  }
  if (!reader_.Read(&contents_.version)) return Truncated("the version");
  NIBBLE_RETURN_IF_ERROR(CheckVersion());
  if (!reader_.Read(&tensor_count_)) return Truncated("the tensor count");
  if (!reader_.Read(&pair_count_)) return Truncated("the key-value count");
  if (pair_count_ > reader_.remaining() / kMinPairBytes) {
    return Bad("truncated or corrupt: {} key-value pairs cannot fit {} bytes",
               pair_count_, size_);
  }
  if (tensor_count_ > reader_.remaining() / kMinTensorBytes) {
    return Bad("truncated or corrupt: {} tensors cannot fit {} bytes",
               tensor_count_, size_);
  }
  return OkStatus();
}

Status Parser::CheckVersion() const {
  const uint32_t version = contents_.version;
  if (version == 2 || version == 3) return OkStatus();
  if (version == 1) {
    return Failure(StatusCode::kUnsupported,
                   "{}: GGUF version 1 is not supported: convert the model "
                   "again to get version 3",
                   path_);
  }
  // Read in the wrong byte order, small versions have their low half empty.
  if ((version & 0xffff) == 0) {
    return Failure(StatusCode::kUnsupported,
                   "{}: big-endian GGUF files are not supported", path_);
  }
  return Failure(StatusCode::kUnsupported,
                 "{}: GGUF version {} is not supported (2 and 3 are)", path_,
                 version);
}

Status Parser::ReadPairs() {
  for (uint64_t i = 0; i < pair_count_; ++i) {
    NIBBLE_RETURN_IF_ERROR(ReadPair(i));
  }
  return OkStatus();
}

Status Parser::ReadPair(uint64_t index) {
  uint64_t length;
  std::string_view key;
  if (!reader_.Read(&length) || !reader_.ReadBytes(length, &key)) {
    return Truncated(fmt::format("the key of pair {}", index));
  }
  const std::string where = fmt::format("pair {} ({})", index, Quote(key));
  KeyValue pair;
  pair.key = std::string(key);
  if (!reader_.Read(&pair.type)) return Truncated("the type of " + where);
  const size_t begin = reader_.position();
  NIBBLE_RETURN_IF_ERROR(SkipValue(pair.type, where, 0));
  pair.value = std::string(reader_.Since(begin));
  if (!contents_.metadata.Add(std::move(pair))) {
    return Bad("{}: the key occurs twice", where);
  }
  return OkStatus();
}

Status Parser::SkipValue(ValueType type, const std::string& where, int depth) {
  if (type == ValueType::kArray) return SkipArray(where, depth);
  if (type == ValueType::kString) {
    uint64_t length;
    if (!reader_.Read(&length) || !reader_.Skip(length)) {
      return Truncated("the string of " + where);
    }
    return OkStatus();
  }
  const size_t bytes = FixedValueBytes(type);
  if (bytes == 0) {
    return Bad("{}: unknown value type {}", where, static_cast<uint32_t>(type));
  }
  if (!reader_.Skip(bytes)) return Truncated("the value of " + where);
  return OkStatus();
}

Status Parser::SkipArray(const std::string& where, int depth) {
  if (depth == kMaxArrayDepth) {
    return Bad("{}: arrays nest deeper than {}", where, kMaxArrayDepth);
  }
  ValueType element;
  uint64_t count;
  if (!reader_.Read(&element) || !reader_.Read(&count)) {
    return Truncated("the array header of " + where);
  }
  const size_t bytes = FixedValueBytes(element);
  if (bytes != 0) {
    // Divide, not multiply: count comes from the file and may overflow.
    if (count > reader_.remaining() / bytes || !reader_.Skip(count * bytes)) {
      return Truncated(fmt::format("the {} elements of {}", count, where));
    }
    return OkStatus();
  }
  if (element != ValueType::kString && element != ValueType::kArray) {
    return Bad("{}: unknown element type {}", where,
               static_cast<uint32_t>(element));
  }
  for (uint64_t i = 0; i < count; ++i) {
    NIBBLE_RETURN_IF_ERROR(SkipValue(element, where, depth + 1));
  }
  return OkStatus();
}

Status Parser::ReadAlignment() {
  const KeyValue* pair = contents_.metadata.Find("general.alignment");
  if (pair == nullptr) return OkStatus();
  const auto alignment = contents_.metadata.Unsigned("general.alignment");
  // Multiples of 8 by the format; powers of two by all that load it.
  if (!alignment || *alignment < 8 || *alignment > kMaxAlignment ||
      (*alignment & (*alignment - 1)) != 0) {
    return Bad("general.alignment must be a power of two from 8 to {}",
               kMaxAlignment);
  }
  contents_.alignment = static_cast<uint32_t>(*alignment);
  return OkStatus();
}

Status Parser::ReadTensors() {
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < tensor_count_; ++i) {
    NIBBLE_RETURN_IF_ERROR(ReadTensor(i));
    if (!names.insert(contents_.tensors.back().name).second) {
      return Bad("tensor {} ({}): the name occurs twice", i,
                 Quote(contents_.tensors.back().name));
    }
  }
  return OkStatus();
}

Status Parser::ReadTensor(uint64_t index) {
  uint64_t length;
  std::string_view name;
  if (!reader_.Read(&length)) {
    return Truncated(fmt::format("the name of tensor {}", index));
  }
  if (length > kMaxNameBytes) {
    return Bad("tensor {}: a name of {} bytes (at most {})", index, length,
               kMaxNameBytes);
  }
  if (!reader_.ReadBytes(length, &name)) {
    return Truncated(fmt::format("the name of tensor {}", index));
  }
  Tensor tensor;
  tensor.name = std::string(name);
  const std::string where = fmt::format("tensor {} ({})", index, Quote(name));
  NIBBLE_RETURN_IF_ERROR(ReadDims(where, &tensor));
  if (!reader_.Read(&tensor.type)) return Truncated("the type of " + where);
  if (!reader_.Read(&tensor.offset)) return Truncated("the offset of " + where);
  NIBBLE_RETURN_IF_ERROR(SizeTensor(where, &tensor));
  contents_.tensors.push_back(std::move(tensor));
  return OkStatus();
}

Status Parser::ReadDims(const std::string& where, Tensor* tensor) {
  if (!reader_.Read(&tensor->n_dims)) {
    return Truncated("the dimensions of " + where);
  }
  if (tensor->n_dims > kMaxDims) {
    return Bad("{}: {} dimensions (at most {})", where, tensor->n_dims,
               kMaxDims);
  }
  for (uint32_t d = 0; d < tensor->n_dims; ++d) {
    if (!reader_.Read(&tensor->dims[d])) {
      return Truncated("the dimensions of " + where);
    }
    if (tensor->dims[d] == 0) return Bad("{}: dimension {} is 0", where, d);
  }
  return OkStatus();
}

// Fills in `bytes` = rows x row bytes, the only size that is right for types
// with a header per row.
Status Parser::SizeTensor(const std::string& where, Tensor* tensor) const {
  const TensorType* type = FindTensorType(tensor->type);
  if (type == nullptr) return Bad("{}: unknown type {}", where, tensor->type);
  const auto& dims = tensor->dims;
  uint64_t rows;
  uint64_t weights;
  if (__builtin_mul_overflow(dims[1], dims[2], &rows) ||
      __builtin_mul_overflow(rows, dims[3], &rows) ||
      __builtin_mul_overflow(rows, dims[0], &weights)) {
    return Bad("{}: {} x {} x {} x {} weights overflow", where, dims[0],
               dims[1], dims[2], dims[3]);
  }
  if (dims[0] % type->block_weights != 0) {
    return Bad(
        "{}: rows of {} weights are no multiple of the {} in a block "
        "of {}",
        where, dims[0], type->block_weights, type->name);
  }
  const std::optional<uint64_t> row_bytes = type->RowBytes(dims[0]);
  if (!row_bytes || __builtin_mul_overflow(rows, *row_bytes, &tensor->bytes)) {
    return Bad("{}: its size in bytes overflows", where);
  }
  return OkStatus();
}

Status Parser::PlaceTensors() {
  const uint64_t alignment = contents_.alignment;
  const uint64_t begin =
      (reader_.position() + alignment - 1) / alignment * alignment;
  for (size_t i = 0; i < contents_.tensors.size(); ++i) {
    Tensor& tensor = contents_.tensors[i];
    const std::string where =
        fmt::format("tensor {} ({})", i, Quote(tensor.name));
    if (tensor.offset % alignment != 0) {
      return Bad("{}: offset {} is not aligned to {}", where, tensor.offset,
                 alignment);
    }
    const uint64_t room = begin < size_ ? size_ - begin : 0;
    if (tensor.offset > room || tensor.bytes > room - tensor.offset) {
      return Failure(StatusCode::kIo,
                     "{}: truncated: {} needs {} bytes at offset {} of the "
                     "data, which has {}",
                     path_, where, tensor.bytes, tensor.offset, room);
    }
    tensor.data = data_ + begin + tensor.offset;
  }
  return OkStatus();
}

Status Parser::CheckOverlap() const {
  std::vector<const Tensor*> sorted;
  for (const Tensor& tensor : contents_.tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const Tensor& before = *sorted[i - 1];
    if (sorted[i]->offset - before.offset < before.bytes) {
      return Bad("tensors {} and {} overlap", Quote(before.name),
                 Quote(sorted[i]->name));
    }
  }
  return OkStatus();
}

}  // namespace

const Tensor* Contents::FindTensor(const std::string& name) const {
  for (const Tensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

Status ParseGguf(const std::string& path, const uint8_t* data, size_t size,
                 Contents* contents) {
  *contents = Contents();
  return Parser(path, data, size, contents).Parse();
}

Status GgufFile::Open(const std::string& path, GgufFile* file) {
  GgufFile opened;
  opened.path_ = path;
  NIBBLE_RETURN_IF_ERROR(MappedFile::Open(path, &opened.map_));
  NIBBLE_RETURN_IF_ERROR(ParseGguf(path, opened.map_.data(), opened.map_.size(),
                                   &opened.contents_));
  *file = std::move(opened);
  return OkStatus();
}

}  // namespace nibble::gguf
