// SPDX-License-Identifier: MIT
// The per-format compute kernels of the chosen SIMD target, behind pointers.
#ifndef NIBBLE_SRC_COMPUTE_KERNELS_H_
#define NIBBLE_SRC_COMPUTE_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/simd/crossover.h"
#include "nibble/simd/matvec_args.h"
#include "nibble/simd/panel.h"
#include "nibble/type.h"

namespace nibble {

// How a format is unpacked for one way to multiply.
struct FormatPanels {
  PanelShape shape;
  // Unpacks MatmulKernels::panel_rows rows.
  void (*unpack)(const PanelSource& source, const Int8Panel& out);
};

struct ComputeKernels {
  // Decodes one row of `cols` weights.
  void (*dequantize_row)(const uint8_t* row, size_t cols, float* out);

  // Rows times int8 activations packed in this element order.
  uint16_t order;
  void (*matvec)(const MatvecArgs& args);
  // The same with the target's extension; null if it has none for matvec.
  void (*extension_matvec)(const MatvecArgs& args);
  // For a matmul, with the target's own instructions and with those of its
  // extension (null if it has none): see UsesExtension.
  FormatPanels panels;
  FormatPanels extension_panels;

  Crossover crossover;

  // Multiplies a bf16 panel and unpacks the next; null on targets without AMX.
  void (*multiply_bf16)(const Bf16Product& product);
};

#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  const ComputeKernels* ComputeKernelsOf_##symbol();
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT

// Kernels for the target in use; null for a type without any (F32, unknown).
inline const ComputeKernels* FindComputeKernels(Type type) noexcept {
  switch (type) {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  case Type::k##symbol:                                          \
    return ComputeKernelsOf_##symbol();
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
    default:
      return nullptr;
  }
}

}  // namespace nibble

#endif  // NIBBLE_SRC_COMPUTE_KERNELS_H_
