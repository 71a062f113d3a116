// SPDX-License-Identifier: MIT
// Elements of F32, F16 and BF16 rows. The type is a run-time value: it is the
// same for every thread of a launch, and a uniform branch costs less than three
// times as many kernels.
#ifndef NIBBLE_CUDA_FLOATS_CUH_
#define NIBBLE_CUDA_FLOATS_CUH_

#include "cuda/common.cuh"
#include "nibble/type.h"

namespace nibble {
namespace cuda {

NIBBLE_HD constexpr size_t FloatBytes(Type type) {
  return type == Type::kF32 ? 4 : 2;
}

// Element i of a row. Exact.
NIBBLE_HD inline float LoadFloat(const uint8_t* row, Type type, size_t i) {
  if (type == Type::kF32) {
    return FloatOf(formats::LoadAligned<uint32_t, 4>(row + 4 * i));
  }
  const auto half = formats::LoadAligned<uint16_t, 2>(row + 2 * i);
  return type == Type::kF16 ? HalfToFloat(half) : BF16ToF32(half);
}

// F16 or BF16, nearest even.
NIBBLE_HD inline uint16_t Narrow(float x, Type type) {
  return type == Type::kF16 ? FloatToHalf(x) : F32ToBF16(x);
}
NIBBLE_HD inline void StoreFloat(float x, Type type, uint8_t* row, size_t i) {
  if (type == Type::kF32) {
    StoreAligned<4>(x, row + 4 * i);
  } else {
    StoreAligned<2>(Narrow(x, type), row + 2 * i);
  }
}

// Four elements at p; kWide: p is a multiple of their size.
template <bool kWide>
NIBBLE_HD void StoreQuad(const float (&x)[4], Type type, uint8_t* p) {
  if (type == Type::kF32) {
    const Words16 words{
        {BitsOf(x[0]), BitsOf(x[1]), BitsOf(x[2]), BitsOf(x[3])}};
    StoreAligned<kWide ? 16 : 4>(words, p);
  } else {
    uint64_t halves = 0;
    for (int i = 0; i < 4; ++i) {
      halves |= static_cast<uint64_t>(Narrow(x[i], type)) << (16 * i);
    }
    StoreAligned<kWide ? 8 : 2>(halves, p);
  }
}

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_FLOATS_CUH_
