// SPDX-License-Identifier: MIT
#include <algorithm>

#include "src/amx.h"
#include "src/compute_kernels.h"
#include "src/matmul_job.h"
#include "src/matmul_kernels.h"

namespace nibble {
namespace {

// Rows whose results (f32, times kTokenBlock tokens) stay in L2 while all
// columns pass: 512 KiB, beside one block of activations in use and one that is
// being fetched, of as much each.
constexpr size_t kRowBlock = 384;

// Activations beyond this do not stay in L2 from one row block to the next.
constexpr size_t kCachedActivations = size_t{1} << 20;

// Position of a panel: row block by row block, all columns of a block in order,
// all its panels for one block of columns.
struct Step {
  size_t block;  // first row of the row block
  size_t col;
  size_t row;

  void Advance(RowRange rows, size_t cols) noexcept {
    const size_t end = std::min(block + kRowBlock, rows.end);
    row += kBf16Rows;
    if (row < end) return;
    col += kBf16BlockCols;
    row = block;
    if (col < cols) return;
    col = 0;
    row = block = end;
  }
};

// One thread's product of its rows with one block of tokens.
class TokenBlock {
 public:
  TokenBlock(const MatmulJob& job, RowRange rows, size_t token0, size_t tokens,
             uint8_t* scratch) noexcept
      : job_(job),
        layout_(Bf16LayoutOf(job.x.tokens, job.x.cols)),
        multiply_(FindComputeKernels(job.weights.type)->multiply_bf16),
        rows_(rows),
        token0_(token0),
        tokens_(tokens) {
    panels_[0] = reinterpret_cast<uint16_t*>(scratch);
    panels_[1] = panels_[0] + kBf16PanelElements;
    c_ = reinterpret_cast<float*>(panels_[1] + kBf16PanelElements);
  }

  void Run() noexcept {
    Step step{rows_.begin, 0, rows_.begin};
    Feed(step);
    Bf16Product nothing{};  // only unpacks
    nothing.feed = &feed_;
    multiply_(nothing);
    while (step.block < rows_.end) {
      Step next = step;
      next.Advance(rows_, job_.weights.cols);
      const uint16_t* panel = panels_[current_];
      current_ ^= 1;
      Feed(next);
      multiply_(Product(step, panel));
      if (next.block != step.block) StoreBlock(step.block);
      step = next;
    }
  }

 private:
  size_t TokenPanels() const noexcept {
    return (tokens_ + kBf16Tokens - 1) / kBf16Tokens;
  }
  size_t Cols(size_t col) const noexcept {
    return std::min(kBf16BlockCols, job_.weights.cols - col);
  }
  const uint16_t* Activations(size_t col) const noexcept {
    return reinterpret_cast<const uint16_t*>(job_.x.data) +
           layout_.Tile(token0_, col);
  }

  // The panel at `step` is unpacked next.
  void Feed(const Step& step) noexcept {
    PanelSource source{};
    source.stride_bytes = job_.weights.stride_bytes;
    if (step.block < rows_.end) {
      source.row0 = job_.weights.row(step.row);
      source.rows = std::min(kBf16Rows, rows_.end - step.row);
      source.col0 = step.col;
      source.cols = Cols(step.col);
    }
    feed_.Start(source, panels_[current_]);
  }

  Bf16Product Product(const Step& step, const uint16_t* panel) noexcept {
    Bf16Product product{};
    product.weights = panel;
    product.lines = Cols(step.col) / 32;
    product.x = Activations(step.col);
    product.x_stride = kBf16Tokens * layout_.BlockWidth(step.col);
    product.tokens = tokens_;
    product.c =
        c_ + (step.row - step.block) / kBf16Rows * TokenPanels() * kBf16Results;
    product.accumulate = step.col != 0;
    product.feed = &feed_;
    product.pending = &pending_;
    FetchAhead(step, &product);
    return product;
  }

  // The results of the row block that starts at `block`.
  void StoreBlock(size_t block) noexcept {
    Bf16Store store{};
    store.pending = &pending_;
    store.c = c_;
    store.panel_stride = TokenPanels() * kBf16Results;
    store.rows = std::min(kRowBlock, rows_.end - block);
    store.tokens = tokens_;
    store.y = reinterpret_cast<float*>(job_.y.data) + block;
    store.y_stride = job_.y.stride_bytes / sizeof(float);
    if (job_.y_rows == nullptr) {
      store.y += token0_ * store.y_stride;
    } else {
      store.y_rows = job_.y_rows + token0_;
    }
    MatmulKernelsInUse().store_bf16(store);
  }

  // Spreads the fetching of the next block of activations over the panels of a
  // row block (512 tokens, 4096 columns: 1.63 -> 1.76 TFLOPS in the prototype).
  void FetchAhead(const Step& step, Bf16Product* product) const noexcept {
    if (tokens_ * job_.weights.cols * sizeof(uint16_t) < kCachedActivations) {
      return;
    }
    size_t col = step.col + kBf16BlockCols;
    if (col >= job_.weights.cols) col = 0;
    const size_t rows = std::min(kRowBlock, rows_.end - step.block);
    const size_t panels = (rows + kBf16Rows - 1) / kBf16Rows;
    const size_t steps = panels * TokenPanels() * product->lines;
    const size_t bytes =
        TokenPanels() * kBf16Tokens * Cols(col) * sizeof(uint16_t);
    product->ahead_lines = (bytes / 64 + steps - 1) / steps;
    const size_t done = (step.row - step.block) / kBf16Rows * steps / panels *
                        product->ahead_lines * 64;
    if (done >= bytes) product->ahead_lines = 0;
    product->ahead = reinterpret_cast<const uint8_t*>(Activations(col)) + done;
  }

  const MatmulJob& job_;
  const Bf16Layout layout_;
  void (*const multiply_)(const Bf16Product&);
  const RowRange rows_;
  const size_t token0_, tokens_;
  uint16_t* panels_[2];
  size_t current_ = 0;
  float* c_;
  Bf16Feed feed_;
  alignas(64) Bf16Pending pending_ = {};
};

}  // namespace

size_t Bf16ScratchBytes(size_t rows, size_t tokens) noexcept {
  const size_t results = RoundUp(std::min(rows, kRowBlock), kBf16Rows) *
                         RoundUp(std::min(tokens, kTokenBlock), kBf16Tokens);
  return 2 * kBf16PanelElements * sizeof(uint16_t) + results * sizeof(float);
}

void MultiplyBf16(const MatmulJob& job, size_t part) noexcept {
  const RowRange rows = job.RowsOf(part, kBf16Rows);
  if (rows.begin == rows.end) return;
  AmxBegin();
  for (size_t t = 0; t < job.x.tokens; t += kTokenBlock) {
    TokenBlock(job, rows, t, std::min(kTokenBlock, job.x.tokens - t),
               job.ScratchOf(part))
        .Run();
  }
  AmxEnd();
}

}  // namespace nibble
