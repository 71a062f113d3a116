// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>

#include "src/check.h"
#include "src/compute_kernels.h"
#include "src/cpu_init.h"
#include "src/matmul_job.h"
#include "src/matmul_kernels.h"

namespace nibble {
namespace {

// Panels that share one pass over a block of activations, which then stay in L2
// (512 tokens x 1024 columns: 768 KiB), as their results do (512 KiB with
// AVX-512). One panel at a time read all activations from L3 for every 32 rows:
// 428 -> 480 GFLOPS (Q4_0, VNNI, 4096 x 4096, Emerald Rapids).
constexpr size_t kBlockPanels = 8;

// What one thread works with.
struct Scratch {
  Int8Panel panel;
  float* c;  // [panels of a block][tokens][panel_rows]

  static size_t ScaleBytes(const MatmulKernels& k) noexcept {
    return k.panel_rows * k.panel_cols / 16 * sizeof(float);
  }
  static size_t Bytes(const MatmulKernels& k, size_t tokens) noexcept {
    return k.panel_rows * k.panel_cols + 2 * ScaleBytes(k) +
           RoundUp(kBlockPanels * std::min(tokens, kTokenBlock) * k.panel_rows *
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
  FormatPanels format;
  Int8PanelKernel multiply;
  size_t cols;  // unpacked at a time: the planes of a panel share its room

  Kernels(Type type, uint16_t order) noexcept {
    const ComputeKernels& compute = *FindComputeKernels(type);
    format =
        order == kExtensionOrder ? compute.extension_panels : compute.panels;
    const PanelShape& shape = format.shape;
    multiply = any.Multiply(shape);
    cols = any.panel_cols / (shape.math == PanelMath::kPlanes ? 2 : 1);
  }
};

// The tokens of a block.
struct Tokens {
  size_t begin, count;
};

// A block of panels, rows [row0, end), times the tokens of a block.
void MultiplyBlock(const MatmulJob& job, const Kernels& kernels,
                   const Scratch& scratch, size_t row0, size_t end,
                   Tokens tokens) noexcept {
  const size_t step = kernels.any.panel_rows;
  const size_t results = tokens.count * step;  // of a panel
  const auto* x = reinterpret_cast<const Int8PanelChunk*>(job.x.data);
  std::fill_n(scratch.c, (end - row0 + step - 1) / step * results, 0.0f);
  for (size_t k = 0; k < job.weights.cols; k += kernels.cols) {
    const size_t cols = std::min(kernels.cols, job.weights.cols - k);
    float* c = scratch.c;
    for (size_t r = row0; r < end; r += step, c += results) {
      kernels.format.unpack({job.weights.row(r), job.weights.stride_bytes,
                             std::min(step, end - r), k, cols},
                            scratch.panel);
      kernels.multiply(scratch.panel, cols, kernels.format.shape.bias,
                       x + k / 256 * job.x.tokens + tokens.begin, job.x.tokens,
                       tokens.count, c);
    }
  }
  // y was not updated in place: its stride is often a multiple of 4 KiB, which
  // cost 13-22 % (Sapphire Rapids).
  for (size_t t = 0; t < tokens.count; ++t) {
    float* y = job.Result(tokens.begin + t, row0);
    const float* c = scratch.c + t * step;
    for (size_t r = row0; r < end; r += step, y += step, c += results) {
      memcpy(y, c, std::min(step, end - r) * sizeof(float));
    }
  }
}

}  // namespace

Status CheckPanelOrder(const char* name, ActivationLayout layout) noexcept {
  if (layout.order > kExtensionOrder) {
    return InvalidArgument("%s: int8 panels have no order %d", name,
                           layout.order);
  }
  if (layout.order == kExtensionOrder && !UsesExtension()) {
    return Unsupported(
        "%s: int8 panels of order %d need AVX-VNNI or i8mm, which are not in "
        "use",
        name, layout.order);
  }
  return OkStatus();
}

size_t Int8ScratchBytes(size_t tokens) noexcept {
  return Scratch::Bytes(MatmulKernelsInUse(), tokens);
}

void MultiplyInt8(const MatmulJob& job, size_t part) noexcept {
  const Kernels kernels(job.weights.type, job.x.layout.order);
  const RowRange range = job.RowsOf(part, kernels.any.panel_rows);
  const size_t step = kBlockPanels * kernels.any.panel_rows;
  const Scratch scratch(kernels.any, job.ScratchOf(part));
  for (size_t t = 0; t < job.x.tokens; t += kTokenBlock) {
    const Tokens tokens = {t, std::min(kTokenBlock, job.x.tokens - t)};
    for (size_t r = range.begin; r < range.end; r += step) {
      MultiplyBlock(job, kernels, scratch, r, std::min(r + step, range.end),
                    tokens);
    }
  }
}

}  // namespace nibble
