// SPDX-License-Identifier: MIT
// Packed rows and activations for the tests of products.
#ifndef NIBBLE_TESTS_RANDOM_ROWS_H_
#define NIBBLE_TESTS_RANDOM_ROWS_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "nibble/activations.h"
#include "nibble/formats/format.h"
#include "nibble/search/pack.h"
#include "nibble/matrix.h"

namespace nibble {

// A 64-byte aligned buffer, for packed activations.
class AlignedBytes {
 public:
  explicit AlignedBytes(size_t size) : bytes_(size + 64) {
    const size_t misaligned = reinterpret_cast<uintptr_t>(bytes_.data()) % 64;
    data_ = bytes_.data() + (64 - misaligned) % 64;
  }
  uint8_t* data() { return data_; }

 private:
  std::vector<uint8_t> bytes_;
  uint8_t* data_;
};

// Stores an fp16 number as the scale(s) of a block, or what comes nearest.
template <class F>
void PutScale(uint16_t half, typename F::Block& block) {
  using Kind = typename formats::ScaleOf<F>::type;
  if constexpr (!Kind::kCoded) {
    formats::SetHalfBits<F>(block, half);
  } else {
    const float want = std::fabs(F16ToF32(half));
    for (uint8_t& byte : block.d.bytes) {
      uint32_t code = 0;
      while (code < Kind::kMaxCode && Kind::Decode(code) < want) ++code;
      byte = static_cast<uint8_t>(code);
    }
  }
}

// Overwrites the scales of rows of any bytes with scale(): finite fp16 or f32.
template <class F, class ScaleOf>
void SetScales(uint8_t* rows, size_t count, size_t cols, size_t stride,
               const ScaleOf& scale) {
  for (size_t r = 0; r < count; ++r) {
    uint8_t* row = rows + r * stride;
    if constexpr (F::kRowHeader == 4) {
      const float d = F16ToF32(scale());
      memcpy(row, &d, sizeof(d));
    } else if constexpr (F::kRowHeader == 2) {
      const uint16_t d = scale();
      memcpy(row, &d, sizeof(d));
    } else {
      auto* blocks = reinterpret_cast<typename F::Block*>(row);
      for (size_t b = 0; b < cols / F::kBlock; ++b) {
        PutScale<F>(scale(), blocks[b]);
        if constexpr (formats::kIsPresent<typename F::MinCodes>) {
          const uint16_t dmin = scale();
          memcpy(blocks[b].dmin.bytes, &dmin, sizeof(dmin));
        }
      }
    }
  }
}

// Random codes and random finite scales of either sign, subnormals included.
template <class F>
void FillRandomRows(uint8_t* rows, size_t count, size_t cols, size_t stride,
                    uint32_t seed) {
  std::mt19937 rng(seed);
  const size_t bytes =
      F::kRowHeader + cols / F::kBlock * sizeof(typename F::Block);
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < bytes; ++i) {
      rows[r * stride + i] = static_cast<uint8_t>(rng());
    }
  }
  SetScales<F>(rows, count, cols, stride, [&rng] {
    const uint16_t half = static_cast<uint16_t>(rng());
    return static_cast<uint16_t>((half & 0x7C00) == 0x7C00 ? half & 0xBFFF
                                                           : half);
  });
}

// The scale code of the multiplier of largest magnitude.
template <class F>
uint8_t LargestScaleCode() {
  int best = 0, code = 0;
  for (int c = 0; c < 256; ++c) {
    typename F::Block block{};
    formats::Store::Put(typename F::ScaleCodes(), block, 0,
                        static_cast<uint32_t>(c));
    const int m = std::abs(formats::Reader<F>::Multiplier(block, 0));
    if (m > best) {
      best = m;
      code = c;
    }
  }
  return static_cast<uint8_t>(code);
}

// One row of the outermost levels of a table at the largest multipliers: the
// lowest level where bit 0 of `pattern` is clear, the highest where it is set,
// both in turns where bit 1 is; shifted where bit 2 is. No byte pattern gives
// all of these: a scale of 0 would hide the products of IQ6_K's lowest level.
template <class F>
void FillOutermostLevels(uint8_t* row, size_t cols, unsigned pattern) {
  constexpr size_t kSubs = F::kBlock / F::kSub;
  constexpr int kTop = formats::TableOf<typename F::Codes>::kCount - 1;
  uint8_t codes[F::kBlock], scales[kSubs], shifts[kSubs];
  for (size_t e = 0; e < F::kBlock; ++e) {
    const bool high = (((pattern & 2) != 0 ? e : 0) + (pattern & 1)) % 2 != 0;
    codes[e] = static_cast<uint8_t>(high ? kTop : 0);
  }
  std::fill_n(shifts, kSubs, static_cast<uint8_t>((pattern >> 2) & 1));
  if constexpr (formats::kIsPresent<typename F::ScaleCodes>) {
    std::fill_n(scales, kSubs, LargestScaleCode<F>());
  }
  BlockNumbers n;
  n.d = F32ToF16(1.0f);
  uint8_t coded[kSubs] = {};
  if constexpr (formats::ScaleOf<F>::type::kCoded) {
    const uint32_t one = formats::ScaleOf<F>::type::AtLeast(1.0f);
    std::fill_n(coded, kSubs, static_cast<uint8_t>(one));
  }
  n.coded = coded;
  n.codes = codes;
  n.scales = scales;
  n.shifts = shifts;
  for (size_t b = 0; b < cols / F::kBlock; ++b) {
    PackBlock<F>(n, row + F::kRowHeader + b * sizeof(typename F::Block));
  }
  SetScales<F>(row, 1, cols, 0, [] { return F32ToF16(1.0f); });
}
inline constexpr unsigned kOutermostPatterns = 8;

// Normal values with a few outliers, as activations have.
inline std::vector<float> RandomActivations(size_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& v : x) v = normal(rng) * (rng() % 64 == 0 ? 30.0f : 1.0f);
  return x;
}

}  // namespace nibble

#endif  // NIBBLE_TESTS_RANDOM_ROWS_H_
