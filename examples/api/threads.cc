// SPDX-License-Identifier: MIT
// Lending threads: the library has none of its own and takes any pool through a
// callback. Here the simplest of pools, a thread per part.
#include <cmath>
#include <cstdio>
#include <thread>
#include <vector>

#include "nibble/nibble.h"

namespace {

void RunOnThreads(void* /*context*/, size_t parts,
                  void (*task)(void* arg, size_t part), void* arg) {
  std::vector<std::thread> threads;
  for (size_t part = 1; part < parts; ++part) {
    threads.emplace_back(task, arg, part);
  }
  task(arg, 0);
  for (std::thread& thread : threads) thread.join();
}

// Quantizes to IQ4_KS, then multiplies many tokens.
nibble::Status Example(const std::vector<float>& weights, size_t rows,
                       const std::vector<float>& x, size_t tokens, size_t cols,
                       size_t threads, std::vector<float>* y) {
  const nibble::ParallelFor pool = {RunOnThreads, nullptr, threads};
  std::vector<uint8_t> bytes(rows *
                             nibble::RowBytes(nibble::Type::kIQ4_KS, cols));
  const nibble::MutableMatrix packed(nibble::Type::kIQ4_KS, bytes.data(), rows,
                                     cols);
  nibble::QuantizeOptions quantize;
  quantize.parallel = &pool;
  NIBBLE_RETURN_IF_ERROR(nibble::Quantize(
      nibble::FloatMatrix(weights.data(), rows, cols), packed, quantize));
  nibble::MatmulOptions matmul;
  matmul.parallel = &pool;
  return nibble::Matmul(packed, nibble::FloatMatrix(x.data(), tokens, cols),
                        nibble::FloatMatrix(y->data(), tokens, rows), matmul);
}

}  // namespace

int main() {
  constexpr size_t kRows = 96, kCols = 512, kTokens = 40;
  std::vector<float> weights(kRows * kCols), x(kTokens * kCols);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = std::sin(static_cast<float>(i));
  }
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<float>(i));
  std::vector<float> one(kTokens * kRows), four(kTokens * kRows);
  for (auto* y : {&one, &four}) {
    const nibble::Status status =
        Example(weights, kRows, x, kTokens, kCols, y == &one ? 1 : 4, y);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.message().c_str());
      return 1;
    }
  }
  std::printf("4 threads give %s results as 1\n",
              one == four ? "the same" : "other");
  return one == four ? 0 : 1;
}
