// SPDX-License-Identifier: MIT
// Argument checks every verb shares, so that all refuse the same inputs with
// the same words.
#ifndef NIBBLE_SRC_CHECK_H_
#define NIBBLE_SRC_CHECK_H_

#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/status.h"

namespace nibble {

// A usable view: known type, columns the type can store, non-null data, a
// stride that holds a row. `name` is how the message calls it ("weights").
NIBBLE_API Status CheckMatrix(const char* name, const ConstMatrix& m) noexcept;

// CheckMatrix, and F32, F16 or BF16.
NIBBLE_API Status CheckFloatMatrix(const char* name,
                                   const ConstMatrix& m) noexcept;

// CheckMatrix, and a quantized type.
NIBBLE_API Status CheckPackedMatrix(const char* name,
                                    const ConstMatrix& m) noexcept;

Status CheckShare(Share share) noexcept;

// Builds a failed Status; formatting failures fall back to the plain format.
NIBBLE_API Status InvalidArgument(const char* format, ...) noexcept
    __attribute__((format(printf, 1, 2)));
Status InvalidData(const char* format, ...) noexcept
    __attribute__((format(printf, 1, 2)));
NIBBLE_API Status Unsupported(const char* format, ...) noexcept
    __attribute__((format(printf, 1, 2)));
NIBBLE_API Status ResourceError(const char* format, ...) noexcept
    __attribute__((format(printf, 1, 2)));

}  // namespace nibble

#endif  // NIBBLE_SRC_CHECK_H_
