// SPDX-License-Identifier: MIT
// A mixture-of-experts layer: each token goes through the two experts its
// router chose. gate and up share one packing; results in between lie by entry,
// which is the order that down is computed in.
#include <cmath>
#include <cstdio>
#include <vector>

#include "nibble/nibble.h"

namespace {

using nibble::FloatMatrix;
using nibble::Status;
using nibble::Type;

constexpr Type kType = Type::kQ4_K;
constexpr size_t kExperts = 8, kUsed = 2, kTokens = 24;
constexpr size_t kCols = 256, kHidden = 512;

// The memory of packed activations starts at a multiple of 64 bytes.
struct alignas(64) Line {
  uint8_t bytes[64];
};

// Quantized matrices of all experts, one after the other.
struct Experts {
  size_t rows, cols;
  std::vector<uint8_t> bytes;

  Experts(size_t rows_in, size_t cols_in)
      : rows(rows_in),
        cols(cols_in),
        bytes(kExperts * rows * nibble::RowBytes(kType, cols)) {}

  Status Fill(float seed) {
    std::vector<float> floats(kExperts * rows * cols);
    for (size_t i = 0; i < floats.size(); ++i) {
      floats[i] = 0.1f * std::sin(seed * static_cast<float>(i));
    }
    return nibble::Quantize(
        FloatMatrix(floats.data(), kExperts * rows, cols),
        nibble::MutableMatrix(kType, bytes.data(), kExperts * rows, cols));
  }
  nibble::ExpertWeights View() const {
    return {nibble::ConstMatrix(kType, bytes.data(), rows, cols), kExperts};
  }
};

Status Pack(const std::vector<float>& x, size_t cols,
            const nibble::Routing& routing, std::vector<Line>* memory,
            nibble::PackedExpertActivations* packed) {
  memory->resize(nibble::PackedExpertActivationBytes(kType, kExperts,
                                                     routing.entries(), cols) /
                 64);
  return nibble::PackExpertActivations(
      kType, FloatMatrix(x.data(), x.size() / cols, cols), routing,
      memory->data(), packed);
}

// y[t] = sum_k weights[t][k] * down(silu(gate(x[t])) * up(x[t])), by expert
// ids[t][k].
Status Layer(const Experts& gate, const Experts& up, const Experts& down,
             const std::vector<int32_t>& ids, const std::vector<float>& weights,
             const std::vector<float>& x, std::vector<float>* y) {
  std::vector<uint32_t> routing_memory(
      nibble::RoutingBytes(kExperts, kTokens, kUsed) / sizeof(uint32_t));
  nibble::TokenRouting routing;
  NIBBLE_RETURN_IF_ERROR(nibble::RouteTokens(
      {ids.data(), kTokens, kUsed}, kExperts, routing_memory.data(), &routing));

  std::vector<Line> memory;
  nibble::PackedExpertActivations packed;
  NIBBLE_RETURN_IF_ERROR(
      Pack(x, kCols, routing.TokensToEntries(), &memory, &packed));
  const size_t slots = kTokens * kUsed;
  std::vector<float> g(slots * kHidden), u(slots * kHidden);
  NIBBLE_RETURN_IF_ERROR(nibble::MatmulExperts(
      gate.View(), packed, FloatMatrix(g.data(), slots, kHidden)));
  NIBBLE_RETURN_IF_ERROR(nibble::MatmulExperts(
      up.View(), packed, FloatMatrix(u.data(), slots, kHidden)));
  for (size_t i = 0; i < g.size(); ++i) g[i] *= u[i] / (1 + std::exp(-g[i]));

  NIBBLE_RETURN_IF_ERROR(
      Pack(g, kHidden, routing.EntriesToSlots(), &memory, &packed));
  std::vector<float> d(slots * kCols);
  NIBBLE_RETURN_IF_ERROR(nibble::MatmulExperts(
      down.View(), packed, FloatMatrix(d.data(), slots, kCols)));
  for (size_t i = 0; i < d.size(); ++i) {
    const size_t slot = i / kCols;
    (*y)[slot / kUsed * kCols + i % kCols] += weights[slot] * d[i];
  }
  return nibble::OkStatus();
}

Status Run(std::vector<float>* y) {
  Experts gate(kHidden, kCols), up(kHidden, kCols), down(kCols, kHidden);
  NIBBLE_RETURN_IF_ERROR(gate.Fill(1.1f));
  NIBBLE_RETURN_IF_ERROR(up.Fill(1.3f));
  NIBBLE_RETURN_IF_ERROR(down.Fill(1.7f));
  std::vector<float> x(kTokens * kCols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<float>(i));
  // Nobody wants the last expert, and one choice was dropped: its result stays
  // 0 here, and so does its weight.
  std::vector<int32_t> ids(kTokens * kUsed);
  std::vector<float> weights(kTokens * kUsed, 0.5f);
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<int32_t>(i * i % (kExperts - 1));
  }
  ids[5] = -1;
  weights[5] = 0;
  return Layer(gate, up, down, ids, weights, x, y);
}

}  // namespace

int main() {
  std::vector<float> y(kTokens * kCols);
  const Status status = Run(&y);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 1;
  }
  double sum = 0;
  for (const float v : y) sum += std::fabs(v);
  std::printf("%zu tokens through %zu of %zu experts: mean |y| %.4f\n", kTokens,
              kUsed, kExperts, sum / static_cast<double>(y.size()));
  return std::isfinite(sum) && sum > 0 ? 0 : 1;
}
