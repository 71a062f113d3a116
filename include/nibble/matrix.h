// SPDX-License-Identifier: MIT
// Non-owning views of row-major matrices, packed or plain.
#ifndef NIBBLE_MATRIX_H_
#define NIBBLE_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "nibble/type.h"

namespace nibble {

// `rows` rows of `cols` elements of `type`. Row r starts at byte
// r * stride_bytes; rows may be padded (stride_bytes >= RowBytes) but never
// overlap. No alignment beyond one byte is required for packed types and the
// natural alignment of the element for F32, F16 and BF16. The memory belongs to
// the caller and must outlive the view.
template <class Byte>
struct BasicMatrix {
  Type type = Type::kF32;
  Byte* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride_bytes = 0;

  BasicMatrix() = default;
  // stride 0 means tightly packed rows.
  BasicMatrix(Type type_in, Byte* data_in, size_t rows_in, size_t cols_in,
              size_t stride_bytes_in = 0) noexcept
      : type(type_in),
        data(data_in),
        rows(rows_in),
        cols(cols_in),
        stride_bytes(stride_bytes_in != 0 ? stride_bytes_in
                                          : RowBytes(type_in, cols_in)) {}
  // A mutable view is usable as a constant one.
  template <class Other, class = std::enable_if_t<
                             std::is_convertible<Other*, Byte*>::value>>
  BasicMatrix(const BasicMatrix<Other>& other) noexcept
      : type(other.type),
        data(other.data),
        rows(other.rows),
        cols(other.cols),
        stride_bytes(other.stride_bytes) {}

  Byte* row(size_t r) const noexcept { return data + r * stride_bytes; }

  // Rows [begin, end) as a view of their own. Requires begin <= end <= rows.
  BasicMatrix Rows(size_t begin, size_t end) const noexcept {
    return BasicMatrix(type, row(begin), end - begin, cols, stride_bytes);
  }
};

using ConstMatrix = BasicMatrix<const uint8_t>;
using MutableMatrix = BasicMatrix<uint8_t>;

// View of float rows; `stride` in elements, 0 means `cols`.
inline ConstMatrix FloatMatrix(const float* data, size_t rows, size_t cols,
                               size_t stride = 0) noexcept {
  return ConstMatrix(Type::kF32, reinterpret_cast<const uint8_t*>(data), rows,
                     cols, stride * sizeof(float));
}
inline MutableMatrix FloatMatrix(float* data, size_t rows, size_t cols,
                                 size_t stride = 0) noexcept {
  return MutableMatrix(Type::kF32, reinterpret_cast<uint8_t*>(data), rows, cols,
                       stride * sizeof(float));
}

}  // namespace nibble

#endif  // NIBBLE_MATRIX_H_
