// SPDX-License-Identifier: MIT
// The weight matrices of a language model: which there are, in which type.
#ifndef NIBBLE_BENCH_PP_TG_MODEL_H_
#define NIBBLE_BENCH_PP_TG_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nibble/type.h"

namespace nibble::pp_tg {

// A matrix that multiplies activations.
struct Matrix {
  std::string name;  // "blk.0.attn_q.weight"
  size_t rows = 0;   // of one expert
  size_t cols = 0;
  // What it multiplies: neighbours in a layer with the same number share it.
  size_t input = 0;
  std::optional<Type> type;   // none: not quantized, or not decided yet
  uint64_t stored_bytes = 0;  // in its file, of one without a type

  size_t experts = 1;      // matrices one behind the other
  size_t used = 1;         // of which a token has so many
  bool by_choice = false;  // each of them for a vector of its own

  uint64_t weights() const { return uint64_t{experts} * rows * cols; }
  uint64_t bytes() const {
    return type ? experts * rows * RowBytes(*type, cols) : stored_bytes;
  }
  // Of all weights, those that so many tokens need: all without experts; with
  // them, what is expected if every token chooses at random.
  double Needed(size_t tokens) const;
};

struct Model {
  std::string name;
  uint64_t parameters = 0;  // all, norms, biases and routers included
  std::vector<std::vector<Matrix>> layers;  // in the order of a forward pass
  Matrix head;
  std::optional<Matrix> embedding;  // looked up; none: the head is used
  uint64_t other_bytes = 0;         // norms, biases, routers

  // Bytes of all weights, as a file has them.
  uint64_t Bytes() const;
  // Per token, of all layers.
  double UsedWeights() const;
  // What the layers read for so many tokens at once.
  double NeededBytes(size_t tokens) const;
  // Of the first `count` layers.
  uint64_t LayerWeights(size_t count) const;
  uint64_t LayerBytes(size_t count) const;
  // The types of the layers, "+" between them, most weights first: "iq2_ks", or
  // "q4_K+q6_K".
  std::string LayerTypes() const;
  // Bits per weight of the layers.
  double LayerBits() const;
};

// The names FindModel knows, separated by "|".
std::string ModelNames();

// A model of models.def, without types. Throws std::invalid_argument.
Model FindModel(const std::string& name);

// The shapes of a GGUF file, and the types of those of its matrices that this
// build multiplies with. Throws std::runtime_error with one line that names the
// file and the tensor: of an architecture with matrices other than those of
// attention, feed-forward networks and experts nothing is left out silently.
Model ReadModel(const std::string& path);

// The model with these types: `main` in the layers and the embedding, `head` in
// the head, and where the rows of a matrix do not fit the blocks of its type,
// the customary substitute (FallbackType). Throws std::invalid_argument if
// there is no quantized one.
Model WithTypes(Model model, Type main, Type head);

// Throws std::invalid_argument naming the first matrix without a type.
void RequireTypes(const Model& model);

}  // namespace nibble::pp_tg

#endif  // NIBBLE_BENCH_PP_TG_MODEL_H_
