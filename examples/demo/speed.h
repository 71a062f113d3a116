// SPDX-License-Identifier: MIT
// How fast the matrices of a quantized model multiply.
#ifndef NIBBLE_EXAMPLES_DEMO_SPEED_H_
#define NIBBLE_EXAMPLES_DEMO_SPEED_H_

#include <cstddef>
#include <vector>

#include "gguf/thread_pool.h"
#include "nibble/matrix.h"
#include "nibble/status.h"

namespace nibble::gguf {

struct Speed {
  double matvec_gb_per_second = 0;  // packed bytes read
  double matmul_gflops = 0;         // 2 * weights * tokens
};

constexpr size_t kPromptTokens = 512;

// Bytes of weights that matvec cycles through: several times the last-level
// cache, so that it reads memory, as a model of real size would.
size_t MatvecWorkingSet();

// Multiplies `matrices`, all of one quantized type, by random activations that
// are packed beforehand. Every thread takes whole matrices. The best of several
// passes counts: the others measure what else the machine was doing.
Status MeasureSpeed(const std::vector<ConstMatrix>& matrices, ThreadPool& pool,
                    Speed* speed);

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_DEMO_SPEED_H_
