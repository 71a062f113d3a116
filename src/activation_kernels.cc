// SPDX-License-Identifier: MIT
#include "src/activation_kernels.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/activation_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "src/inline.h"          // before Highway
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
                   const PackedOrder& order, Int8RowChunk* out) {
  return WithElements(type, row, [&](const auto* x) {
    return PackActivationRow(x, cols, order, out);
  });
}

bool PackPanelChunks(Type type, const uint8_t* row, size_t cols,
                     Int8PanelChunk* out, size_t stride) {
  return WithElements(type, row, [&](const auto* x) {
    return PackPanelRow(x, cols, out, stride);
  });
}

bool PackTiles(Type type, const uint8_t* const* rows, size_t count,
               size_t token, size_t cols, const Bf16Layout& layout,
               uint16_t* out) {
  return WithElements(type, rows[0], [&](const auto* x) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(x)>>;
    return PackTokenTiles<T>(rows, count, token, cols, layout, out);
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
                       const PackedOrder& order, Int8RowChunk* out) {
  return HWY_DYNAMIC_DISPATCH(PackRowChunks)(type, row, cols, order, out);
}
bool PackInt8PanelChunks(Type type, const uint8_t* row, size_t cols,
                         Int8PanelChunk* out, size_t stride) {
  return HWY_DYNAMIC_DISPATCH(PackPanelChunks)(type, row, cols, out, stride);
}
bool PackBf16Tiles(Type type, const uint8_t* const* rows, size_t count,
                   size_t token, size_t cols, const Bf16Layout& layout,
                   uint16_t* out) {
  return HWY_DYNAMIC_DISPATCH(PackTiles)(type, rows, count, token, cols, layout,
                                         out);
}
}  // namespace nibble
#endif  // HWY_ONCE
