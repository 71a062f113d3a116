// SPDX-License-Identifier: MIT
// Names of types compare without case.
#ifndef NIBBLE_SRC_NAMES_H_
#define NIBBLE_SRC_NAMES_H_

#include <cctype>
#include <string_view>

namespace nibble {

inline bool SameName(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

}  // namespace nibble

#endif  // NIBBLE_SRC_NAMES_H_
