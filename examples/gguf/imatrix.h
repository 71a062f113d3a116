// SPDX-License-Identifier: MIT
// Importance matrices: how much each input column of a tensor matters.
#ifndef NIBBLE_EXAMPLES_GGUF_IMATRIX_H_
#define NIBBLE_EXAMPLES_GGUF_IMATRIX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "gguf/gguf_file.h"
#include "nibble/status.h"

namespace nibble::gguf {

// The importance of one tensor: the mean of the squared inputs of each column,
// for each of its matrices (experts).
struct Importance {
  size_t matrices = 1;
  std::vector<float> values;   // matrices x columns
  std::vector<bool> has_data;  // per matrix: false for an expert never used

  size_t cols() const { return values.size() / matrices; }
  // The values of one matrix, or null where there is no data.
  const float* Of(size_t matrix) const {
    return has_data[matrix] ? values.data() + matrix * cols() : nullptr;
  }
};

struct Imatrix {
  std::string path;
  std::string dataset;
  uint32_t chunks = 0;
  std::vector<std::string> names;  // in file order
  std::unordered_map<std::string, Importance> entries;

  // Null if there is no entry.
  const Importance* Find(const std::string& name) const;
};

// Reads either format, told apart by their first bytes: GGUF (NAME.in_sum2 and
// NAME.counts) and the legacy .dat. Errors: truncated or hostile files, values
// that are negative or not finite.
//
// The legacy format does not say how many matrices a tensor has; its entries
// come out as one matrix until CheckImatrix has seen the model.
Status LoadImatrix(const std::string& path, Imatrix* imatrix);
Status ParseImatrix(const std::string& path, const uint8_t* data, size_t size,
                    Imatrix* imatrix);

// Refuses the imatrix of another model, and gives every entry the number of
// matrices its tensor has. An entry whose length is not the tensor's columns x
// matrices is an error; so is an imatrix that names less than half of what the
// model has, or the other way round. Single missing entries are legal: a tensor
// without one is quantized with equal importance.
Status CheckImatrix(const Contents& model, const std::string& model_path,
                    Imatrix* imatrix);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_IMATRIX_H_
