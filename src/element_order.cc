// SPDX-License-Identifier: MIT
#include "src/element_order.h"

#include "nibble/formats/all.h"

namespace nibble {
namespace {

template <class F>
constexpr RunPositions OrderOfFormat() {
  using Order = typename OrderOf<typename F::Codes>::type;
  static_assert(MovesWholeRuns<Order>(), "activations move in runs of 16");
  return RunPositionsOf<Order>();
}

// The logical order first, then one entry per format.
constexpr RunPositions kOrders[] = {
    RunPositionsOf<LogicalOrder>(),
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  OrderOfFormat<formats::symbol>(),
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
};

}  // namespace

const RunPositions& ElementOrderOf(Type type) noexcept {
  const RunPositions* order = kOrders;
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  ++order;                                                       \
  if (type == Type::k##symbol) return *order;
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
  return kOrders[0];
}

const RunPositions* FindElementOrder(uint16_t id) noexcept {
  for (const RunPositions& order : kOrders) {
    if (order.id == id) return &order;
  }
  return nullptr;
}

}  // namespace nibble
