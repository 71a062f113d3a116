// SPDX-License-Identifier: MIT
// A checked matmul and the three ways to do it.
#ifndef NIBBLE_SRC_MATMUL_JOB_H_
#define NIBBLE_SRC_MATMUL_JOB_H_

#include "nibble/activations.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/simd/int8_row_chunk.h"
#include "nibble/simd/panel.h"

namespace nibble {

// Tokens multiplied between two unpackings of a weight panel: their partial
// results stay in L2.
inline constexpr size_t kTokenBlock = 512;

struct MatmulJob {
  ConstMatrix weights;
  PackedActivations x;
  MutableMatrix y;
  const uint32_t* y_rows = nullptr;  // a token's row of y; null: its number
  RowRange rows = {};                // of this call
  size_t threads = 1;
  uint8_t* scratch = nullptr;
  size_t scratch_bytes = 0;  // per thread, a multiple of 64

  uint8_t* ScratchOf(size_t part) const noexcept {
    return scratch + part * scratch_bytes;
  }
  // Rows of one thread, in whole panels.
  RowRange RowsOf(size_t part, size_t panel_rows) const noexcept {
    const RowRange r =
        SplitRows(rows.end - rows.begin, {part, threads}, panel_rows);
    return {rows.begin + r.begin, rows.begin + r.end};
  }
  float* Result(size_t token, size_t row) const noexcept {
    const size_t y_row = y_rows != nullptr ? y_rows[token] : token;
    return reinterpret_cast<float*>(y.row(y_row)) + row;
  }
};

// Rows are shared out in whole panels of any layout.
inline constexpr size_t kSplitRows = 32;

// Multiplies the part's rows in the layout of job.x.
void Multiply(const MatmulJob& job, size_t part) noexcept;

inline size_t RoundUp(size_t n, size_t multiple) noexcept {
  return (n + multiple - 1) / multiple * multiple;
}

// How bf16 activations lie in memory.
inline Bf16Layout Bf16LayoutOf(size_t tokens, size_t cols) noexcept {
  return {ChunksOf(cols) * kChunk, RoundUp(tokens, kBf16Tokens)};
}

// kInt8Rows: matvec, without scratch.
void MultiplyInt8Rows(const MatmulJob& job, size_t part) noexcept;

// kInt8Panels: panels of 8-bit codes, any target. The first refuses an order
// that is none, or for instructions that are not in use.
Status CheckPanelOrder(const char* name, ActivationLayout layout) noexcept;
size_t Int8ScratchBytes(size_t tokens) noexcept;
void MultiplyInt8(const MatmulJob& job, size_t part) noexcept;

// kBf16Panels: AMX tiles.
size_t Bf16ScratchBytes(size_t rows, size_t tokens) noexcept;
void MultiplyBf16(const MatmulJob& job, size_t part) noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_MATMUL_JOB_H_
