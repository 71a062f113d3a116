// SPDX-License-Identifier: MIT
// GGUF and imatrix files made byte by byte: what the tests take for true does
// not come from the code they test.
#ifndef NIBBLE_TESTS_GGUF_BUILDER_H_
#define NIBBLE_TESTS_GGUF_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace nibble::gguf {

template <class T>
std::string Bytes(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

inline std::string Text(const std::string& text) {
  return Bytes(uint64_t{text.size()}) + text;
}

inline std::string Floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// A GGUF file. Fields may be set to lies before Build().
struct GgufBuilder {
  struct TensorSpec {
    std::string name;
    std::vector<uint64_t> dims;
    uint32_t type;
    std::string data;
    int64_t offset = -1;  // -1: behind the tensor before
  };

  uint32_t version = 3;
  uint64_t alignment = 32;  // of the data; write the pair yourself
  std::vector<std::string> pairs;
  std::vector<TensorSpec> tensors;
  int64_t tensor_count = -1;  // -1: the truth
  int64_t pair_count = -1;

  void Pair(const std::string& key, uint32_t type, const std::string& value) {
    pairs.push_back(Text(key) + Bytes(type) + value);
  }
  void Uint32(const std::string& key, uint32_t value) {
    Pair(key, 4, Bytes(value));
  }
  void String(const std::string& key, const std::string& value) {
    Pair(key, 8, Text(value));
  }
  void Align(uint32_t value) {
    alignment = value;
    Uint32("general.alignment", value);
  }
  TensorSpec& Tensor(const std::string& name, std::vector<uint64_t> dims,
                     uint32_t type, const std::string& data) {
    tensors.push_back({name, std::move(dims), type, data, -1});
    return tensors.back();
  }
  TensorSpec& FloatTensor(const std::string& name, std::vector<uint64_t> dims,
                          const std::vector<float>& values) {
    return Tensor(name, std::move(dims), 0, Floats(values));
  }

  std::string Padded(std::string bytes) const {
    bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
    return bytes;
  }

  std::string Build() const {
    std::string file =
        "GGUF" + Bytes(version) +
        Bytes(tensor_count < 0 ? int64_t(tensors.size()) : tensor_count) +
        Bytes(pair_count < 0 ? int64_t(pairs.size()) : pair_count);
    for (const std::string& pair : pairs) file += pair;
    std::string data;
    for (const TensorSpec& tensor : tensors) {
      file += Text(tensor.name) + Bytes(uint32_t(tensor.dims.size()));
      for (const uint64_t dim : tensor.dims) file += Bytes(dim);
      file += Bytes(tensor.type);
      file += Bytes(tensor.offset < 0 ? int64_t(data.size()) : tensor.offset);
      data = Padded(data + tensor.data);
    }
    return Padded(file) + data;
  }
};

// A folder that is gone when the test is.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("nibble-gguf-" + std::to_string(getpid()) + "-" +
             std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string Path(const std::string& name) const {
    return (path_ / name).string();
  }
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
    return Path(name);
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      files.push_back(entry.path().filename().string());
    }
    return files;
  }

 private:
  std::filesystem::path path_;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline bool IsOneLine(const std::string& text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) return false;
  }
  return true;
}

}  // namespace nibble::gguf

#endif  // NIBBLE_TESTS_GGUF_BUILDER_H_
