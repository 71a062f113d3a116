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

  // By PanelMath, per16, has_min; null for maths that neither the target nor
  // its extension uses.
  Int8PanelKernel multiply[kPanelMaths][2][2];
  // Of bf16 panels; null on targets without AMX.
  void (*store_bf16)(const Bf16Store& store);
};

// For the target in use.
const MatmulKernels& MatmulKernelsInUse() noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_MATMUL_KERNELS_H_
