// SPDX-License-Identifier: MIT
// Experts: a matmul in which every row of activations has its own matrix, one
// of many (mixture of experts).
//
//   RouteTokens            a router's choice -> who goes where, by expert
//   PackExpertActivations  rows of x, packed by expert: once for gate and up
//   MatmulExperts          y row = weights of its expert * x row
//
// Experts that nobody goes to cost nothing: their weights are never touched.
#ifndef NIBBLE_EXPERTS_H_
#define NIBBLE_EXPERTS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/export.h"
#include "nibble/matmul.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/status.h"

namespace nibble {

// Who goes where. Expert e has the entries i of [begin[e], begin[e + 1]): row
// x_rows[i] of the activations times its weights becomes row y_rows[i] of the
// results. Without x_rows or y_rows, entry i takes row i. x rows may repeat,
// y rows must not. The arrays belong to the caller and must outlive the view.
struct Routing {
  size_t experts = 0;
  const uint32_t* begin = nullptr;   // [experts + 1], from 0 on, not descending
  const uint32_t* x_rows = nullptr;  // [entries()], or null
  const uint32_t* y_rows = nullptr;  // [entries()], or null

  size_t entries() const noexcept { return begin[experts]; }
};

// ---- From a router's choice.

// Token t wants expert ids[t * stride + k], k < used. A negative id is a
// dropped choice: nothing is computed for it.
struct ExpertIds {
  const int32_t* ids = nullptr;
  size_t tokens = 0;
  size_t used = 0;    // choices per token
  size_t stride = 0;  // in elements, from token to token; 0 means `used`
};

// Every choice that was not dropped as an entry, sorted by expert and, for one
// expert, by slot: slot t * used + k is the k-th choice of token t.
//
// gate and up take a row per token, down takes what they gave, and its results
// lie where the router's weights for them do. In between, results may lie by
// slot, or closer together by entry, which is the order down is computed in.
struct TokenRouting {
  size_t experts = 0;
  const uint32_t* begin = nullptr;   // [experts + 1]
  const uint32_t* tokens = nullptr;  // of an entry
  const uint32_t* slots = nullptr;   // of an entry

  // X rows to y rows.
  Routing TokensToSlots() const noexcept {
    return {experts, begin, tokens, slots};
  }
  Routing TokensToEntries() const noexcept {
    return {experts, begin, tokens, nullptr};
  }
  Routing SlotsToSlots() const noexcept {
    return {experts, begin, slots, slots};
  }
  Routing EntriesToSlots() const noexcept {
    return {experts, begin, nullptr, slots};
  }
};

// Bytes RouteTokens writes. 0 if a size is 0 or there are more than 2^32 - 1
// slots.
NIBBLE_API size_t RoutingBytes(size_t experts, size_t tokens,
                               size_t used) noexcept;

// Sorts a router's choice into `memory` (RoutingBytes, aligned to 4) and
// returns the view in `routing`. Time: tokens * used + experts steps, on this
// thread; no allocation. Errors: sizes, alignment, an id of `experts` or more
// (named by token and choice; `routing` is then untouched).
NIBBLE_API Status RouteTokens(const ExpertIds& ids, size_t experts,
                              void* memory, TokenRouting* routing) noexcept;

// ---- Activations.

// A view of packed activations; `data` belongs to the caller, and so do the
// arrays of the routing they were packed for.
struct PackedExpertActivations {
  Routing routing;
  Type type = Type::kF32;  // of the weights they were packed for
  const uint8_t* data = nullptr;
  size_t cols = 0;
  int64_t target = 0;  // they were packed under; private
};

struct PackExpertOptions {
  Share share;                            // entries this call packs
  const ParallelFor* parallel = nullptr;  // or let the call use these threads
};

// Bytes that hold the packed activations of any routing of so many entries to
// so many experts. 0 if a size is 0 or overflows.
NIBBLE_API size_t PackedExpertActivationBytes(Type type, size_t experts,
                                              size_t entries,
                                              size_t cols) noexcept;

// Packs the rows of x (F32, F16 or BF16) that the routing names into `out`
// (PackedExpertActivationBytes, aligned to 64): the rows of an expert together,
// in the layout ChooseActivationLayout gives for their number and weights of
// `type`. Returns the view in `packed`.
//
// The view is good for all weights of `type`, and of types that share its
// layout for one token. With a share, every part makes this call; all must have
// returned before the first MatmulExperts. Exactness as of PackActivations.
// Errors: types, sizes, alignment, rows that x does not have, a NaN or infinite
// activation in the rows of this share (the first in order of the entries,
// named by row of x and column; `packed` is then untouched).
NIBBLE_API Status
PackExpertActivations(Type type, const ConstMatrix& x, const Routing& routing,
                      void* out, PackedExpertActivations* packed,
                      const PackExpertOptions& options = {}) noexcept;

// ---- Products.

// The matrices of all experts: that of expert e is first.rows x first.cols at
// first.data + e * expert_stride_bytes.
struct ExpertWeights {
  ConstMatrix first;
  size_t experts = 0;
  size_t expert_stride_bytes = 0;

  ExpertWeights() = default;
  // Stride 0: one right behind the other, as GGUF files stack them. Where gate
  // and up share a tensor, each is a view of half the rows at a stride of both.
  ExpertWeights(const ConstMatrix& first_in, size_t experts_in,
                size_t expert_stride_bytes_in = 0) noexcept
      : first(first_in),
        experts(experts_in),
        expert_stride_bytes(expert_stride_bytes_in != 0
                                ? expert_stride_bytes_in
                                : first_in.rows * first_in.stride_bytes) {}

  ConstMatrix Expert(size_t e) const noexcept {
    return ConstMatrix(first.type, first.data + e * expert_stride_bytes,
                       first.rows, first.cols, first.stride_bytes);
  }
};

// Scratch bytes one thread needs if no expert has more than `entries` entries;
// those of the whole routing are always enough. 0: none.
NIBBLE_API size_t MatmulExpertsScratchBytes(Type type, size_t rows, size_t cols,
                                            size_t entries) noexcept;

// y[y_rows[i]][r] = sum_c W[e][r][c] * x[x_rows[i]][c] for every entry i of
// every expert e and every row r. Rows of y without an entry are not written.
//
// weights: quantized, as many experts as the routing has. x: packed for their
// type and under the target in use. y: F32, first.rows columns.
// The results are bit for bit those of Matmul with each expert's rows alone,
// from plain activations. options as of Matmul, with scratch from
// MatmulExpertsScratchBytes; the share is one of the work, rows times entries,
// so experts with many tokens go to many parts. Results do not depend on the
// split. Errors: sizes, pointers, types and layouts that do not fit, a y row
// that does not exist or is named twice. Each part checks the whole routing:
// about a nanosecond per expert and entry.
NIBBLE_API Status MatmulExperts(const ExpertWeights& weights,
                                const PackedExpertActivations& x,
                                const MutableMatrix& y,
                                const MatmulOptions& options = {}) noexcept;

}  // namespace nibble

#endif  // NIBBLE_EXPERTS_H_
