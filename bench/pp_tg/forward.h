// SPDX-License-Identifier: MIT
// The weight matmuls of forward passes.
#ifndef NIBBLE_BENCH_PP_TG_FORWARD_H_
#define NIBBLE_BENCH_PP_TG_FORWARD_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "bench/page_buffer.h"
#include "bench/pp_tg/experts.h"
#include "bench/pp_tg/model.h"
#include "nibble/activations.h"
#include "nibble/matmul.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"

namespace nibble::pp_tg {

// The matrices of the first layers and the head, each in memory of its own, so
// that generating tokens reads from memory what a real model would.
class Weights {
 public:
  struct Placed {
    ConstMatrix matrix;  // of the first expert
    const Matrix* from;
  };

  // Of the memory that so many layers take.
  static size_t Bytes(const Model& model, size_t layers);

  // Fills `memory`, Bytes() of it, which must stay as the model must. All
  // matrices have a type.
  Weights(const Model& model, size_t layers, uint8_t* memory);

  const std::vector<std::vector<Placed>>& layers() const { return layers_; }
  const Placed& head() const { return head_; }

 private:
  std::vector<std::vector<Placed>> layers_;
  Placed head_;
};

// What a forward pass needs besides weights, and its products. Results
// overwrite each other: nobody reads them.
class Forward {
 public:
  // About how many bytes one for up to so many tokens takes.
  static size_t Bytes(const Model& model, size_t tokens, size_t threads);

  // `parallel` may be null: this thread alone. Weights and threads must stay.
  Forward(const Model& model, const Weights& weights, size_t tokens,
          const ParallelFor* parallel);

  // All products of the layers with `tokens` tokens. Activations are packed
  // once for the matrices that share them.
  void Layers(size_t tokens);
  // That of the head with one token.
  void Head();

  // Compares the products of the first layer with the decoded weights.
  // Throws std::runtime_error.
  void Check(size_t tokens);

 private:
  // Packed activations in one layout, and what multiplying them takes.
  struct Input {
    Input(ActivationLayout layout, size_t packed_bytes, size_t scratch_bytes);

    ActivationLayout layout;
    PageBuffer memory, scratch;
    size_t scratch_bytes;
    PackedActivations packed;
    bool current = false;  // what the matrices at hand multiply
  };

  Input& InputIn(ActivationLayout layout);
  void Multiply(const ConstMatrix& matrix, size_t tokens);
  // `check` after each product.
  void Run(const std::vector<Weights::Placed>& layer, size_t tokens,
           bool check = false);

  const Weights& weights_;
  const ParallelFor* parallel_;
  size_t tokens_, cols_, rows_;  // the largest
  std::vector<float> x_, y_;
  std::list<Input> inputs_;
  Experts experts_;
};

}  // namespace nibble::pp_tg

#endif  // NIBBLE_BENCH_PP_TG_FORWARD_H_
