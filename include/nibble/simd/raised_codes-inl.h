// SPDX-License-Identifier: MIT
// Codes as floats without converting integers: a byte shuffle puts each of them
// into the fraction of a power of two, 2^7 + code or 2^15 + code. What that
// adds is part of what a multiply-subtract takes away.
#if defined(NIBBLE_SIMD_RAISED_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_RAISED_CODES_INL_H_
#undef NIBBLE_SIMD_RAISED_CODES_INL_H_
#else
#define NIBBLE_SIMD_RAISED_CODES_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/tiles-inl.h"

#ifdef NIBBLE_MAY_HAVE_TILES

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Where bytes go in 64 floats.
template <size_t kByte, uint8_t kTop>
struct RaisedPlaces {
  alignas(64) uint8_t index[4][64] = {};
  alignas(64) uint8_t power[64] = {};
  uint8_t mask[8] = {};
  constexpr RaisedPlaces() {
    for (size_t i = 0; i < 64; ++i) {
      index[i / 16][i % 16 * 4 + kByte] = static_cast<uint8_t>(i);
    }
    for (size_t i = 0; i < 16; ++i) power[4 * i + 3] = kTop;
    for (size_t i = 0; i < 8; ++i) mask[i] = uint8_t{0x11} << kByte;
  }
};

// The codes of a format, 64 at a time, and their signs. A shuffle and the
// multiply-subtract for 16 weights take the place of a promotion, a conversion
// and a multiplication (AMX, 32 tokens: Q6_K and IQ1_M 20 % faster, IQ5_K 27 %,
// Q8_0 and IQ3_S 1 to 4 %). All constants are members, to stay in registers:
// loads are what tiles wait for.
template <class F>
class RaisedCodes {
  using D8 = hn::CappedTag<uint8_t, 64>;
  using DF = hn::CappedTag<float, 16>;
  using V = hn::Vec<D8>;

  static constexpr bool kSigned = formats::IsSigned<typename F::Codes>::value ||
                                  formats::kIsPresent<typename F::Signs>;
  // The seven highest bits of a fraction are in one byte. With codes of eight,
  // in the byte below, what is taken away is 2^8 times larger, and its rounding
  // error 2^-10 of a code, unless the scale has 15 bits or fewer; weights of
  // 2^120 overflow.
  static constexpr bool kSevenBits = F::kMaxCode <= (kSigned ? 63 : 127);
  static constexpr uint8_t kRaise = !kSigned ? 0 : kSevenBits ? 64 : 128;
  using Places = RaisedPlaces<kSevenBits ? 2 : 1, kSevenBits ? 0x43 : 0x47>;

 public:
  // What Floats has added to the codes.
  static constexpr float kAdded = (kSevenBits ? 128.0f : 32768.0f) + kRaise;

  HWY_INLINE RaisedCodes() {
    static constexpr Places kPlaces;
    const D8 d8;
    for (size_t q = 0; q < 4; ++q) index_[q] = hn::Load(d8, kPlaces.index[q]);
    power_ = hn::Load(d8, kPlaces.power);
    raise_ = hn::Set(d8, kRaise);
    mask_ = hn::LoadMaskBits(d8, kPlaces.mask);
    // g++ would rather load them again.
    __asm__("" : "+v"(index_[0].raw), "+v"(index_[1].raw), "+v"(index_[2].raw));
    __asm__("" : "+v"(index_[3].raw), "+v"(power_.raw), "+v"(raise_.raw));
  }

  // None is negative any more.
  HWY_INLINE V Raise(V codes) const {
    if constexpr (kRaise == 0) return codes;
    return hn::Add(codes, raise_);
  }
  HWY_INLINE V Raise(V magnitudes, hn::Mask<D8> negative) const {
    static_assert(F::kMaxCode <= kRaise, "magnitudes fit");
    return hn::MaskedSubOr(Raise(magnitudes), negative, raise_, magnitudes);
  }
  // Codes [16 kQuarter, 16 kQuarter + 16), raised, plus 2^7 or 2^15.
  template <size_t kQuarter>
  HWY_INLINE hn::Vec<DF> Floats(V raised) const {
    const auto index = hn::IndicesFromVec(D8(), index_[kQuarter]);
    return hn::BitCast(
        DF(),
        hn::IfThenElse(mask_, hn::TableLookupLanes(raised, index), power_));
  }

 private:
  V index_[4], power_, raise_;
  hn::Mask<D8> mask_;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // AMX may be there

#endif  // NIBBLE_SIMD_RAISED_CODES_INL_H_
