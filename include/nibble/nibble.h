// SPDX-License-Identifier: MIT
// Umbrella: the whole CPU API.
#ifndef NIBBLE_NIBBLE_H_
#define NIBBLE_NIBBLE_H_

#include "nibble/activations.h"  // IWYU pragma: export
#include "nibble/cpu.h"          // IWYU pragma: export
#include "nibble/dequantize.h"   // IWYU pragma: export
#include "nibble/experts.h"      // IWYU pragma: export
#include "nibble/matmul.h"       // IWYU pragma: export
#include "nibble/matrix.h"       // IWYU pragma: export
#include "nibble/matvec.h"       // IWYU pragma: export
#include "nibble/parallel.h"     // IWYU pragma: export
#include "nibble/quantize.h"     // IWYU pragma: export
#include "nibble/status.h"       // IWYU pragma: export
#include "nibble/transcode.h"    // IWYU pragma: export
#include "nibble/type.h"         // IWYU pragma: export
#include "nibble/validate.h"     // IWYU pragma: export

#endif  // NIBBLE_NIBBLE_H_
