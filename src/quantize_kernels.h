// SPDX-License-Identifier: MIT
// The per-format quantizer of the chosen SIMD target, behind pointers.
#ifndef NIBBLE_SRC_QUANTIZE_KERNELS_H_
#define NIBBLE_SRC_QUANTIZE_KERNELS_H_

#include <cstddef>

#include "nibble/search/job.h"
#include "nibble/type.h"

namespace nibble {

struct QuantizeKernels {
  QuantizeResult (*rows)(const QuantizeJob& job);
  size_t (*scratch_bytes)(size_t cols);
};

#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  const QuantizeKernels* QuantizeKernelsOf_##symbol();
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT

// Kernels for the target in use; null for a type without any (F32, unknown).
inline const QuantizeKernels* FindQuantizeKernels(Type type) noexcept {
  switch (type) {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  case Type::k##symbol:                                          \
    return QuantizeKernelsOf_##symbol();
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
    default:
      return nullptr;
  }
}

}  // namespace nibble

#endif  // NIBBLE_SRC_QUANTIZE_KERNELS_H_
