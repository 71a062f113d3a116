// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>

#include "src/compute_kernels.h"
#include "src/matmul_job.h"
#include "src/matmul_kernels.h"

namespace nibble {
namespace {

// What one thread works with.
struct Scratch {
  Int8Panel panel;
  float* c;  // [tokens][panel_rows]

  static size_t ScaleBytes(const MatmulKernels& k) noexcept {
    return k.panel_rows * k.panel_cols / 16 * sizeof(float);
  }
  static size_t Bytes(const MatmulKernels& k, size_t tokens) noexcept {
    return k.panel_rows * k.panel_cols + 2 * ScaleBytes(k) +
           RoundUp(std::min(tokens, kTokenBlock) * k.panel_rows *
                       sizeof(float),
                   64);
  }
  Scratch(const MatmulKernels& k, uint8_t* memory) noexcept {
    panel.codes = memory;
    memory += k.panel_rows * k.panel_cols;
    panel.scale = reinterpret_cast<float*>(memory);
    memory += ScaleBytes(k);
    panel.min = reinterpret_cast<float*>(memory);
    memory += ScaleBytes(k);
    c = reinterpret_cast<float*>(memory);
  }
};

// The kernels of one product.
struct Kernels {
  const MatmulKernels& any = MatmulKernelsInUse();
  const ComputeKernels& format;
  PanelShape shape;
  Int8PanelKernel multiply;
  size_t cols;  // unpacked at a time: the planes of a panel share its room

  explicit Kernels(Type type) noexcept
      : format(*FindComputeKernels(type)), shape(format.panel_shape) {
    multiply = any.multiply[static_cast<size_t>(shape.math)]
                           [shape.per16 ? 1 : 0][shape.has_min ? 1 : 0];
    cols = any.panel_cols / (shape.math == PanelMath::kPlanes ? 2 : 1);
  }
};

// One panel of rows times the tokens of a block.
void MultiplyPanel(const MatmulJob& job, const Kernels& kernels,
                   const Scratch& scratch, size_t row0, size_t rows,
                   size_t token0, size_t tokens) noexcept {
  const size_t panel_rows = kernels.any.panel_rows;
  const auto* x = reinterpret_cast<const Int8PanelChunk*>(job.x.data);
  std::fill(scratch.c, scratch.c + tokens * panel_rows, 0.0f);
  PanelSource source{job.weights.row(row0), job.weights.stride_bytes, rows, 0,
                     0};
  for (size_t k = 0; k < job.weights.cols; k += kernels.cols) {
    source.col0 = k;
    source.cols = std::min(kernels.cols, job.weights.cols - k);
    kernels.format.unpack_int8(source, scratch.panel);
    kernels.multiply(scratch.panel, source.cols, kernels.shape.bias,
                     x + k / 256 * job.x.tokens + token0, job.x.tokens, tokens,
                     scratch.c);
  }
  // y was not updated in place: its stride is often a multiple of 4 KiB, which
  // cost 13-22 % (Sapphire Rapids).
  for (size_t t = 0; t < tokens; ++t) {
    memcpy(job.Result(token0 + t, row0), scratch.c + t * panel_rows,
           rows * sizeof(float));
  }
}

}  // namespace

size_t Int8ScratchBytes(size_t tokens) noexcept {
  return Scratch::Bytes(MatmulKernelsInUse(), tokens);
}

void MultiplyInt8(const MatmulJob& job, size_t part) noexcept {
  const Kernels kernels(job.weights.type);
  const size_t step = kernels.any.panel_rows;
  const RowRange range = job.RowsOf(part, step);
  const Scratch scratch(kernels.any, job.ScratchOf(part));
  for (size_t t = 0; t < job.x.tokens; t += kTokenBlock) {
    const size_t tokens = std::min(kTokenBlock, job.x.tokens - t);
    for (size_t r = range.begin; r < range.end; r += step) {
      MultiplyPanel(job, kernels, scratch, r, std::min(step, range.end - r), t,
                    tokens);
    }
  }
}

}  // namespace nibble
