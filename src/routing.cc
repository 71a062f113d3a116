// SPDX-License-Identifier: MIT
#include "src/routing.h"

#include <algorithm>
#include <bitset>

#include "src/check.h"

namespace nibble {
namespace {

size_t XRow(const Routing& routing, size_t entry) noexcept {
  return routing.x_rows != nullptr ? routing.x_rows[entry] : entry;
}

// Every row below `rows`, or the first that is not. Null: the entries
// themselves.
Status CheckRows(const char* name, const Routing& routing,
                 const uint32_t* rows_of, size_t rows) noexcept {
  const size_t entries = routing.entries();
  if (rows_of == nullptr) {
    if (entries <= rows) return OkStatus();
    return InvalidArgument("routing: %zu entries, but %zu rows of %s", entries,
                           rows, name);
  }
  for (size_t i = 0; i < entries; ++i) {
    if (rows_of[i] >= rows) {
      return InvalidArgument("routing entry %zu: row %u of the %zu of %s", i,
                             rows_of[i], rows, name);
    }
  }
  return OkStatus();
}

// ---- Sorting.

Status CheckIds(const ExpertIds& ids, size_t experts) noexcept {
  if (ids.ids == nullptr) return InvalidArgument("ids: data is null");
  if (RoutingBytes(experts, ids.tokens, ids.used) == 0) {
    return InvalidArgument("ids: %zu tokens x %zu of %zu experts is no size",
                           ids.tokens, ids.used, experts);
  }
  if (ids.stride != 0 && ids.stride < ids.used) {
    return InvalidArgument("ids: stride %zu is below the %zu used", ids.stride,
                           ids.used);
  }
  return OkStatus();
}

// visit(token, choice, expert) for all that were not dropped, in order of
// slots.
template <class Visit>
void ForEachChoice(const ExpertIds& ids, const Visit& visit) noexcept {
  const size_t stride = ids.stride != 0 ? ids.stride : ids.used;
  for (size_t t = 0; t < ids.tokens; ++t) {
    for (size_t k = 0; k < ids.used; ++k) {
      const int32_t id = ids.ids[t * stride + k];
      if (id >= 0) visit(t, k, static_cast<size_t>(id));
    }
  }
}

}  // namespace

size_t RoutingBytes(size_t experts, size_t tokens, size_t used) noexcept {
  size_t slots;
  if (experts == 0 || tokens == 0 || used == 0 ||
      __builtin_mul_overflow(tokens, used, &slots) || slots > UINT32_MAX ||
      experts > UINT32_MAX) {
    return 0;
  }
  return (experts + 1 + 2 * slots) * sizeof(uint32_t);
}

Status RouteTokens(const ExpertIds& ids, size_t experts, void* memory,
                   TokenRouting* routing) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckIds(ids, experts));
  if (memory == nullptr || routing == nullptr) {
    return InvalidArgument("routing: %s is null",
                           memory == nullptr ? "memory" : "the result");
  }
  if (reinterpret_cast<uintptr_t>(memory) % alignof(uint32_t) != 0) {
    return InvalidArgument("routing: memory is not aligned to %zu bytes",
                           alignof(uint32_t));
  }
  // Counts of each expert, one place up; then where its entries start, moved on
  // by each entry to where they end.
  auto* begin = static_cast<uint32_t*>(memory);
  std::fill_n(begin, experts + 1, 0u);
  Status status;
  ForEachChoice(ids, [&](size_t t, size_t k, size_t e) {
    if (e < experts) {
      ++begin[e + 1];
    } else if (status.ok()) {
      status = InvalidData("ids: token %zu, choice %zu: expert %zu of %zu", t,
                           k, e, experts);
    }
  });
  if (!status.ok()) return status;
  uint32_t entries = 0;
  for (size_t e = 1; e <= experts; ++e) {
    const uint32_t count = begin[e];
    begin[e] = entries;
    entries += count;
  }
  uint32_t* tokens = begin + experts + 1;
  uint32_t* slots = tokens + entries;
  ForEachChoice(ids, [&](size_t t, size_t k, size_t e) {
    const uint32_t i = begin[e + 1]++;
    tokens[i] = static_cast<uint32_t>(t);
    slots[i] = static_cast<uint32_t>(t * ids.used + k);
  });
  *routing = {experts, begin, tokens, slots};
  return OkStatus();
}

Status CheckRouting(const Routing& routing) noexcept {
  if (routing.experts == 0 || routing.begin == nullptr) {
    return InvalidArgument(
        "routing: %s", routing.experts == 0 ? "no experts" : "begin is null");
  }
  if (routing.begin[0] != 0) {
    return InvalidArgument("routing: expert 0 begins at entry %u, not 0",
                           routing.begin[0]);
  }
  for (size_t e = 0; e < routing.experts; ++e) {
    if (routing.begin[e + 1] < routing.begin[e]) {
      return InvalidArgument("routing: expert %zu has entries [%u, %u)", e,
                             routing.begin[e], routing.begin[e + 1]);
    }
  }
  return OkStatus();
}

Status CheckXRows(const Routing& routing, size_t x_rows) noexcept {
  return CheckRows("x", routing, routing.x_rows, x_rows);
}

Status CheckYRows(const Routing& routing, size_t y_rows) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckRows("y", routing, routing.y_rows, y_rows));
  if (routing.y_rows == nullptr) return OkStatus();
  // A window of rows at a time, to stay on the stack: usually the only one.
  constexpr size_t kWindow = 32768;
  std::bitset<kWindow> seen;
  for (size_t low = 0; low < y_rows; low += kWindow) {
    for (size_t i = 0; i < routing.entries(); ++i) {
      const size_t row = routing.y_rows[i] - low;  // wraps below the window
      if (row >= kWindow) continue;
      if (seen[row]) {
        return InvalidArgument("routing entry %zu: row %u of y has one already",
                               i, routing.y_rows[i]);
      }
      seen[row] = true;
    }
    if (y_rows - low > kWindow) seen.reset();
  }
  return OkStatus();
}

bool Segments::Next(Segment* segment) noexcept {
  const uint32_t* begin = routing_.begin;
  while (expert_ < routing_.experts && begin[expert_] == begin[expert_ + 1]) {
    ++expert_;
  }
  if (expert_ == routing_.experts) return false;
  segment->expert = expert_;
  segment->first = begin[expert_];
  segment->count = begin[expert_ + 1] - begin[expert_];
  segment->layout = ChooseActivationLayout(type_, segment->count);
  Place(segment);
  ++expert_;
  return true;
}

void Segments::Place(Segment* segment) noexcept {
  segment->offset = end_;
  segment->repeated = false;
  if (segment->count == 1) {
    const size_t row = XRow(routing_, segment->first);
    Recent& recent = recent_[row % kRecent];
    if (recent.row_plus_1 == row + 1) {
      segment->offset = recent.offset;
      segment->repeated = true;
      return;
    }
    recent = {row + 1, end_};
  }
  end_ += PackedActivationBytes(segment->layout, segment->count, cols_);
}

}  // namespace nibble
