// SPDX-License-Identifier: MIT
// The kernels of one format behind pointers, and their arguments as plain data:
// what the verbs in launch.cu and the generated units agree on.
#ifndef NIBBLE_CUDA_KERNELS_H_
#define NIBBLE_CUDA_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "nibble/cuda.h"

namespace nibble {
namespace cuda {

// Addresses are the device's. Sizes fit 31 bits: launch.cu sees to it.
struct DequantizeArgs {
  const uint8_t* packed;  // [rows][packed_stride bytes]
  size_t packed_stride;
  uint8_t* out;  // [rows][out_stride bytes], cols elements of out_type
  size_t out_stride;
  uint32_t rows;
  uint32_t cols;
  Type packed_type;
  Type out_type;
  bool wide_stores;  // rows of `out` start at multiples of four elements
};

struct MatvecArgs {
  const uint8_t* weights;  // [rows][weight_stride bytes]
  size_t weight_stride;
  const uint8_t* x;  // [tokens][TokenBytes(cols)]: cuda/activations.cuh
  uint8_t* y;        // [tokens][y_stride bytes], rows floats
  size_t y_stride;
  uint32_t rows;
  uint32_t cols;
  uint32_t tokens;
};

struct CudaKernels {
  Status (*dequantize)(const DequantizeArgs& args, CudaStream stream);
  Status (*matvec)(const MatvecArgs& args, CudaStream stream);
};

#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  const CudaKernels* CudaKernelsOf_##symbol();
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT

// Null for a type without any (F32, unknown).
inline const CudaKernels* FindCudaKernels(Type type) noexcept {
  switch (type) {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  case Type::k##symbol:                                          \
    return CudaKernelsOf_##symbol();
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
    default:
      return nullptr;
  }
}

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_KERNELS_H_
