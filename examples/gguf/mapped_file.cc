// SPDX-License-Identifier: MIT
#include "gguf/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "gguf/failure.h"

namespace nibble::gguf {
namespace {

Status MapDescriptor(const std::string& path, int descriptor, uint8_t** data,
                     size_t* size) {
  struct stat info;
  if (fstat(descriptor, &info) != 0) {
    return Failure(StatusCode::kIo, "{}: {}", path, ErrnoText(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return Failure(StatusCode::kIo, "{}: not a regular file", path);
  }
  *size = static_cast<size_t>(info.st_size);
  if (*size == 0) return OkStatus();  // mmap refuses empty maps
  void* map = mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (map == MAP_FAILED) {
    return Failure(StatusCode::kIo, "{}: cannot map: {}", path,
                   ErrnoText(errno));
  }
  *data = static_cast<uint8_t*>(map);
  return OkStatus();
}

}  // namespace

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Status MappedFile::Open(const std::string& path, MappedFile* file) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Failure(StatusCode::kIo, "{}: cannot open: {}", path,
                   ErrnoText(errno));
  }
  MappedFile opened;
  const Status status =
      MapDescriptor(path, descriptor, &opened.data_, &opened.size_);
  close(descriptor);  // the map outlives the descriptor
  if (status.ok()) *file = std::move(opened);
  return status;
}

}  // namespace nibble::gguf
