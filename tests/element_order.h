// SPDX-License-Identifier: MIT
// Which element of a chunk the packed activations of a layout have where.
#ifndef NIBBLE_TESTS_ELEMENT_ORDER_H_
#define NIBBLE_TESTS_ELEMENT_ORDER_H_

#include <cstddef>

#include "nibble/activations.h"
#include "nibble/simd/order.h"

namespace nibble {

// The element of format F at `position`: targets have the choice of orders.
template <class F>
size_t ElementAt(ActivationLayout layout, size_t position) {
  using Other = typename OtherOrderOf<typename F::Codes>::type;
  if (layout.order == Other::kId) return Other::Logical(position);
  using Vbmi = typename VbmiOrderOf<typename F::Codes>::type;
  if (layout.order == Vbmi::kId) return Vbmi::Logical(position);
  switch (layout.order) {
    case LaneOrder::kId:
      return LaneOrder::Logical(position);
    case PlaneOrder<2>::kId:
      return PlaneOrder<2>::Logical(position);
    case PointOrder::kId:
      return PointOrder::Logical(position);
    case TrellisOrder<4>::kId:
      return TrellisOrder<4>::Logical(position);
    case TrellisOrder<8>::kId:
      return TrellisOrder<8>::Logical(position);
    case TurnOrder::kId:
      return TurnOrder::Logical(position);
    default:
      return OrderOf<typename F::Codes>::type::Logical(position);
  }
}

}  // namespace nibble

#endif  // NIBBLE_TESTS_ELEMENT_ORDER_H_
