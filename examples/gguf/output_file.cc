// SPDX-License-Identifier: MIT
#include "gguf/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "gguf/failure.h"

namespace nibble::gguf {
namespace {

// The rename itself must reach the disk too, which is a write to the folder.
// Best effort: some file systems refuse to sync folders.
void SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int descriptor =
      open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status OutputFile::Fail(const char* verb, int error) const {
  return Failure(StatusCode::kIo, "{}: cannot {}: {}", path_, verb,
                 ErrnoText(error));
}

Status OutputFile::Open(const std::string& path) {
  path_ = path;
  struct stat info;
  // A rename would replace a device or a pipe, which nobody means.
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return Failure(StatusCode::kIo, "{}: not a regular file", path);
  }
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string name =
        fmt::format("{}.{}-{}.part", path, getpid(), attempt);
    descriptor_ =
        open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) {
      temporary_ = name;
      return OkStatus();
    }
    if (errno != EEXIST) break;
  }
  return Fail("create", errno);
}

Status OutputFile::Write(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t written = write(descriptor_, bytes, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return Fail("write", errno);
    }
    bytes += written;
    size -= static_cast<size_t>(written);
    bytes_written_ += static_cast<uint64_t>(written);
  }
  return OkStatus();
}

Status OutputFile::Commit() {
  if (fsync(descriptor_) != 0) return Fail("flush", errno);
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) return Fail("close", errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return Fail("rename", errno);
  }
  temporary_.clear();
  SyncFolderOf(path_);
  return OkStatus();
}

Status WriteFile(const std::string& path, const std::string& text) {
  OutputFile file;
  NIBBLE_RETURN_IF_ERROR(file.Open(path));
  NIBBLE_RETURN_IF_ERROR(file.Write(text.data(), text.size()));
  return file.Commit();
}

}  // namespace nibble::gguf
