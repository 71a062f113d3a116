// SPDX-License-Identifier: MIT
#include "src/element_order.h"

#include "nibble/formats/all.h"

namespace nibble {
namespace {

template <class F>
constexpr PackedOrder OrderOfFormat() {
  return PackedOrderOf<typename OrderOf<typename F::Codes>::type>();
}
template <class F>
constexpr PackedOrder OtherOrderOfFormat() {
  return PackedOrderOf<typename OtherOrderOf<typename F::Codes>::type>();
}
template <class F>
constexpr PackedOrder VbmiOrderOfFormat() {
  return PackedOrderOf<typename VbmiOrderOf<typename F::Codes>::type>();
}

// Those that a target may choose, then the three of every format.
constexpr PackedOrder kOrders[] = {
    PackedOrderOf<LogicalOrder>(),    PackedOrderOf<LaneOrder>(),
    PackedOrderOf<PlaneOrder<2>>(),   PackedOrderOf<PointOrder>(),
    PackedOrderOf<TrellisOrder<4>>(), PackedOrderOf<TrellisOrder<8>>(),
    PackedOrderOf<TurnOrder>(),
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary)           \
  OrderOfFormat<formats::symbol>(), OtherOrderOfFormat<formats::symbol>(), \
      VbmiOrderOfFormat<formats::symbol>(),
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
};

}  // namespace

const PackedOrder* FindElementOrder(uint16_t id) noexcept {
  for (const PackedOrder& order : kOrders) {
    if (order.id == id) return &order;
  }
  return nullptr;
}

}  // namespace nibble
