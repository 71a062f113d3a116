// SPDX-License-Identifier: MIT
// Validate: is this stored matrix sane?
#ifndef NIBBLE_VALIDATE_H_
#define NIBBLE_VALIDATE_H_

#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/status.h"

namespace nibble {

// Checks that every scale (row, block, min) of packed rows is finite, and every
// element of F32, F16 and BF16 rows. The first offence is reported with its row
// and block. kInvalidArgument if the view itself does not fit its type.
NIBBLE_API Status Validate(const ConstMatrix& packed) noexcept;

}  // namespace nibble

#endif  // NIBBLE_VALIDATE_H_
