// SPDX-License-Identifier: MIT
// What a routing means for packed activations and for the work per expert.
#ifndef NIBBLE_SRC_ROUTING_H_
#define NIBBLE_SRC_ROUTING_H_

#include <cstddef>
#include <cstdint>

#include "nibble/activations.h"
#include "nibble/experts.h"

namespace nibble {

// Usable arrays: begin ascends from 0; the x rows exist among x_rows.
Status CheckRouting(const Routing& routing) noexcept;
Status CheckXRows(const Routing& routing, size_t x_rows) noexcept;
// The y rows exist among y_rows, each at most once.
Status CheckYRows(const Routing& routing, size_t y_rows) noexcept;

// The entries of one expert among the packed activations.
struct Segment {
  size_t expert = 0;
  size_t first = 0;  // entry
  size_t count = 0;
  ActivationLayout layout;
  size_t offset = 0;      // of the packed bytes
  bool repeated = false;  // an earlier segment has packed them
};

// The segments of all experts that have entries, in order. Packing and
// multiplying both walk them: nothing about them is stored.
//
// When few tokens choose their experts, most experts have one row and the same
// row goes to several: 8 at a time while generating. The row is then packed
// once.
class Segments {
 public:
  Segments(const Routing& routing, Type type, size_t cols) noexcept
      : routing_(routing), type_(type), cols_(cols) {}

  // False behind the last one.
  bool Next(Segment* segment) noexcept;

 private:
  // Rows last packed alone, by the low bits of their number.
  static constexpr size_t kRecent = 64;
  struct Recent {
    size_t row_plus_1;
    size_t offset;
  };

  void Place(Segment* segment) noexcept;

  const Routing& routing_;
  const Type type_;
  const size_t cols_;
  size_t expert_ = 0;
  size_t end_ = 0;  // of the packed bytes so far
  Recent recent_[kRecent] = {};
};

}  // namespace nibble

#endif  // NIBBLE_SRC_ROUTING_H_
