// SPDX-License-Identifier: MIT
// Activations: float vectors packed once, for any number of products.
#ifndef NIBBLE_ACTIVATIONS_H_
#define NIBBLE_ACTIVATIONS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/status.h"

namespace nibble {

// What packed activations look like inside. Private to the library and to the
// running machine: never store them, never send them elsewhere.
enum class ActivationKind : uint8_t {
  kInt8Rows,    // per token: int8 codes, one f32 scale per 32, f32 sums per 16
  kInt8Panels,  // the same numbers, interleaved over tokens for the GEMM
  kBf16Panels,  // bf16, interleaved over tokens for AMX tiles
};

// Enough to know whether two matrices can share packed activations: they can
// exactly when their layouts compare equal.
struct ActivationLayout {
  ActivationKind kind = ActivationKind::kInt8Rows;
  // kInt8Rows: element order inside 256 columns. kInt8Panels: 1 for AVX-VNNI or
  // i8mm (nibble/cpu.h), 0 for kernels without.
  uint16_t order = 0;

  friend bool operator==(ActivationLayout a, ActivationLayout b) noexcept {
    return a.kind == b.kind && a.order == b.order;
  }
};

// The fastest layout for `tokens` activation vectors against weights of `type`
// on the target in use. Depends on the target: pack and multiply under the same
// one.
NIBBLE_API ActivationLayout ChooseActivationLayout(Type type,
                                                   size_t tokens) noexcept;

// Bytes PackActivations writes. 0 if a size is 0 or overflows.
NIBBLE_API size_t PackedActivationBytes(ActivationLayout layout, size_t tokens,
                                        size_t cols) noexcept;

// A view of packed activations. `data` belongs to the caller.
struct PackedActivations {
  ActivationLayout layout;
  const uint8_t* data = nullptr;
  size_t tokens = 0;
  size_t cols = 0;
};

// Packs x [tokens x cols] (F32, F16 or BF16; any number of columns; the library
// pads to 256 with zeros by itself) into `out`: PackedActivationBytes() bytes,
// aligned to 64. Returns the view in `packed`.
//
// int8 kinds: over 32 columns, scale = max |x| / 127 and code = nearest even of
// x * (127 / max |x|), in [-127, 127]; sums are exact int32 sums times the scale,
// in f32. Groups whose max |x| is below 2^-119 become zeros. The same numbers on
// every target. Errors: sizes, alignment, a NaN or infinite activation (named by
// token and column; `out` then holds rubbish and `packed` is untouched).
NIBBLE_API Status PackActivations(ActivationLayout layout, const ConstMatrix& x,
                                  void* out,
                                  PackedActivations* packed) noexcept;

}  // namespace nibble

#endif  // NIBBLE_ACTIVATIONS_H_
