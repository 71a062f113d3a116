// SPDX-License-Identifier: MIT
// The element orders of this build, by type and by id.
#ifndef NIBBLE_SRC_ELEMENT_ORDER_H_
#define NIBBLE_SRC_ELEMENT_ORDER_H_

#include <cstdint>

#include "nibble/simd/order.h"
#include "nibble/type.h"

namespace nibble {

// The order kInt8Rows activations take for weights of `type`; logical for types
// that are not quantized.
const PackedOrder& ElementOrderOf(Type type) noexcept;

// Null if no type of this build uses the id.
const PackedOrder* FindElementOrder(uint16_t id) noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_ELEMENT_ORDER_H_
