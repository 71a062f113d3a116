// SPDX-License-Identifier: MIT
// The device's kernels on the host: the code of every thread, called for every
// thread, and the reductions between them. What a device must give, bit for
// bit.
#ifndef NIBBLE_TESTS_CUDA_REFERENCE_H_
#define NIBBLE_TESTS_CUDA_REFERENCE_H_

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "cuda/dequantize.cuh"
#include "cuda/matvec.cuh"
#include "cuda/pack.cuh"
#include "tests/for_each.h"
#include "tests/random_rows.h"

namespace nibble {

// Bytes at a multiple of 16, like the memory of a device; `offset` moves them.
class DeviceLikeBytes {
 public:
  explicit DeviceLikeBytes(size_t n, size_t offset = 0)
      : words_((n + offset) / sizeof(cuda::Words16) + 1),
        size_(n),
        offset_(offset) {}
  uint8_t* data() {
    return reinterpret_cast<uint8_t*>(words_.data()) + offset_;
  }
  size_t size() const { return size_; }

 private:
  std::vector<cuda::Words16> words_;  // over-aligned new knows its alignment
  size_t size_, offset_;
};

inline void FillRandom(uint8_t* bytes, size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(rng());
}

// Random rows whose scales are finite and moderate.
template <class F>
void FillRows(uint8_t* bytes, size_t rows, size_t stride, size_t cols,
              uint32_t seed) {
  std::mt19937 rng(seed);
  FillRandom(bytes, rows * stride, seed);
  std::uniform_real_distribution<float> scale(0.01f, 0.02f);
  const auto half = [&] { return F32ToF16(scale(rng)); };
  for (size_t r = 0; r < rows; ++r) {
    uint8_t* row = bytes + r * stride;
    if constexpr (F::kRowHeader == 4) {
      const float d = scale(rng);
      memcpy(row, &d, sizeof(d));
    } else if constexpr (F::kRowHeader == 2) {
      const uint16_t d = half();
      memcpy(row, &d, sizeof(d));
    }
    auto* blocks = reinterpret_cast<typename F::Block*>(row + F::kRowHeader);
    for (size_t b = 0; b < cols / F::kBlock; ++b) {
      if constexpr (F::kRowHeader == 0) {
        PutScale<F>(half(), blocks[b]);
      }
      if constexpr (formats::kIsPresent<typename F::MinCodes>) {
        const uint16_t bits = half();
        memcpy(blocks[b].dmin.bytes, &bits, sizeof(bits));
      }
    }
  }
}

inline std::vector<float> RandomFloats(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(rng);
  return x;
}

// PackActivationsKernel for one token.
inline void HostPack(const uint8_t* row, Type type, size_t cols,
                     uint8_t* token) {
  using namespace cuda;
  for (size_t block = 0; block < ActivationBlocks(cols); ++block) {
    float x[8][4];
    uint32_t max = 0;
    for (size_t q = 0; q < 8; ++q) {
      LoadQuad(row, type, block * kActivationBlock + 4 * q, cols, x[q]);
      const uint32_t magnitude = MaxMagnitude(x[q]);
      max = magnitude > max ? magnitude : max;
    }
    const float scale = ActivationScale(max);
    int sums[2] = {0, 0};
    for (size_t q = 0; q < 8; ++q) {
      const uint32_t codes = ActivationCodes(x[q], scale);
      memcpy(token + block * kActivationBlock + 4 * q, &codes, sizeof(codes));
      sums[q / 4] += SumOfCodes(codes);
    }
    const ActivationHead head{scale, PackSums(sums[0], sums[1])};
    memcpy(token + ActivationBlocks(cols) * kActivationBlock +
               block * sizeof(head),
           &head, sizeof(head));
  }
}

// MatvecKernel for one row and kTokens tokens at x, of which `tokens` exist.
template <class F, uint32_t kTokens, size_t kAlign>
void HostMatvec(const uint8_t* row, const uint8_t* x, uint32_t tokens,
                uint32_t cols, float (&y)[kTokens]) {
  float lanes[kTokens][cuda::kWarp];
  for (uint32_t lane = 0; lane < cuda::kWarp; ++lane) {
    float sum[kTokens];
    cuda::LaneMatvec<F, kTokens, kAlign>(row, x, tokens, cols, lane, sum);
    for (uint32_t t = 0; t < kTokens; ++t) lanes[t][lane] = sum[t];
  }
  for (uint32_t t = 0; t < kTokens; ++t) y[t] = cuda::HostWarpSum(lanes[t]);
}

// A product in double, and how far float sums in matvec.cuh's order may be off.
struct Reference {
  double value;
  double bound;
};

// The packed row times the packed token, by the definition of the format.
template <class F>
Reference ReferenceDot(const uint8_t* row, const uint8_t* token, size_t cols) {
  using R = formats::Reader<F>;
  const cuda::PackedToken x(token, cols);
  const double row_scale = R::RowScale(row);
  const auto* blocks =
      reinterpret_cast<const typename F::Block*>(row + F::kRowHeader);
  double value = 0, magnitude = 0;
  for (size_t c = 0; c < cols; c += 16) {
    const typename F::Block& b = blocks[c / F::kBlock];
    const size_t e = c % F::kBlock, s = e / F::kSub;
    int64_t dot = 0, sum = 0;
    for (size_t i = 0; i < 16; ++i) {
      const int a = static_cast<int8_t>(x.codes[c + i]);
      dot += int64_t{R::Level(b, e + i)} * a;
      sum += a;
    }
    const double x_scale = x.Head(c / cuda::kActivationBlock).scale;
    const double d = R::BlockScale(b, static_cast<float>(row_scale), s);
    const double term =
        d * R::Multiplier(b, s) * x_scale * static_cast<double>(dot);
    const double min =
        static_cast<double>(R::Min(b, s)) * x_scale * static_cast<double>(sum);
    value += term - min;
    magnitude += std::abs(term) + std::abs(min);
  }
  // A lane adds up to four terms per part, then five more steps add the lanes;
  // every term has two roundings of its own (scales; integer to float).
  const double parts = std::ceil(static_cast<double>(cols) / 32 / 32);
  const double roundings = 4 * parts + 5 + 2;
  constexpr double kUnit = 1.0 / (1 << 24);
  return {value, 1.01 * roundings * kUnit * magnitude};
}

}  // namespace nibble

#endif  // NIBBLE_TESTS_CUDA_REFERENCE_H_
