// SPDX-License-Identifier: MIT
// A GGUF model in, a quantized GGUF model out.
#ifndef NIBBLE_EXAMPLES_GGUF_QUANTIZE_MODEL_H_
#define NIBBLE_EXAMPLES_GGUF_QUANTIZE_MODEL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gguf/auto_mix.h"
#include "gguf/gguf_file.h"
#include "gguf/imatrix.h"
#include "gguf/recipe.h"
#include "gguf/row_error.h"
#include "nibble/quantize.h"
#include "nibble/status.h"

namespace nibble::gguf {

// What became of one tensor.
struct TensorReport {
  std::string name;
  std::array<uint64_t, kMaxDims> dims = {1, 1, 1, 1};
  uint32_t from = 0;  // type ids
  uint32_t to = 0;
  uint64_t weights = 0;
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  bool has_importance = false;
  bool quantized = false;  // the library's quantizer made it
  ErrorSums error;         // of quantized tensors
  double seconds = 0;      // inside the quantizer
  std::string note;
};

struct ModelReport {
  std::string input;
  std::string output;  // empty after a dry run
  std::string imatrix;
  std::string recipe;  // its name
  Type type = Type::kF32;
  std::string rules;                   // a rule file that makes the same file
  std::vector<MixDecision> decisions;  // of an automatic mix
  size_t threads = 1;
  std::string target;  // SIMD target of the library
  uint64_t file_bytes_before = 0;
  uint64_t file_bytes_after = 0;
  std::vector<TensorReport> tensors;  // in file order
  std::vector<std::string> warnings;
  double seconds = 0;  // wall time of everything
};

struct Progress {
  size_t tensor = 0;  // index of the tensor in work
  size_t tensors = 0;
  const TensorReport* report = nullptr;  // of that tensor, so far
  bool tensor_done = false;
  uint64_t weights_done = 0;  // quantized so far, in all tensors
  uint64_t weights_total = 0;
  double seconds = 0;  // since the first tensor
};

struct ModelOptions {
  std::string input;
  std::string output;   // must not be the input; not used in a dry run
  std::string imatrix;  // a path; empty for none
  Recipe recipe;
  MixOptions mix;  // with a goal, the recipe is only where the choice begins
  Search search = Search::kDefault;
  WeightRule weights = WeightRule::kImportanceMagnitude;
  size_t threads = 0;  // 0: one per hardware thread
  bool dry_run = false;

  // Called once, when the plan and its warnings are known and nothing is
  // written yet.
  std::function<void(const ModelReport&)> planned;
  // One line about what an automatic mix is at.
  std::function<void(const std::string&)> log;
  // Called from the calling thread every few million weights.
  std::function<void(const Progress&)> progress;
  // Set from elsewhere (a signal handler) to stop with a Status soon.
  const std::atomic<bool>* cancel = nullptr;
};

// Reads, checks, quantizes and writes one model. Either the whole output is
// there in the end or nothing of it is; what stood at `output` before is
// replaced only by a complete file. Memory: a few tens of MB beside the mapped
// input, whatever the size of the model.
//
// The output keeps order, alignment and all metadata, except that
// general.file_type and general.quantization_version are set and, with an
// imatrix, the quantize.imatrix.* keys.
//
// Errors are one line that names the file, the tensor or the row at fault.
Status QuantizeModel(const ModelOptions& options, ModelReport* report);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_QUANTIZE_MODEL_H_
