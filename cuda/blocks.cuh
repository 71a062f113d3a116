// SPDX-License-Identifier: MIT
// Blocks as a thread reads them: by their description, with loads as wide as
// their alignment allows.
#ifndef NIBBLE_CUDA_BLOCKS_CUH_
#define NIBBLE_CUDA_BLOCKS_CUH_

#include "cuda/common.cuh"
#include "nibble/formats/format.h"

namespace nibble {
namespace cuda {

// What every block's address is a multiple of if the address of the rows and
// their stride are: 16 for Q4_K, 4 for IQ4_KS, 2 for blocks of fp16 + 16 bytes.
template <class F>
constexpr size_t NaturalAlign() {
  size_t align = 16;  // the widest load there is
  while (sizeof(typename F::Block) % align != 0 || F::kRowHeader % align != 0) {
    align /= 2;
  }
  return align;
}

// Block b of a row.
template <class F>
NIBBLE_HD const typename F::Block& BlockAt(const uint8_t* row, size_t b) {
  return *reinterpret_cast<const typename F::Block*>(
      row + F::kRowHeader + b * sizeof(typename F::Block));
}

// The number of sub-block s in a description of scales, mins or shifts. One
// element at a time costs the fewest loads, but for numbers in two halves of
// which each has bits in several words: there both halves are read, four
// numbers at a time, from words that all sub-blocks share, and no thread
// branches.
template <size_t kAlign>
struct SubCode {
  template <class Node, class B>
  static NIBBLE_HD int Eval(Node node, const B& b, size_t s) {
    return formats::Scalar::Eval(node, b, s);
  }
  template <int kBits, int kShift, auto kM, class B>
  static NIBBLE_HD int Eval(formats::LowBits<kBits, kShift, kM>, const B& b,
                            size_t s) {
    const uint32_t byte = formats::LowByte<kAlign>((b.*kM) + 16 * s);
    return static_cast<int>((byte >> kShift) & ((1u << kBits) - 1));
  }
  template <int kCount, class A, class C, class B>
  static NIBBLE_HD int Eval(formats::Halves<kCount, A, C>, const B& b,
                            size_t s) {
    using Quad = formats::AlignedQuad<kAlign>;
    const size_t first = s % kCount / 4 * 4;
    const uint32_t low = Quad::Eval(A(), b, first);
    const uint32_t high = Quad::Eval(C(), b, first);
    const uint32_t quad = s < kCount ? low : high;
    return static_cast<int>((quad >> (8 * (s % 4))) & 255);
  }
};

// The integers of one sub-block, and the floats of one block: the device's
// reading of formats::Reader, which says what they mean.
template <class F, size_t kAlign>
struct BlockReader {
  using Block = typename F::Block;
  using Sub = SubCode<kAlign>;

  static NIBBLE_HD int Multiplier(const Block& b, size_t s) {
    if constexpr (formats::kIsPresent<typename F::ScaleCodes>) {
      return F::kScaleStep * Sub::Eval(typename F::ScaleCodes(), b, s) +
             F::kScaleBase;
    } else {
      return 1;
    }
  }
  static NIBBLE_HD int Offset(const Block& b, size_t s) {
    if constexpr (formats::kIsPresent<typename F::ShiftCodes>) {
      return F::kShift * Sub::Eval(typename F::ShiftCodes(), b, s) - F::kZero;
    } else {
      return -F::kZero;
    }
  }
  static NIBBLE_HD int MinCode(const Block& b, size_t s) {
    if constexpr (formats::kIsPresent<typename F::MinCodes>) {
      return Sub::Eval(typename F::MinCodes(), b, s);
    } else {
      return 0;
    }
  }
  static NIBBLE_HD float BlockScale(const Block& b, float row_scale, size_t s) {
    if constexpr (F::kRowHeader != 0) {
      return F::kFactor * row_scale;
    } else if constexpr (formats::ScaleOf<F>::type::kCoded) {
      return F::kFactor * formats::ScaleOf<F>::type::At(b.d, s);
    } else {
      return F::kFactor * HalfToFloat(formats::HalfBits<F, kAlign>(b));
    }
  }
  static NIBBLE_HD float BlockMin(const Block& b) {
    if constexpr (formats::kIsPresent<typename F::MinCodes>) {
      return F::kMinFactor * Half(b.dmin);
    } else {
      return 0.0f;
    }
  }
  static NIBBLE_HD float RowScale(const uint8_t* row) {
    if constexpr (F::kRowHeader == 4) {
      return FloatOf(formats::LoadAligned<uint32_t, kAlign>(row));
    } else if constexpr (F::kRowHeader == 2) {
      return HalfToFloat(formats::LoadAligned<uint16_t, kAlign>(row));
    } else {
      return 1.0f;
    }
  }

 private:
  static NIBBLE_HD float Half(const formats::Word16& half) {
    return HalfToFloat(formats::LoadAligned<uint16_t, kAlign>(half.bytes));
  }
};

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_BLOCKS_CUH_
