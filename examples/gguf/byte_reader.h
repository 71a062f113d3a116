// SPDX-License-Identifier: MIT
// A cursor over untrusted bytes: no read goes past the end.
#ifndef NIBBLE_EXAMPLES_GGUF_BYTE_READER_H_
#define NIBBLE_EXAMPLES_GGUF_BYTE_READER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace nibble::gguf {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "GGUF and imatrix files are little endian; so must the host be");
static_assert(sizeof(size_t) == sizeof(uint64_t),
              "files are mapped whole: sizes need 64 bits");

// Every read says whether it fit. A read that does not fit moves nothing, so
// position() still names the byte where the missing item begins. Lengths are
// compared with what remains, never added to a pointer first.
class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  size_t position() const { return position_; }
  size_t remaining() const { return size_ - position_; }

  template <class T>
  [[nodiscard]] bool Read(T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (remaining() < sizeof(T)) return false;
    std::memcpy(value, data_ + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  [[nodiscard]] bool ReadBytes(uint64_t count, std::string_view* bytes) {
    if (remaining() < count) return false;
    *bytes = {reinterpret_cast<const char*>(data_) + position_, count};
    position_ += count;
    return true;
  }

  [[nodiscard]] bool Skip(uint64_t count) {
    if (remaining() < count) return false;
    position_ += count;
    return true;
  }

  // The bytes read since `begin`, an earlier position().
  std::string_view Since(size_t begin) const {
    return {reinterpret_cast<const char*>(data_) + begin, position_ - begin};
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t position_ = 0;
};

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_BYTE_READER_H_
