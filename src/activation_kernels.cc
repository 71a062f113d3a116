// SPDX-License-Identifier: MIT
#include "src/activation_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/activation_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#include "nibble/simd/activations-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
bool PackChunks(Type type, const uint8_t* row, size_t cols,
                const uint8_t* position, Int8RowChunk* out) {
  if (type == Type::kF32) {
    return PackActivationRow(reinterpret_cast<const float*>(row), cols,
                             position, out);
  }
  if (type == Type::kF16) {
    return PackActivationRow(reinterpret_cast<const hwy::float16_t*>(row), cols,
                             position, out);
  }
  return PackActivationRow(reinterpret_cast<const hwy::bfloat16_t*>(row), cols,
                           position, out);
}
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nibble {
HWY_EXPORT(PackChunks);
bool PackInt8RowChunks(Type type, const uint8_t* row, size_t cols,
                       const uint8_t* position, Int8RowChunk* out) {
  return HWY_DYNAMIC_DISPATCH(PackChunks)(type, row, cols, position, out);
}
}  // namespace nibble
#endif  // HWY_ONCE
