// SPDX-License-Identifier: MIT
#include "nibble/validate.h"

#include <cmath>

#include "nibble/formats/all.h"
#include "src/check.h"
#include "nibble/row_floats.h"

namespace nibble {
namespace {

template <class F>
bool IsScaleValid(const typename F::Block& block) noexcept {
  if constexpr (formats::ScaleOf<F>::type::kCoded) {
    return formats::ScaleOf<F>::type::IsValid(block.d);
  } else {
    return std::isfinite(formats::Reader<F>::BlockScale(block, 1.0f));
  }
}

template <class F>
Status ValidateRow(const uint8_t* row, size_t cols, size_t r) noexcept {
  using formats::Reader;
  const float row_scale = Reader<F>::RowScale(row);
  if (!std::isfinite(row_scale)) {
    return InvalidData("packed row %zu: row scale is not finite", r);
  }
  if constexpr (F::kRowHeader == 0) {
    const auto* blocks = reinterpret_cast<const typename F::Block*>(row);
    for (size_t b = 0; b < cols / F::kBlock; ++b) {
      if (!IsScaleValid<F>(blocks[b])) {
        return InvalidData("packed row %zu, block %zu: scale is not finite", r,
                           b);
      }
      if (!std::isfinite(Reader<F>::Min(blocks[b], 0))) {
        return InvalidData("packed row %zu, block %zu: min is not finite", r,
                           b);
      }
    }
  }
  return OkStatus();
}

Status ValidateFloats(Type type, const uint8_t* row, size_t cols,
                      size_t r) noexcept {
  const size_t bytes = type == Type::kF32 ? 4 : 2;
  for (size_t c = 0; c < cols; ++c) {
    float x;
    WidenFloats(type, row + c * bytes, 1, &x);
    if (!std::isfinite(x)) {
      return InvalidData("row %zu, column %zu: not finite", r, c);
    }
  }
  return OkStatus();
}

Status ValidateAnyRow(Type type, const uint8_t* row, size_t cols,
                      size_t r) noexcept {
  switch (type) {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  case Type::k##symbol:                                          \
    return ValidateRow<formats::symbol>(row, cols, r);
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
    default:
      return ValidateFloats(type, row, cols, r);
  }
}

}  // namespace

Status Validate(const ConstMatrix& packed) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckMatrix("packed", packed));
  for (size_t r = 0; r < packed.rows; ++r) {
    NIBBLE_RETURN_IF_ERROR(
        ValidateAnyRow(packed.type, packed.row(r), packed.cols, r));
  }
  return OkStatus();
}

}  // namespace nibble
