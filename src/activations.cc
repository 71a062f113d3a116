// SPDX-License-Identifier: MIT
#include "nibble/activations.h"

#include <algorithm>
#include <cmath>

#include "nibble/cpu.h"
#include "nibble/row_floats.h"
#include "src/activation_kernels.h"
#include "src/check.h"
#include "src/compute_kernels.h"
#include "src/cpu_init.h"
#include "src/element_order.h"
#include "src/matmul_job.h"
#include "src/token_rows.h"

namespace nibble {
namespace {

// Names the first value that is not finite, from `token` on.
Status NotFinite(const TokenRows& from, size_t token) noexcept {
  const ConstMatrix& x = from.x;
  const size_t bytes = x.type == Type::kF32 ? 4 : 2;
  for (size_t t = token; t < from.tokens; ++t) {
    for (size_t c = 0; c < x.cols; ++c) {
      float value;
      WidenFloats(x.type, from.Row(t) + c * bytes, 1, &value);
      if (!std::isfinite(value)) {
        return InvalidData("activations token %zu, column %zu: %s",
                           from.Index(t), c,
                           std::isnan(value) ? "NaN" : "infinity");
      }
    }
  }
  return InvalidData("activations token %zu: not finite", from.Index(token));
}

// ---- One kind at a time.

Status PackInt8Rows(const PackedOrder& order, const TokenRows& from,
                    RowRange tokens, void* out) noexcept {
  auto* chunks = static_cast<Int8RowChunk*>(out);
  for (size_t t = tokens.begin; t < tokens.end; ++t) {
    if (!PackInt8RowChunks(from.x.type, from.Row(t), from.x.cols, order,
                           chunks + t * ChunksOf(from.x.cols))) {
      return NotFinite(from, t);
    }
  }
  return OkStatus();
}

Status PackInt8Panels(uint16_t order, const TokenRows& from, RowRange tokens,
                      void* out) noexcept {
  auto* chunks = static_cast<Int8PanelChunk*>(out);
  const bool pairs = order == kExtensionOrder && UsesI8mm();
  for (size_t t = tokens.begin; t < tokens.end; ++t) {
    if (!PackInt8PanelChunks(from.x.type, from.Row(t), from.x.cols, chunks + t,
                             from.tokens)) {
      return NotFinite(from, t);
    }
    if (!pairs || t % 2 == 0) continue;
    for (size_t c = 0; c < ChunksOf(from.x.cols); ++c) {
      Int8PanelChunk* even = chunks + c * from.tokens + t - 1;
      PairTokens(even[0], even[1]);
    }
  }
  return OkStatus();
}

Status PackBf16Panels(const TokenRows& from, RowRange tokens,
                      void* out) noexcept {
  const Bf16Layout layout = Bf16LayoutOf(from.tokens, from.x.cols);
  for (size_t t = tokens.begin; t < tokens.end; t += 16) {
    const uint8_t* rows[16];
    const size_t count = std::min<size_t>(16, tokens.end - t);
    for (size_t i = 0; i < count; ++i) rows[i] = from.Row(t + i);
    if (!PackBf16Tiles(from.x.type, rows, count, t, from.x.cols, layout,
                       static_cast<uint16_t*>(out))) {
      return NotFinite(from, t);
    }
  }
  return OkStatus();
}

// Bytes of `chunk_bytes` per 256 columns of a token; 0 on overflow.
size_t ChunkBytes(size_t tokens, size_t cols, size_t chunk_bytes) noexcept {
  size_t chunks, bytes;
  if (__builtin_mul_overflow(tokens, ChunksOf(cols), &chunks) ||
      __builtin_mul_overflow(chunks, chunk_bytes, &bytes)) {
    return 0;
  }
  return bytes;
}

}  // namespace

Status PackTokens(ActivationLayout layout, const TokenRows& from,
                  RowRange tokens, void* out) noexcept {
  switch (layout.kind) {
    case ActivationKind::kInt8Panels:
      NIBBLE_RETURN_IF_ERROR(CheckPanelOrder("activations", layout));
      return PackInt8Panels(layout.order, from, tokens, out);
    case ActivationKind::kBf16Panels:
      return PackBf16Panels(from, tokens, out);
    case ActivationKind::kInt8Rows:
      break;
  }
  const PackedOrder* order = FindElementOrder(layout.order);
  if (order == nullptr) {
    return InvalidArgument("activations: element order %d is unknown",
                           layout.order);
  }
  return PackInt8Rows(*order, from, tokens, out);
}

ActivationLayout ChooseActivationLayout(Type type, size_t tokens) noexcept {
  InitializeCpu();
  const ComputeKernels* kernels = FindComputeKernels(type);
  if (kernels == nullptr) {  // not quantized
    return {ActivationKind::kInt8Rows, LogicalOrder::kId};
  }
  if (tokens >= kernels->crossover.tiles && UsesAmx()) {
    return {ActivationKind::kBf16Panels, 0};
  }
  if (tokens >= kernels->crossover.panels) {
    return {ActivationKind::kInt8Panels,
            UsesExtension() ? kExtensionOrder : kPlainOrder};
  }
  return {ActivationKind::kInt8Rows, kernels->order};
}

size_t PackedActivationBytes(ActivationLayout layout, size_t tokens,
                             size_t cols) noexcept {
  switch (layout.kind) {
    case ActivationKind::kInt8Rows:
      return ChunkBytes(tokens, cols, sizeof(Int8RowChunk));
    case ActivationKind::kInt8Panels:
      return ChunkBytes(tokens, cols, sizeof(Int8PanelChunk));
    case ActivationKind::kBf16Panels:
      if (tokens > SIZE_MAX - kBf16Tokens) return 0;
      return ChunkBytes(RoundUp(tokens, kBf16Tokens), cols,
                        kChunk * sizeof(uint16_t));
  }
  return 0;
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
  NIBBLE_RETURN_IF_ERROR(
      PackTokens(layout, TokenRows{x, x.rows}, {0, x.rows}, out));
  packed->layout = layout;
  packed->data = static_cast<const uint8_t*>(out);
  packed->tokens = x.rows;
  packed->cols = x.cols;
  return OkStatus();
}

}  // namespace nibble
