// SPDX-License-Identifier: MIT
#include "nibble/activations.h"

#include <cmath>

#include "src/activation_kernels.h"
#include "src/check.h"
#include "src/cpu_init.h"
#include "src/element_order.h"
#include "src/row_floats.h"

namespace nibble {
namespace {

// Names the first value of a row that is not finite.
Status NotFinite(const ConstMatrix& x, size_t token) noexcept {
  const size_t bytes = x.type == Type::kF32 ? 4 : 2;
  for (size_t c = 0; c < x.cols; ++c) {
    float value;
    WidenFloats(x.type, x.row(token) + c * bytes, 1, &value);
    if (!std::isfinite(value)) {
      return InvalidData("activations token %zu, column %zu: %s", token, c,
                         std::isnan(value) ? "NaN" : "infinity");
    }
  }
  return InvalidData("activations token %zu: not finite", token);
}

Status PackInt8Rows(const RunPositions& order, const ConstMatrix& x,
                    void* out) noexcept {
  auto* chunks = static_cast<Int8RowChunk*>(out);
  for (size_t t = 0; t < x.rows; ++t) {
    if (!PackInt8RowChunks(x.type, x.row(t), x.cols, order.position,
                           chunks + t * ChunksOf(x.cols))) {
      return NotFinite(x, t);
    }
  }
  return OkStatus();
}

}  // namespace

ActivationLayout ChooseActivationLayout(Type type, size_t) noexcept {
  ActivationLayout layout;
  layout.kind = ActivationKind::kInt8Rows;
  layout.order = ElementOrderOf(type).id;
  return layout;
}

size_t PackedActivationBytes(ActivationLayout layout, size_t tokens,
                             size_t cols) noexcept {
  if (layout.kind != ActivationKind::kInt8Rows) return 0;
  size_t chunks, bytes;
  if (__builtin_mul_overflow(tokens, ChunksOf(cols), &chunks) ||
      __builtin_mul_overflow(chunks, sizeof(Int8RowChunk), &bytes)) {
    return 0;
  }
  return bytes;
}

Status PackActivations(ActivationLayout layout, const ConstMatrix& x, void* out,
                       PackedActivations* packed) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("activations", x));
  if (out == nullptr || packed == nullptr) {
    return InvalidArgument("activations: %s is null",
                           out == nullptr ? "out" : "packed");
  }
  if (reinterpret_cast<uintptr_t>(out) % alignof(Int8RowChunk) != 0) {
    return InvalidArgument("activations: out is not aligned to %zu bytes",
                           alignof(Int8RowChunk));
  }
  if (PackedActivationBytes(layout, x.rows, x.cols) == 0) {
    return InvalidArgument("activations: layout kind %d cannot pack %zu x %zu",
                           static_cast<int>(layout.kind), x.rows, x.cols);
  }
  const RunPositions* order = FindElementOrder(layout.order);
  if (order == nullptr) {
    return InvalidArgument("activations: element order %d is unknown",
                           layout.order);
  }
  NIBBLE_RETURN_IF_ERROR(PackInt8Rows(*order, x, out));
  packed->layout = layout;
  packed->data = static_cast<const uint8_t*>(out);
  packed->tokens = x.rows;
  packed->cols = x.cols;
  return OkStatus();
}

}  // namespace nibble
