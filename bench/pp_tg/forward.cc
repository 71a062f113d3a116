// SPDX-License-Identifier: MIT
#include "bench/pp_tg/forward.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "bench/product.h"
#include "bench/repeated_rows.h"
#include "bench/require.h"

namespace nibble::pp_tg {
namespace {

// Matrices begin where those of a file would: no alignment of theirs helps.
constexpr size_t kAlignment = 32;

size_t Aligned(uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// The largest dimensions of the layers and the head.
struct Extent {
  size_t cols;                 // of any matrix
  size_t layer_rows = 0;       // of a matrix that multiplies all tokens
  size_t inputs, results = 0;  // floats of one token: the most of any matrix
  size_t head_rows;

  explicit Extent(const Model& model)
      : cols(model.head.cols), inputs(cols), head_rows(model.head.rows) {
    for (const auto& layer : model.layers) {
      for (const Matrix& matrix : layer) {
        const size_t vectors = matrix.by_choice ? matrix.used : 1;
        cols = std::max(cols, matrix.cols);
        layer_rows = std::max(layer_rows, matrix.rows);
        inputs = std::max(inputs, vectors * matrix.cols);
        results = std::max(results, matrix.used * matrix.rows);
      }
    }
  }
  size_t Results(size_t tokens) const {
    return std::max(tokens * results, head_rows);
  }
};

}  // namespace

size_t Weights::Bytes(const Model& model, size_t layers) {
  size_t bytes = Aligned(model.head.bytes());
  for (size_t l = 0; l < layers; ++l) {
    for (const Matrix& matrix : model.layers[l]) {
      bytes += Aligned(matrix.bytes());
    }
  }
  return bytes;
}

Weights::Weights(const Model& model, size_t layers, uint8_t* memory) {
  std::map<std::pair<Type, size_t>, RepeatedRows> rows;
  const auto place = [&](const Matrix& from) {
    const auto key = std::make_pair(*from.type, from.cols);
    rows.try_emplace(key, *from.type, from.cols)
        .first->second.Fill(memory, from.experts * from.rows);
    const ConstMatrix matrix(*from.type, memory, from.rows, from.cols);
    memory += Aligned(from.bytes());
    return Placed{matrix, &from};
  };
  for (size_t l = 0; l < layers; ++l) {
    layers_.emplace_back();
    for (const Matrix& matrix : model.layers[l]) {
      layers_.back().push_back(place(matrix));
    }
  }
  head_ = place(model.head);
}

size_t Forward::Bytes(const Model& model, size_t tokens, size_t threads) {
  const Extent extent(model);
  // Floats and packed activations of at most two layouts, which take less.
  const size_t inputs = 3 * tokens * extent.inputs * sizeof(float);
  const size_t scratch =
      MatmulScratchBytes(ChooseActivationLayout(*model.head.type, tokens),
                         extent.layer_rows, extent.cols, tokens);
  return inputs + extent.Results(tokens) * sizeof(float) + threads * scratch;
}

Forward::Input::Input(ActivationLayout layout_in, size_t packed_bytes,
                      size_t scratch_bytes_in)
    : layout(layout_in),
      memory(packed_bytes),
      scratch(scratch_bytes_in),
      scratch_bytes(scratch_bytes_in) {}

Forward::Forward(const Model& model, const Weights& weights, size_t tokens,
                 const ParallelFor* parallel)
    : weights_(weights),
      parallel_(parallel),
      tokens_(tokens),
      experts_(parallel) {
  const Extent extent(model);
  cols_ = extent.cols;
  rows_ = extent.layer_rows;
  x_ = NormalFloats(tokens * extent.inputs);
  y_.resize(extent.Results(tokens));
}

// That of the layout; made when it is first wanted, which is before anything is
// timed.
Forward::Input& Forward::InputIn(ActivationLayout layout) {
  for (Input& input : inputs_) {
    if (input.layout == layout) return input;
  }
  const size_t threads = parallel_ != nullptr ? parallel_->threads : 1;
  return inputs_.emplace_back(
      layout, PackedActivationBytes(layout, tokens_, cols_),
      threads * MatmulScratchBytes(layout, rows_, cols_, tokens_));
}

void Forward::Multiply(const ConstMatrix& matrix, size_t tokens) {
  Input& input = InputIn(ChooseActivationLayout(matrix.type, tokens));
  if (!input.current) {
    Require(PackActivations(input.layout,
                            FloatMatrix(x_.data(), tokens, matrix.cols),
                            input.memory.data(), &input.packed));
    input.current = true;
  }
  MatmulOptions options;
  options.parallel = parallel_;
  options.scratch = input.scratch.data();
  options.scratch_bytes = input.scratch_bytes;
  Require(Matmul(matrix, input.packed,
                 FloatMatrix(y_.data(), tokens, matrix.rows), options));
}

void Forward::Run(const std::vector<Weights::Placed>& layer, size_t tokens,
                  bool check) {
  experts_.NextLayer();
  for (size_t i = 0; i < layer.size(); ++i) {
    const auto& [matrix, from] = layer[i];
    if (i == 0 || from->input != layer[i - 1].from->input) {
      for (Input& input : inputs_) input.current = false;
      experts_.NextInput();
    }
    if (from->experts == 1) {
      Multiply(matrix, tokens);
    } else {
      experts_.Multiply(*from, matrix, x_.data(), tokens, y_.data());
    }
    if (!check) continue;
    const bool right =
        from->experts == 1
            ? IsProduct(matrix, x_, y_, tokens)
            : experts_.IsRight(*from, matrix, x_.data(), y_.data());
    if (!right) throw std::runtime_error("wrong product with " + from->name);
  }
}

void Forward::Layers(size_t tokens) {
  for (const auto& layer : weights_.layers()) Run(layer, tokens);
}

void Forward::Head() { Run({weights_.head()}, 1); }

void Forward::Check(size_t tokens) {
  Run(weights_.layers().front(), tokens, true);
}

}  // namespace nibble::pp_tg
