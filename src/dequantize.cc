// SPDX-License-Identifier: MIT
#include "nibble/dequantize.h"

#include <algorithm>

#include "nibble/float16.h"
#include "src/check.h"
#include "src/compute_kernels.h"
#include "src/cpu_init.h"
#include "nibble/row_floats.h"

namespace nibble {
namespace {

// Columns decoded at a time when the result is not F32: fits L1 and the stack,
// and is a multiple of every block.
constexpr size_t kSlice = 1024;

// Decodes a row slice by slice; blocks are independent once the row scale is
// known, but a row header ties a slice to its row: such rows go through the
// kernel whole, so only F32 results may be wider than a slice for them.
Status DequantizeNarrow(const ComputeKernels& kernels, const TypeInfo& info,
                        const uint8_t* row, size_t cols, Type out_type,
                        uint8_t* out) noexcept {
  float slice[kSlice];
  uint8_t packed[8 + kSlice * 2];
  for (size_t c = 0; c < cols; c += kSlice) {
    const size_t n = std::min(kSlice, cols - c);
    const uint8_t* blocks = row + info.row_header_bytes +
                            c / info.block_weights * info.block_bytes;
    const size_t bytes = n / info.block_weights * info.block_bytes;
    if (info.row_header_bytes == 0) {
      kernels.dequantize_row(blocks, n, slice);
    } else {  // a short row of its own: header, then the slice's blocks
      std::copy(row, row + info.row_header_bytes, packed);
      std::copy(blocks, blocks + bytes, packed + info.row_header_bytes);
      kernels.dequantize_row(packed, n, slice);
    }
    NarrowFloats(slice, n, out_type, out + c * 2);
  }
  return OkStatus();
}

}  // namespace

Status Dequantize(const ConstMatrix& packed,
                  const MutableMatrix& out) noexcept {
  InitializeCpu();
  NIBBLE_RETURN_IF_ERROR(CheckMatrix("packed", packed));
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("out", out));
  if (packed.rows != out.rows || packed.cols != out.cols) {
    return InvalidArgument("out is %zu x %zu, packed is %zu x %zu", out.rows,
                           out.cols, packed.rows, packed.cols);
  }
  const TypeInfo& info = *FindTypeInfo(packed.type);
  const ComputeKernels* kernels = FindComputeKernels(packed.type);
  for (size_t r = 0; r < packed.rows; ++r) {
    if (kernels == nullptr) {
      ConvertRow(packed.type, packed.row(r), packed.cols, out.type, out.row(r));
    } else if (out.type == Type::kF32) {
      kernels->dequantize_row(packed.row(r), packed.cols,
                              reinterpret_cast<float*>(out.row(r)));
    } else {
      NIBBLE_RETURN_IF_ERROR(DequantizeNarrow(
          *kernels, info, packed.row(r), packed.cols, out.type, out.row(r)));
    }
  }
  return OkStatus();
}

}  // namespace nibble
