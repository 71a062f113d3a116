// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>

#include "src/amx.h"
#include "src/compute_kernels.h"
#include "src/matmul_job.h"
#include "src/matmul_kernels.h"

namespace nibble {
namespace {

// Rows whose results (f32, times kTokenBlock tokens) stay in L2 while all
// columns pass: 768 KiB. Prototype: 384 to 512 rows are equally good.
constexpr size_t kRowBlock = 384;

constexpr size_t kPanelElements = kBf16Rows * kBf16BlockCols;
constexpr size_t kTileResults = 16 * 16;

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
  TokenBlock(const MatmulJob& job, RowRange rows, size_t token0,
             size_t tokens, uint8_t* scratch) noexcept
      : job_(job),
        unpack_(FindComputeKernels(job.weights.type)->feed_bf16),
        store_tile_(MatmulKernelsInUse().store_tile),
        rows_(rows),
        token0_(token0),
        tokens_(tokens) {
    panels_[0] = reinterpret_cast<uint16_t*>(scratch);
    panels_[1] = panels_[0] + kPanelElements;
    c_ = reinterpret_cast<float*>(panels_[1] + kPanelElements);
  }

  void Run() noexcept {
    Step step{rows_.begin, 0, rows_.begin};
    Feed(step, 1);
    feeder_.Finish();
    while (step.block < rows_.end) {
      Step next = step;
      next.Advance(rows_, job_.weights.cols);
      const size_t ready = current_;
      current_ ^= 1;
      Feed(next, TokenPanels() * Lines(step.col));
      Multiply(step, panels_[ready]);
      feeder_.Finish();
      if (next.block != step.block) StoreResults(step.block);
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
  size_t Lines(size_t col) const noexcept { return Cols(col) / 32; }
  float* Results(size_t row) const noexcept {
    return c_ + row / kBf16Rows * TokenPanels() * 4 * kTileResults;
  }

  // Lets the next `steps` tile steps unpack the panel at `step`.
  void Feed(const Step& step, size_t steps) noexcept {
    PanelSource source{};
    source.stride_bytes = job_.weights.stride_bytes;
    if (step.block < rows_.end) {
      source.row0 = job_.weights.row(step.row);
      source.rows = std::min(kBf16Rows, rows_.end - step.row);
      source.col0 = step.col;
      source.cols = Cols(step.col);
    }
    feed_.Start(source, panels_[current_]);
    feeder_.Start(unpack_, &feed_, steps);
  }

  void Multiply(const Step& step, const uint16_t* panel) noexcept {
    const Bf16Layout layout = Bf16LayoutOf(job_.x.tokens, job_.x.cols);
    AmxProduct product;
    product.weights = panel;
    product.x = reinterpret_cast<const uint16_t*>(job_.x.data) +
                layout.Tile(token0_, step.col);
    product.x_stride = kBf16Tokens * layout.BlockWidth(step.col);
    product.c = Results(step.row - step.block);
    product.tokens = tokens_;
    product.steps = Lines(step.col);
    product.accumulate = step.col != 0;
    AmxMultiply(product, &feeder_);
  }

  // Tiles of the row block -> y.
  void StoreResults(size_t block) noexcept {
    const size_t end = std::min(block + kRowBlock, rows_.end);
    for (size_t t = 0; t < tokens_; t += 16) {
      for (size_t r = block; r < end; r += 16) {
        const size_t tile = t % kBf16Tokens / 16 * 2 + (r - block) % 32 / 16;
        const float* c = Results(r - block) +
                         (t / kBf16Tokens * 4 + tile) * kTileResults;
        StoreTile(c, std::min<size_t>(16, end - r), r,
                  std::min<size_t>(16, tokens_ - t), token0_ + t);
      }
    }
  }
  // Rows of y by number are reached through a tile on the stack.
  void StoreTile(const float* c, size_t rows, size_t row, size_t tokens,
                 size_t token) noexcept {
    if (job_.y_rows == nullptr) {
      store_tile_(c, rows, tokens, job_.Result(token, row),
                  job_.y.stride_bytes / sizeof(float));
      return;
    }
    float tile[16][16];  // [token][row]
    store_tile_(c, rows, tokens, tile[0], 16);
    for (size_t t = 0; t < tokens; ++t) {
      memcpy(job_.Result(token + t, row), tile[t], rows * sizeof(float));
    }
  }

  const MatmulJob& job_;
  void (*const unpack_)(Bf16Feed&);
  void (*const store_tile_)(const float*, size_t, size_t, float*, size_t);
  const RowRange rows_;
  const size_t token0_, tokens_;
  uint16_t* panels_[2];
  size_t current_ = 0;
  float* c_;
  Bf16Feed feed_;
  AmxFeeder feeder_;
};

}  // namespace

size_t Bf16ScratchBytes(size_t rows, size_t tokens) noexcept {
  const size_t results =
      RoundUp(std::min(rows, kRowBlock), kBf16Rows) *
      RoundUp(std::min(tokens, kTokenBlock), kBf16Tokens);
  return 2 * kPanelElements * sizeof(uint16_t) + results * sizeof(float);
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
