// SPDX-License-Identifier: MIT
// The element orders of this build, by id.
#ifndef NIBBLE_SRC_ELEMENT_ORDER_H_
#define NIBBLE_SRC_ELEMENT_ORDER_H_

#include <cstdint>

#include "nibble/simd/order.h"

namespace nibble {

// Null if no type of this build uses the id on any target.
const PackedOrder* FindElementOrder(uint16_t id) noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_ELEMENT_ORDER_H_
