// SPDX-License-Identifier: MIT
#include "src/activation_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/activation_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "src/inline.h"  // before Highway
#include "hwy/highway.h"

#include "nibble/simd/activations-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Calls pack(row as a pointer to its elements).
template <class Pack>
bool WithElements(Type type, const uint8_t* row, const Pack& pack) {
  if (type == Type::kF32) return pack(reinterpret_cast<const float*>(row));
  if (type == Type::kF16) {
    return pack(reinterpret_cast<const hwy::float16_t*>(row));
  }
  return pack(reinterpret_cast<const hwy::bfloat16_t*>(row));
}

bool PackRowChunks(Type type, const uint8_t* row, size_t cols,
                   const uint8_t* position, Int8RowChunk* out) {
  return WithElements(type, row, [&](const auto* x) {
    return PackActivationRow(x, cols, position, out);
  });
}

bool PackPanelChunks(Type type, const uint8_t* row, size_t cols,
                     Int8PanelChunk* out, size_t stride) {
  return WithElements(type, row, [&](const auto* x) {
    return PackPanelRow(x, cols, out, stride);
  });
}

bool PackTiles(const ConstMatrix& x, size_t token, const Bf16Layout& layout,
               uint16_t* out) {
  const size_t count = HWY_MIN(x.rows - token, size_t{16});
  return WithElements(x.type, x.row(token), [&](const auto* from) {
    return PackTokenTiles(from, x.stride_bytes / sizeof(*from), token, count,
                          x.cols, layout, out);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nibble {
HWY_EXPORT(PackRowChunks);
HWY_EXPORT(PackPanelChunks);
HWY_EXPORT(PackTiles);

bool PackInt8RowChunks(Type type, const uint8_t* row, size_t cols,
                       const uint8_t* position, Int8RowChunk* out) {
  return HWY_DYNAMIC_DISPATCH(PackRowChunks)(type, row, cols, position, out);
}
bool PackInt8PanelChunks(Type type, const uint8_t* row, size_t cols,
                         Int8PanelChunk* out, size_t stride) {
  return HWY_DYNAMIC_DISPATCH(PackPanelChunks)(type, row, cols, out, stride);
}
bool PackBf16Tiles(const ConstMatrix& x, size_t token, const Bf16Layout& layout,
                   uint16_t* out) {
  return HWY_DYNAMIC_DISPATCH(PackTiles)(x, token, layout, out);
}
}  // namespace nibble
#endif  // HWY_ONCE
