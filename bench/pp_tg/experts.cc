// SPDX-License-Identifier: MIT
#include "bench/pp_tg/experts.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "bench/product.h"
#include "bench/require.h"

namespace nibble::pp_tg {

// Draws without putting back: a token's experts differ.
void Experts::Route(const Matrix& from, size_t tokens) {
  order_.resize(from.experts);
  std::iota(order_.begin(), order_.end(), 0);
  choices_.clear();
  for (size_t t = 0; t < tokens; ++t) {
    for (size_t k = 0; k < from.used; ++k) {
      std::swap(order_[k], order_[k + random_() % (from.experts - k)]);
      choices_.push_back(order_[k]);
    }
  }
  const size_t bytes = RoutingBytes(from.experts, tokens, from.used);
  Require(RouteTokens({choices_.data(), tokens, from.used}, from.experts,
                      routing_memory_.AtLeast(bytes), &routing_));
  routed_ = true;
}

void Experts::Multiply(const Matrix& from, const ConstMatrix& first,
                       const float* x, size_t tokens, float* y) {
  if (!routed_) Route(from, tokens);
  const size_t choices = tokens * from.used;
  if (packed_.type != first.type) {
    const size_t vectors = from.by_choice ? choices : tokens;
    const size_t bytes = PackedExpertActivationBytes(first.type, from.experts,
                                                     choices, from.cols);
    PackExpertOptions options;
    options.parallel = parallel_;
    Require(PackExpertActivations(
        first.type, FloatMatrix(x, vectors, from.cols), RoutingOf(from),
        packed_memory_.AtLeast(bytes), &packed_, options));
  }
  MatmulOptions options;
  options.parallel = parallel_;
  options.scratch_bytes =
      MatmulExpertsScratchBytes(first.type, from.rows, from.cols, choices) *
      (parallel_ != nullptr ? parallel_->threads : 1);
  options.scratch = scratch_.AtLeast(options.scratch_bytes);
  Require(MatmulExperts(ExpertWeights(first, from.experts), packed_,
                        FloatMatrix(y, choices, from.rows), options));
}

bool Experts::IsRight(const Matrix& from, const ConstMatrix& first,
                      const float* x, const float* y) const {
  const Routing routing = RoutingOf(from);
  size_t expert = 0;  // the first that somebody goes to, with entry 0
  while (routing.begin[expert + 1] == 0) ++expert;
  x += (routing.x_rows != nullptr ? routing.x_rows[0] : 0) * from.cols;
  y += (routing.y_rows != nullptr ? routing.y_rows[0] : 0) * from.rows;
  return IsProduct(ExpertWeights(first, from.experts).Expert(expert),
                   std::vector<float>(x, x + from.cols),
                   std::vector<float>(y, y + from.rows), 1);
}

}  // namespace nibble::pp_tg
