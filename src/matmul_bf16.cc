// SPDX-License-Identifier: MIT
#include <algorithm>

#include "src/amx.h"
#include "src/compute_kernels.h"
#include "src/matmul_job.h"
#include "src/matmul_kernels.h"

namespace nibble {
namespace {

// Activations beyond this do not stay in L2 from one row block to the next.
constexpr size_t kCachedActivations = size_t{1} << 20;

// Rows that all columns pass before the next ones. Where activations stay in
// L2, few enough that their sums do too. Elsewhere tiles wait for activations,
// which every row block brings from L3 once more, and nothing waits for sums:
// with 512 tokens 1024 rows, whose sums take 2 MiB, are 3 to 6 % faster than
// 384, whose sums would fit, and level with 4096.
constexpr size_t kRowBlock = 384, kTallRowBlock = 1024;

// Results of a thread from which on they are written past the caches: L2 could
// not keep them for who reads them, and their lines push out activations and
// sums (512 tokens, 4096 rows: 3 to 4 %).
constexpr size_t kStreamedResults = size_t{2} << 20;

// Position of a panel.
struct Step {
  size_t block;  // first row of the row block
  size_t col;
  size_t row;

  // Of the row block.
  size_t Panel() const noexcept { return (row - block) / kBf16Rows; }
};

// The order of panels: row block by row block, all columns of a block in order,
// all its panels for one block of columns, down and up in turn: the sums added
// to last, which L2 still has, are the first to be added to again.
class PanelOrder {
 public:
  PanelOrder(RowRange rows, size_t cols, size_t row_block) noexcept
      : rows_(rows), cols_(cols), row_block_(row_block) {}

  Step First() const noexcept { return {rows_.begin, 0, rows_.begin}; }
  bool IsEnd(const Step& step) const noexcept {
    return step.block >= rows_.end;
  }
  size_t BlockRows(const Step& step) const noexcept {
    return std::min(row_block_, rows_.end - step.block);
  }
  size_t Panels(const Step& step) const noexcept {
    return (BlockRows(step) + kBf16Rows - 1) / kBf16Rows;
  }
  // Panels of the row block that these columns have passed.
  size_t Before(const Step& step) const noexcept {
    return IsUp(step) ? Panels(step) - 1 - step.Panel() : step.Panel();
  }
  Step After(Step step) const noexcept {
    if (Before(step) + 1 < Panels(step)) {
      step.row = IsUp(step) ? step.row - kBf16Rows : step.row + kBf16Rows;
      return step;
    }
    step.col += kBf16BlockCols;
    if (step.col < cols_) return step;
    const size_t end = step.block + BlockRows(step);
    return {end, 0, end};
  }

 private:
  static bool IsUp(const Step& step) noexcept {
    return step.col / kBf16BlockCols % 2 != 0;
  }

  RowRange rows_;
  size_t cols_, row_block_;
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
        tokens_(tokens),
        order_(rows, job.weights.cols,
               ActivationsStay() ? kRowBlock : kTallRowBlock) {
    panels_[0] = reinterpret_cast<uint16_t*>(scratch);
    panels_[1] = panels_[0] + kBf16PanelElements;
    c_ = reinterpret_cast<float*>(panels_[1] + kBf16PanelElements);
  }

  void Run() noexcept {
    Step step = order_.First();
    Feed(step);
    Bf16Product nothing{};  // only unpacks
    nothing.feed = &feed_;
    multiply_(nothing);
    while (!order_.IsEnd(step)) {
      const Step next = order_.After(step);
      const uint16_t* panel = panels_[current_];
      current_ ^= 1;
      Feed(next);
      multiply_(Product(step, panel));
      if (next.block != step.block) StoreBlock(step);
      step = next;
    }
  }

 private:
  bool ActivationsStay() const noexcept {
    return tokens_ * job_.weights.cols * sizeof(uint16_t) < kCachedActivations;
  }
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

  // Nothing beyond the last panel.
  PanelSource Source(const Step& step) const noexcept {
    PanelSource source{};
    source.stride_bytes = job_.weights.stride_bytes;
    if (!order_.IsEnd(step)) {
      source.row0 = job_.weights.row(step.row);
      source.rows = std::min(kBf16Rows, rows_.end - step.row);
      source.col0 = step.col;
      source.cols = Cols(step.col);
    }
    return source;
  }

  // The panel at `step` is unpacked next, and then the one after it.
  void Feed(const Step& step) noexcept {
    const PanelSource source = Source(step);
    const Step after = order_.IsEnd(step) ? step : order_.After(step);
    feed_.Start(source, order_.IsEnd(after) ? source : Source(after),
                panels_[current_]);
  }

  Bf16Product Product(const Step& step, const uint16_t* panel) noexcept {
    Bf16Product product{};
    product.weights = panel;
    product.lines = Cols(step.col) / 32;
    product.x = Activations(step.col);
    product.x_stride = kBf16Tokens * layout_.BlockWidth(step.col);
    product.tokens = tokens_;
    product.c = c_ + step.Panel() * TokenPanels() * kBf16Results;
    product.accumulate = step.col != 0;
    product.feed = &feed_;
    product.pending = &pending_;
    FetchAhead(step, &product);
    return product;
  }

  // The results of a row block.
  void StoreBlock(const Step& step) noexcept {
    Bf16Store store{};
    store.pending = &pending_;
    store.c = c_;
    store.panel_stride = TokenPanels() * kBf16Results;
    store.rows = order_.BlockRows(step);
    store.tokens = tokens_;
    store.y = reinterpret_cast<float*>(job_.y.data) + step.block;
    store.y_stride = job_.y.stride_bytes / sizeof(float);
    if (job_.y_rows == nullptr) {
      store.y += token0_ * store.y_stride;
    } else {
      store.y_rows = job_.y_rows + token0_;
    }
    store.stream = (rows_.end - rows_.begin) * job_.x.tokens * sizeof(float) >
                   kStreamedResults;
    MatmulKernelsInUse().store_bf16(store);
  }

  // Spreads the fetching of the next block of activations over the panels of a
  // row block (512 tokens, 4096 columns: 1.63 -> 1.76 TFLOPS in the prototype).
  void FetchAhead(const Step& step, Bf16Product* product) const noexcept {
    if (ActivationsStay()) return;
    size_t col = step.col + kBf16BlockCols;
    if (col >= job_.weights.cols) col = 0;
    const size_t panels = order_.Panels(step);
    const size_t steps = panels * TokenPanels() * product->lines;
    const size_t bytes =
        TokenPanels() * kBf16Tokens * Cols(col) * sizeof(uint16_t);
    product->ahead_lines = (bytes / 64 + steps - 1) / steps;
    const size_t done =
        order_.Before(step) * steps / panels * product->ahead_lines * 64;
    if (done >= bytes) product->ahead_lines = 0;
    product->ahead = reinterpret_cast<const uint8_t*>(Activations(col)) + done;
  }

  const MatmulJob& job_;
  const Bf16Layout layout_;
  void (*const multiply_)(const Bf16Product&);
  const RowRange rows_;
  const size_t token0_, tokens_;
  const PanelOrder order_;
  uint16_t* panels_[2];
  size_t current_ = 0;
  float* c_;
  Bf16Feed feed_;
  alignas(64) Bf16Pending pending_ = {};
};

}  // namespace

size_t Bf16ScratchBytes(size_t rows, size_t tokens) noexcept {
  const size_t results = RoundUp(std::min(rows, kTallRowBlock), kBf16Rows) *
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
