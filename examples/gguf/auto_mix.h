// SPDX-License-Identifier: MIT
// The automatic mix: the recipe that measurement would write.
#ifndef NIBBLE_EXAMPLES_GGUF_AUTO_MIX_H_
#define NIBBLE_EXAMPLES_GGUF_AUTO_MIX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/imatrix.h"
#include "gguf/quantize_tensor.h"
#include "gguf/recipe.h"
#include "gguf/row_error.h"
#include "nibble/status.h"

namespace nibble::gguf {

struct MixGoal {
  enum class Kind {
    kNone,
    kBits,   // at most so many bits per weight, all tensors of the file counted
    kBytes,  // a file of at most so many bytes
    kError,  // at most this weighted relative error, by the objective
  };
  Kind kind = Kind::kNone;
  double value = 0;
};

// What was measured, by tensor, type and number of rows, for further goals with
// the same model, imatrix and search.
using MixCache =
    std::map<std::tuple<std::string, uint32_t, uint64_t>, TensorResult>;

enum class MixObjective {
  kTotal,     // the error of everything over the energy of everything
  kRelative,  // every weight counts the same: the mean over weights of the
              // relative squared error of their tensor
};

struct MixOptions {
  MixGoal goal;
  MixObjective objective = MixObjective::kTotal;
  // Comma-separated regular expressions of type names, in any case; one that
  // starts with - takes types away. Empty: all but types for ternary models.
  std::string candidates;
  // Whether the recipe is a skeleton that somebody asked for; else its main
  // type is that of the best pure file that meets the goal.
  bool has_skeleton = true;
  // How many sizes above or below the skeleton's a type may be.
  std::optional<size_t> steps;
  MixCache* cache = nullptr;
};

// What became of one tensor, and why.
struct MixDecision {
  std::string tensor;
  uint32_t skeleton = 0;  // type ids
  uint32_t chosen = 0;
  uint64_t weights = 0;
  uint64_t bytes = 0;
  bool measured = false;  // false: not up to the mix
  ErrorSums error;        // scaled by the objective
};

// What the choice needs to know of the run.
struct MixContext {
  const Contents& model;
  const Imatrix& imatrix;
  TensorQuantizer& quantizer;
  // The bytes of the file that such plans make.
  std::function<uint64_t(const std::vector<TensorPlan>&)> file_bytes;
  std::function<void(const std::string&)> log;  // one line; may be null
  const std::atomic<bool>* cancel = nullptr;
};

struct Mix {
  std::vector<TensorPlan> plans;       // of all tensors, in file order
  std::vector<MixDecision> decisions;  // of those that change, in file order
};

// Chooses the types that meet the goal with the least weighted error (or, for
// kError, the fewest bytes). docs/recipes.md says how. Left to `recipe` are
// tensors that a rule or an option names, and those without importance data
// where others have it (without an imatrix: token embedding and output), whose
// errors do not compare.
//
// kInvalidArgument if the goal cannot be met; the message says what can.
Status ChooseMix(const MixContext& context, const MixOptions& options,
                 const Recipe& recipe, Mix* mix);

// One line per decision and a summary.
std::string DecisionTable(const std::vector<MixDecision>& decisions);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_AUTO_MIX_H_
