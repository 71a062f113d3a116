// SPDX-License-Identifier: MIT
// The products of a layer with experts.
#ifndef NIBBLE_BENCH_PP_TG_EXPERTS_H_
#define NIBBLE_BENCH_PP_TG_EXPERTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "bench/page_buffer.h"
#include "bench/pp_tg/model.h"
#include "nibble/experts.h"

namespace nibble::pp_tg {

// Memory that grows when it is first needed, which is before anything is timed.
class GrowingBuffer {
 public:
  uint8_t* AtLeast(size_t bytes) {
    if (bytes > bytes_) {
      buffer_ = std::make_unique<PageBuffer>(bytes);
      bytes_ = bytes;
    }
    return bytes_ == 0 ? nullptr : buffer_->data();
  }

 private:
  std::unique_ptr<PageBuffer> buffer_;
  size_t bytes_ = 0;
};

// Tokens choose their experts at random, others in every layer.
class Experts {
 public:
  // `parallel` may be null: this thread alone.
  explicit Experts(const ParallelFor* parallel) : parallel_(parallel) {}

  void NextLayer() { routed_ = false; }
  void NextInput() { packed_.type = Type::kF32; }

  // y = the products of x with the experts that `tokens` tokens chose. x: a
  // vector per token, or per choice if the matrix wants that; y: one per
  // choice. `first` is the matrix of the first expert, the others lie behind
  // it.
  void Multiply(const Matrix& from, const ConstMatrix& first, const float* x,
                size_t tokens, float* y);

  // Is y what Multiply must have given? Looks at one choice.
  bool IsRight(const Matrix& from, const ConstMatrix& first, const float* x,
               const float* y) const;

 private:
  void Route(const Matrix& from, size_t tokens);
  Routing RoutingOf(const Matrix& from) const {
    return from.by_choice ? routing_.EntriesToSlots()
                          : routing_.TokensToEntries();
  }

  const ParallelFor* parallel_;
  std::mt19937 random_{7};
  std::vector<int32_t> order_, choices_;
  GrowingBuffer routing_memory_, packed_memory_, scratch_;
  TokenRouting routing_;
  bool routed_ = false;
  PackedExpertActivations packed_;  // of type F32: none
};

}  // namespace nibble::pp_tg

#endif  // NIBBLE_BENCH_PP_TG_EXPERTS_H_
