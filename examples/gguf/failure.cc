// SPDX-License-Identifier: MIT
#include "gguf/failure.h"

#include <iterator>
#include <system_error>

namespace nibble::gguf {

std::string Quote(std::string_view text) {
  constexpr size_t kLongest = 96;
  std::string quoted = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      quoted += c;
    } else {
      fmt::format_to(std::back_inserter(quoted), "\\x{:02x}", byte);
    }
  }
  if (text.size() > kLongest) quoted += "...";
  return quoted + "'";
}

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

Status Prefix(std::string_view where, const Status& status) {
  if (status.ok()) return status;
  return Failure(status.code(), "{}: {}", where, status.message());
}

}  // namespace nibble::gguf
