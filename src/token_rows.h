// SPDX-License-Identifier: MIT
// Rows of activations to pack together: all of a matrix, or chosen ones.
#ifndef NIBBLE_SRC_TOKEN_ROWS_H_
#define NIBBLE_SRC_TOKEN_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/activations.h"
#include "nibble/matrix.h"
#include "nibble/parallel.h"
#include "nibble/status.h"

namespace nibble {

// Token t is row rows[first + t] of x, or first + t without `rows`.
struct TokenRows {
  ConstMatrix x;
  size_t tokens;
  const uint32_t* rows = nullptr;
  size_t first = 0;

  size_t Index(size_t t) const noexcept {
    return rows != nullptr ? rows[first + t] : first + t;
  }
  const uint8_t* Row(size_t t) const noexcept { return x.row(Index(t)); }
};

// Packs tokens [begin, end) to where they lie among all of `from`. begin is a
// multiple of kPackTokens; different ranges may be packed at once. Names the
// row and column of a value that is not finite.
inline constexpr size_t kPackTokens = 16;
Status PackTokens(ActivationLayout layout, const TokenRows& from,
                  RowRange tokens, void* out) noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_TOKEN_ROWS_H_
