// SPDX-License-Identifier: MIT
#include "gguf/gguf_writer.h"

#include <string_view>

#include "gguf/failure.h"

namespace nibble::gguf {
namespace {

uint64_t PaddingAfter(uint64_t bytes, uint64_t alignment) {
  return (alignment - bytes % alignment) % alignment;
}

template <class T>
void Append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void AppendString(std::string& bytes, std::string_view text) {
  Append(bytes, uint64_t{text.size()});
  bytes.append(text);
}

void AppendTensor(std::string& bytes, const Tensor& tensor, uint64_t offset) {
  AppendString(bytes, tensor.name);
  Append(bytes, tensor.n_dims);
  for (uint32_t d = 0; d < tensor.n_dims; ++d) Append(bytes, tensor.dims[d]);
  Append(bytes, tensor.type);
  Append(bytes, offset);
}

}  // namespace

std::string SerializeHeader(const Metadata& metadata,
                            const std::vector<Tensor>& tensors,
                            uint32_t alignment) {
  std::string bytes = "GGUF";
  Append(bytes, uint32_t{3});
  Append(bytes, uint64_t{tensors.size()});
  Append(bytes, uint64_t{metadata.pairs().size()});
  for (const KeyValue& pair : metadata.pairs()) {
    AppendString(bytes, pair.key);
    Append(bytes, pair.type);
    bytes.append(pair.value);
  }
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    AppendTensor(bytes, tensor, offset);
    offset += tensor.bytes + PaddingAfter(tensor.bytes, alignment);
  }
  bytes.append(PaddingAfter(bytes.size(), alignment), '\0');
  return bytes;
}

Status GgufWriter::Open(const std::string& path, const Metadata& metadata,
                        const std::vector<Tensor>& tensors,
                        uint32_t alignment) {
  tensors_ = tensors;
  alignment_ = alignment;
  NIBBLE_RETURN_IF_ERROR(file_.Open(path));
  const std::string header = SerializeHeader(metadata, tensors, alignment);
  return file_.Write(header.data(), header.size());
}

Status GgufWriter::Write(const void* data, size_t size) {
  if (current_ == tensors_.size() ||
      size > tensors_[current_].bytes - written_of_current_) {
    return Failure(StatusCode::kInvalidArgument,
                   "more data than the header announced");
  }
  NIBBLE_RETURN_IF_ERROR(file_.Write(data, size));
  written_of_current_ += size;
  if (written_of_current_ < tensors_[current_].bytes) return OkStatus();
  return Pad();
}

Status GgufWriter::Pad() {
  const std::string zeros(PaddingAfter(written_of_current_, alignment_), '\0');
  ++current_;
  written_of_current_ = 0;
  return file_.Write(zeros.data(), zeros.size());
}

Status GgufWriter::Commit() {
  if (current_ != tensors_.size()) {
    return Failure(StatusCode::kInvalidArgument, "tensor {} is incomplete",
                   Quote(tensors_[current_].name));
  }
  return file_.Commit();
}

}  // namespace nibble::gguf
