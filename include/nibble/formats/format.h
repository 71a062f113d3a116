// SPDX-License-Identifier: MIT
// What every format header provides, with the defaults.
//
// A stored weight is, with s = e / kSub its sub-block,
//
//   x[e] = scale(s) * level(e) - min(s)
//   scale(s) = d * kFactor * (kScaleStep * ScaleCodes[s] + kScaleBase)
//   level(e) = sign(e) * (Codes[e] - kZero + kShift * ShiftCodes[s])
//   min(s)   = dmin * kMinFactor * MinCodes[s]
//
// d is `Block::d`, whose type says how it is stored (scales.h: fp16, a power of
// two, a float per sub-block), or put together from HalfNibbles, lowest first, or
// the row's scale when kRowHeader is not 0; dmin is the fp16 `Block::dmin` when
// there are mins. kFactor is a power of two and kMinFactor 1 or -1, so every
// product is exact or rounded once and the order of factors is free.
#ifndef NIBBLE_FORMATS_FORMAT_H_
#define NIBBLE_FORMATS_FORMAT_H_

#include <type_traits>

#include "nibble/float16.h"
#include "nibble/formats/machines.h"
#include "nibble/formats/nodes.h"
#include "nibble/formats/scales.h"

namespace nibble {
namespace formats {

// Defaults; a format derives from it and says only what differs.
struct FormatBase {
  static constexpr int kZero = 0;
  static constexpr float kFactor = 1.0f;
  static constexpr size_t kRowHeader = 0;  // 4: an f32 scale; 2: an f16 scale
  using HalfNibbles = NoCodes;  // where the nibbles of d are, if not in Block::d
  using ScaleCodes = NoCodes;
  static constexpr int kScaleStep = 1, kScaleBase = 0;
  using MinCodes = NoCodes;
  static constexpr float kMinFactor = 1.0f;  // -1: dmin is added
  using ShiftCodes = NoCodes;  // one bit per sub-block
  static constexpr int kShift = 0;
  using Signs = NoSigns;
  static constexpr bool kWantsImportance = false;
  // Do large weights count for more, as WeightRule::kImportanceMagnitude says?
  // Not where codes hold no magnitudes and only a mean of them is fitted.
  static constexpr bool kMagnitudeCounts = true;
  static constexpr bool kTernary = false;  // searches write levels -1, 0 and 1
  // What the row's scale is multiplied by where the files' maker computes with
  // it, though not where it decodes: see TypeInfo::inference_factor (type.h).
  static constexpr float kInferenceFactor = 1.0f;
};

template <class Node>
inline constexpr bool kIsPresent =
    !std::is_same<Node, NoCodes>::value && !std::is_same<Node, NoSigns>::value;

// The fp16 bits of d.
template <class F, size_t kAlign = 1>
NIBBLE_INLINE NIBBLE_HD uint16_t HalfBits(const typename F::Block& b) {
  using Nibbles = typename F::HalfNibbles;
  if constexpr (kIsPresent<Nibbles>) {
    using Q = AlignedQuad<kAlign>;
    return static_cast<uint16_t>(Q::Number(Nibbles(), b, 0) |
                                 (Q::Number(Nibbles(), b, 1) << 4) |
                                 (Q::Number(Nibbles(), b, 2) << 8) |
                                 (Q::Number(Nibbles(), b, 3) << 12));
  } else {
    return LoadAligned<uint16_t, kAlign>(b.d.bytes);
  }
}
// Overwrites them.
template <class F>
void SetHalfBits(typename F::Block& b, uint16_t bits) {
  using Nibbles = typename F::HalfNibbles;
  if constexpr (kIsPresent<Nibbles>) {
    for (size_t i = 0; i < 4; ++i) {
      Store::Clear(Nibbles(), b, i);
      Store::Put(Nibbles(), b, i, bits >> (4 * i));
    }
  } else {
    memcpy(b.d.bytes, &bits, sizeof(bits));
  }
}

// Reads numbers of a block by its description, one at a time: the definition of
// a format, used as the reference by every test and by device code.
template <class F>
struct Reader {
  using Block = typename F::Block;
  static constexpr size_t kSubs = F::kBlock / F::kSub;

  // The integer multiplier of sub-block s.
  static NIBBLE_HD int Multiplier(const Block& b, size_t s) {
    if constexpr (kIsPresent<typename F::ScaleCodes>) {
      return F::kScaleStep * Scalar::Eval(typename F::ScaleCodes(), b, s) +
             F::kScaleBase;
    } else {
      return 1;
    }
  }
  // kFactor * d, or kFactor * row_scale. The sub-block matters to scales that
  // each of them has.
  static NIBBLE_HD float BlockScale(const Block& b, float row_scale,
                                    size_t s = 0) {
    if constexpr (F::kRowHeader != 0) {
      return F::kFactor * row_scale;
    } else {
      if constexpr (ScaleOf<F>::type::kCoded) {
        return F::kFactor * ScaleOf<F>::type::At(b.d, s);
      } else {
        return F::kFactor * F16ToF32(HalfBits<F>(b));
      }
    }
  }
  static NIBBLE_HD float Scale(const Block& b, float row_scale, size_t s) {
    return BlockScale(b, row_scale, s) * static_cast<float>(Multiplier(b, s));
  }
  static NIBBLE_HD float Min(const Block& b, size_t s) {
    if constexpr (kIsPresent<typename F::MinCodes>) {
      return F::kMinFactor * F16ToF32(Load16(b.dmin.bytes)) *
             static_cast<float>(Scalar::Eval(typename F::MinCodes(), b, s));
    } else {
      return 0.0f;
    }
  }
  // The integer added to every code of sub-block s.
  static NIBBLE_HD int Offset(const Block& b, size_t s) {
    if constexpr (kIsPresent<typename F::ShiftCodes>) {
      return F::kShift * Scalar::Eval(typename F::ShiftCodes(), b, s) -
             F::kZero;
    } else {
      return -F::kZero;
    }
  }
  static NIBBLE_HD int Level(const Block& b, size_t e) {
    const int level =
        Scalar::Eval(typename F::Codes(), b, e) + Offset(b, e / F::kSub);
    return Scalar::Negative(typename F::Signs(), b, e) ? -level : level;
  }
  static NIBBLE_HD float Weight(const Block& b, float row_scale, size_t e) {
    const float product = Scale(b, row_scale, e / F::kSub) *
                          static_cast<float>(Level(b, e));
    if constexpr (kIsPresent<typename F::MinCodes>) {
      return product - Min(b, e / F::kSub);
    } else {
      return product;
    }
  }
  // The scale in the header of a row; 1 for formats without one.
  static NIBBLE_HD float RowScale(const uint8_t* row) {
    if constexpr (F::kRowHeader == 4) {
      return FloatOf(Load32(row));
    } else if constexpr (F::kRowHeader == 2) {
      return F16ToF32(Load16(row));
    } else {
      return 1.0f;
    }
  }
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_FORMAT_H_
