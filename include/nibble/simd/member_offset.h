// SPDX-License-Identifier: MIT
// Where a member of a block is, at compile time: C++17 has no offsetof for a
// pointer to a member.
#ifndef NIBBLE_SIMD_MEMBER_OFFSET_H_
#define NIBBLE_SIMD_MEMBER_OFFSET_H_

#include <cstddef>
#include <cstdint>

namespace nibble {

template <class X, class Member>
constexpr size_t BlockSize(Member X::*) {
  return sizeof(X);
}

// Of an array of bytes: what it holds when the block's bytes are numbered.
template <class X, class Member>
constexpr size_t MemberOffset(Member X::*member) {
  struct Numbers {
    uint8_t at[sizeof(X)];
  };
  Numbers low = {}, high = {};
  for (size_t i = 0; i < sizeof(X); ++i) {
    low.at[i] = static_cast<uint8_t>(i % 256);
    high.at[i] = static_cast<uint8_t>(i / 256);
  }
  return (__builtin_bit_cast(X, low).*member)[0] +
         size_t{256} * (__builtin_bit_cast(X, high).*member)[0];
}

}  // namespace nibble

#endif  // NIBBLE_SIMD_MEMBER_OFFSET_H_
