// SPDX-License-Identifier: MIT
// The format-independent matmul kernels of the chosen SIMD target.
#ifndef NIBBLE_SRC_MATMUL_KERNELS_H_
#define NIBBLE_SRC_MATMUL_KERNELS_H_

#include "nibble/simd/panel.h"

namespace nibble {

using Int8PanelKernel = void (*)(const Int8Panel& panel, size_t cols, int bias,
                                 const Int8PanelChunk* x, size_t chunk_stride,
                                 size_t tokens, float* c);

struct MatmulKernels {
  size_t panel_rows;
  size_t panel_cols;  // of one plane; the panels of kPlanes are half as wide

  // By PanelMath and, in 16s, the columns of a scale and of a min; null for
  // what neither the target nor its extension uses.
  Int8PanelKernel multiply[kPanelMaths][3][3];
  // Of bf16 panels; null on targets without AMX.
  void (*store_bf16)(const Bf16Store& store);

  Int8PanelKernel Multiply(const PanelShape& shape) const noexcept {
    return multiply[static_cast<size_t>(shape.math)][shape.scale_cols / 16]
                   [shape.min_cols / 16];
  }
};

// For the target in use.
const MatmulKernels& MatmulKernelsInUse() noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_MATMUL_KERNELS_H_
