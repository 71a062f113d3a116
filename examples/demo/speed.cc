// SPDX-License-Identifier: MIT
#include "demo/speed.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>

#include "nibble/activations.h"
#include "nibble/matmul.h"
#include "nibble/matvec.h"
#include "nibble/parallel.h"

namespace nibble::gguf {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kHugePage = 2 * kMiB;
constexpr double kMeasureSeconds = 0.4;
constexpr int kMinPasses = 3;

// Memory in huge pages where the system grants them: weights stream faster.
class Buffer {
 public:
  explicit Buffer(size_t size)
      : data_(static_cast<uint8_t*>(std::aligned_alloc(
                  kHugePage, (size + kHugePage - 1) / kHugePage * kHugePage)),
              &std::free) {
    if (data_ != nullptr) madvise(data_.get(), size, MADV_HUGEPAGE);
  }
  uint8_t* data() const { return data_.get(); }

 private:
  std::unique_ptr<uint8_t, void (*)(void*)> data_;
};

std::vector<float> RandomActivations(size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// The same activations, packed once for every row length that occurs.
class Inputs {
 public:
  Status Pack(const std::vector<ConstMatrix>& matrices, size_t tokens) {
    const ActivationLayout layout =
        ChooseActivationLayout(matrices.front().type, tokens);
    for (const ConstMatrix& matrix : matrices) {
      if (views_.count(matrix.cols) != 0) continue;
      const size_t bytes = PackedActivationBytes(layout, tokens, matrix.cols);
      buffers_.emplace_back(bytes);
      const std::vector<float> x = RandomActivations(tokens * matrix.cols);
      NIBBLE_RETURN_IF_ERROR(
          PackActivations(layout, FloatMatrix(x.data(), tokens, matrix.cols),
                          buffers_.back().data(), &views_[matrix.cols]));
    }
    return OkStatus();
  }
  const PackedActivations& Of(const ConstMatrix& matrix) const {
    return views_.at(matrix.cols);
  }

 private:
  std::vector<Buffer> buffers_;
  std::map<size_t, PackedActivations> views_;
};

// Calls multiply(matrix, y) for every matrix, each thread its share of them.
using Multiply =
    std::function<Status(const ConstMatrix& matrix, float* y, size_t thread)>;

Status OnePass(const std::vector<ConstMatrix>& matrices, size_t tokens,
               ThreadPool& pool, std::vector<std::vector<float>>& outputs,
               const Multiply& multiply) {
  const size_t parts = pool.threads();
  std::vector<Status> statuses(parts);
  outputs.resize(parts);
  pool.Run(parts, [&](size_t part) {
    const RowRange range = SplitRows(matrices.size(), Share{part, parts});
    for (size_t i = range.begin; i < range.end; ++i) {
      outputs[part].resize(
          std::max(outputs[part].size(), tokens * matrices[i].rows));
      const Status status = multiply(matrices[i], outputs[part].data(), part);
      if (!status.ok()) statuses[part] = status;
    }
  });
  for (const Status& status : statuses) NIBBLE_RETURN_IF_ERROR(status);
  return OkStatus();
}

// Seconds of the fastest pass.
Status BestPass(const std::vector<ConstMatrix>& matrices, size_t tokens,
                ThreadPool& pool, const Multiply& multiply, double* best) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<float>> outputs;
  // Warms up: grows the output buffers, touches every page.
  NIBBLE_RETURN_IF_ERROR(OnePass(matrices, tokens, pool, outputs, multiply));
  double total = 0;
  *best = 1e30;
  for (int pass = 0; pass < kMinPasses || total < kMeasureSeconds; ++pass) {
    const auto begin = Clock::now();
    NIBBLE_RETURN_IF_ERROR(OnePass(matrices, tokens, pool, outputs, multiply));
    const double seconds =
        std::chrono::duration<double>(Clock::now() - begin).count();
    *best = std::min(*best, seconds);
    total += seconds;
  }
  return OkStatus();
}

size_t BytesOf(const std::vector<ConstMatrix>& matrices) {
  size_t bytes = 0;
  for (const ConstMatrix& matrix : matrices) {
    bytes += matrix.rows * matrix.stride_bytes;
  }
  return bytes;
}

// The matrices again and again, copied into `buffer` one behind the other.
std::vector<ConstMatrix> Repeat(const std::vector<ConstMatrix>& matrices,
                                size_t times, const Buffer& buffer) {
  std::vector<ConstMatrix> repeated;
  uint8_t* next = buffer.data();
  for (size_t t = 0; t < times; ++t) {
    for (ConstMatrix matrix : matrices) {
      const size_t bytes = matrix.rows * matrix.stride_bytes;
      std::memcpy(next, matrix.data, bytes);
      matrix.data = next;
      next += bytes;
      repeated.push_back(matrix);
    }
  }
  return repeated;
}

Status MeasureMatvec(const std::vector<ConstMatrix>& matrices, ThreadPool& pool,
                     double* gb_per_second) {
  const size_t times = MatvecWorkingSet() / BytesOf(matrices) + 1;
  const size_t bytes = times * BytesOf(matrices);
  const Buffer buffer(bytes);
  if (buffer.data() == nullptr) {
    return Status(StatusCode::kResource, "no memory to measure matvec in");
  }
  Inputs inputs;
  NIBBLE_RETURN_IF_ERROR(inputs.Pack(matrices, 1));
  double seconds;
  NIBBLE_RETURN_IF_ERROR(BestPass(
      Repeat(matrices, times, buffer), 1, pool,
      [&](const ConstMatrix& matrix, float* y, size_t) {
        return Matvec(matrix, inputs.Of(matrix),
                      FloatMatrix(y, 1, matrix.rows));
      },
      &seconds));
  *gb_per_second = static_cast<double>(bytes) / seconds / 1e9;
  return OkStatus();
}

Status MeasureMatmul(const std::vector<ConstMatrix>& matrices, ThreadPool& pool,
                     double* gflops) {
  Inputs inputs;
  NIBBLE_RETURN_IF_ERROR(inputs.Pack(matrices, kPromptTokens));
  size_t scratch_bytes = 0;
  double flops = 0;
  for (const ConstMatrix& matrix : matrices) {
    scratch_bytes = std::max(
        scratch_bytes, MatmulScratchBytes(inputs.Of(matrix).layout, matrix.rows,
                                          matrix.cols, kPromptTokens));
    flops += 2.0 * static_cast<double>(matrix.rows * matrix.cols) *
             static_cast<double>(kPromptTokens);
  }
  std::vector<Buffer> scratch;
  for (size_t t = 0; t < pool.threads(); ++t) {
    scratch.emplace_back(scratch_bytes + 1);
  }
  double seconds;
  NIBBLE_RETURN_IF_ERROR(BestPass(
      matrices, kPromptTokens, pool,
      [&](const ConstMatrix& matrix, float* y, size_t thread) {
        MatmulOptions options;
        options.scratch = scratch[thread].data();
        options.scratch_bytes = scratch_bytes;
        return Matmul(matrix, inputs.Of(matrix),
                      FloatMatrix(y, kPromptTokens, matrix.rows), options);
      },
      &seconds));
  *gflops = flops / seconds / 1e9;
  return OkStatus();
}

}  // namespace

size_t MatvecWorkingSet() {
  const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  const size_t known = cache > 0 ? static_cast<size_t>(cache) : 32 * kMiB;
  return std::clamp(3 * known, 64 * kMiB, 512 * kMiB);
}

Status MeasureSpeed(const std::vector<ConstMatrix>& matrices, ThreadPool& pool,
                    Speed* speed) {
  NIBBLE_RETURN_IF_ERROR(
      MeasureMatvec(matrices, pool, &speed->matvec_gb_per_second));
  return MeasureMatmul(matrices, pool, &speed->matmul_gflops);
}

}  // namespace nibble::gguf
