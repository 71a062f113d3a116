// SPDX-License-Identifier: MIT
// Packed activations on the device: the layout that pack.cuh writes and
// matvec.cuh reads.
//
// Per token TokenBytes(cols) bytes, one token after the other, in
// B = ceil(cols / 32) blocks of 32 columns, zeros where there are no columns:
//
//   codes  B * 32 signed bytes in [-127, 127]
//   heads  B * 8 bytes: an f32 scale, then the sums of the codes of columns
//          0-15 and 16-31 of the block as two int16
//
//   x[c] = scale[c / 32] * code[c]
//
// The sums are integers of at most 16 * 127: exact, and a zero point or a shift
// then stays an integer too.
#ifndef NIBBLE_CUDA_ACTIVATIONS_CUH_
#define NIBBLE_CUDA_ACTIVATIONS_CUH_

#include "cuda/common.cuh"

namespace nibble {
namespace cuda {

inline constexpr size_t kActivationBlock = 32;  // columns that share a scale
inline constexpr size_t kTokenAlign = 128;      // tokens start on a cache line

struct alignas(8) ActivationHead {
  float scale;
  uint32_t sums;  // low half: columns 0-15, high half: 16-31
};

NIBBLE_HD constexpr size_t ActivationBlocks(size_t cols) {
  return (cols + kActivationBlock - 1) / kActivationBlock;
}
NIBBLE_HD constexpr size_t TokenBytes(size_t cols) {
  const size_t bytes =
      ActivationBlocks(cols) * (kActivationBlock + sizeof(ActivationHead));
  return (bytes + kTokenAlign - 1) / kTokenAlign * kTokenAlign;
}
// The sum of half 0 or 1.
NIBBLE_HD inline int HalfSum(const ActivationHead& head, size_t half) {
  return static_cast<int16_t>(head.sums >> (16 * half));
}

NIBBLE_HD inline uint32_t PackSums(int lower, int upper) {
  return (static_cast<uint32_t>(lower) & 0xFFFFu) |
         (static_cast<uint32_t>(upper) << 16);
}

// One packed token: [TokenBytes(cols)].
struct PackedToken {
  const uint8_t* codes;  // [B * 32]
  const uint8_t* heads;  // [B] ActivationHead
  NIBBLE_HD PackedToken(const uint8_t* token, size_t cols)
      : codes(token),
        heads(token + ActivationBlocks(cols) * kActivationBlock) {}

  // Codes [column, column + 16); column is a multiple of 16.
  NIBBLE_HD Words16 Codes(size_t column) const {
    return formats::LoadAligned<Words16, 16>(codes + column);
  }
  NIBBLE_HD ActivationHead Head(size_t block) const {
    return formats::LoadAligned<ActivationHead, 8>(
        heads + block * sizeof(ActivationHead));
  }
};

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_ACTIVATIONS_CUH_
