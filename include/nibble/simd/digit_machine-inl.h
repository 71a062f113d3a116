// SPDX-License-Identifier: MIT
// The SIMD machine in DigitOrder, for ternary digits (AVX2).
//
// A byte v holds digits as a fraction v / 256 in base three. In the upper half
// of a 16-bit word, one product with 9 gives two digits, 3 a + b = 9 v / 256,
// in its upper word, and what is left of the fraction in its lower one. A
// lookup tells a and b apart. Matvec from memory, one core of Emerald Rapids,
// GB/s: IQ1_BN 3.1 -> 7.5, TQ1_0 3.1 -> 6.6.
#if defined(NIBBLE_SIMD_DIGIT_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_DIGIT_MACHINE_INL_H_
#undef NIBBLE_SIMD_DIGIT_MACHINE_INL_H_
#else
#define NIBBLE_SIMD_DIGIT_MACHINE_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/order.h"

namespace nibble {
namespace HWY_NAMESPACE {

// Codes that have a case in DigitMachine, on this target.
template <class Codes>
inline constexpr bool kWantsDigits = false;

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble

#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class Layout, auto kM>
inline constexpr bool kWantsDigits<formats::Base3<Layout, kM>> = true;

// Which bytes become sixteen words.
template <class Order>
struct FirstWords {  // of the 32, as packing interleaves them
  static constexpr size_t Byte(size_t i) {
    return Order::Byte32(i / 8 * 16 + i % 8);
  }
};
template <class Order>
struct SecondWords {
  static constexpr size_t Byte(size_t i) {
    return Order::Byte32(i / 8 * 16 + i % 8 + 8);
  }
};
template <class Order>
struct ThirdWords {
  static constexpr size_t Byte(size_t i) { return Order::Byte16(i); }
};
template <class Order>
struct OtherWords {
  static constexpr size_t Byte(size_t i) {
    return Order::kBytes.Byte(Order::kBytes.others[i]);
  }
};

// Where in a chunk those bytes are, kPitch bytes from block to block: eight
// words of each half of a vector in sixteen bytes or, if that is too far apart,
// four words and the next four.
template <class Order, class Words, size_t kPitch>
struct WordWindows {
  using Bytes = decltype(Order::kBytes);
  static constexpr size_t kAll =
      (Bytes::kBlocks - 1) * kPitch + Bytes::kPerBlock;
  static constexpr size_t At(size_t i) {
    const size_t b = Words::Byte(i);
    return b / Bytes::kPerBlock * kPitch + b % Bytes::kPerBlock;
  }
  // The sixteen bytes for words [i, i + n): those of a block, or of its second
  // half, if they have all.
  static constexpr size_t Start(size_t i, size_t n) {
    size_t least = At(i);
    for (size_t k = 1; k < n; ++k) least = HWY_MIN(least, At(i + k));
    const size_t in_block = least % kPitch;
    const size_t start = least - in_block + in_block / 16 * 16;
    return HWY_MIN(start, kAll - 16);
  }
  static constexpr bool Fits(size_t n) {
    for (size_t i = 0; i < 16; ++i) {
      const size_t start = Start(i / n * n, n);
      if (At(i) < start || At(i) - start >= 16) return false;
    }
    return true;
  }
  static constexpr size_t kWords = Fits(8) ? 8 : 4;
  static_assert(Fits(kWords), "words of neighbouring bytes");
  // From a window to the upper bytes of words.
  alignas(32) uint8_t index[32] = {};
  constexpr WordWindows() {
    for (size_t i = 0; i < 16; ++i) {
      index[2 * i] = 0x80;
      index[2 * i + 1] =
          static_cast<uint8_t>(At(i) - Start(i / kWords * kWords, kWords));
    }
  }
};

// The power of three that brings each of the other digits to the top.
template <class Order>
struct DigitPowers {
  alignas(32) uint16_t power[16] = {};
  constexpr DigitPowers() {
    for (size_t i = 0; i < 16; ++i) {
      const size_t digit = Order::kBytes.Digit(Order::kBytes.others[i]);
      power[i] =
          static_cast<uint16_t>(formats::PowerOf3(static_cast<int>(digit)));
    }
  }
};

// As Simd, for positions [kE, kE + 32) of a chunk.
struct DigitMachine {
  using D8 = hn::Full256<uint8_t>;
  using D16 = hn::Repartition<uint16_t, D8>;
  using V = hn::Vec<D8>;
  using V16 = hn::Vec<D16>;

  template <size_t kE, int kAt = 0, bool kBias = false, class Layout, auto kM,
            class X>
  static HWY_INLINE V Eval(formats::Base3<Layout, kM>,
                           const X* HWY_RESTRICT x) {
    using Order = DigitOrder<Layout>;
    constexpr size_t kVector = kE / 32;
    const D8 d8;
    if constexpr (kVector < 5) {
      constexpr size_t kStep = kVector / 2;
      const V16 first = Left<kStep>(Words<Order, FirstWords<Order>, kM>(x));
      const V16 second = Left<kStep>(Words<Order, SecondWords<Order>, kM>(x));
      constexpr uint16_t kFactor = kVector == 4 ? 3 : 9;
      const V top = Pack(Top<kFactor>(first), Top<kFactor>(second));
      if constexpr (kVector == 4) return top;
      return Digit<kVector % 2>(top);
    } else {
      const V16 third =
          Left<kVector - 5>(Words<Order, ThirdWords<Order>, kM>(x));
      if constexpr (kVector < 7) {
        const V top = hn::BitCast(d8, Top<9>(third));
        return Pairs(hn::BitCast(D16(), Digit<0>(top)),
                     hn::BitCast(D16(), Digit<1>(top)));
      } else {
        static constexpr DigitPowers<Order> kPowers;
        const V16 others = hn::Mul(Words<Order, OtherWords<Order>, kM>(x),
                                   hn::Load(D16(), kPowers.power));
        return Pairs(Top<3>(third), Top<3>(others));
      }
    }
  }

 private:
  // What is left of fractions without their first 2 kStep digits.
  template <size_t kStep>
  static HWY_INLINE V16 Left(V16 words) {
    constexpr uint16_t kPower = kStep == 0 ? 1 : kStep == 1 ? 9 : 81;
    if constexpr (kStep == 0) return words;
    auto power = hn::Set(D16(), kPower);
#if !HWY_COMPILER_MSVC  // of a known one, compilers make shifts and additions
    __asm__("" : "+x"(power.raw));
#endif
    return hn::Mul(words, power);
  }
  template <uint16_t kFactor>
  static HWY_INLINE V16 Top(V16 words) {
    return hn::MulHigh(words, hn::Set(D16(), kFactor));
  }
  static HWY_INLINE V Pack(V16 a, V16 b) {
    const hn::RebindToSigned<D16> di;
    return hn::ReorderDemote2To(D8(), hn::BitCast(di, a), hn::BitCast(di, b));
  }
  static HWY_INLINE V Pairs(V16 low, V16 high) {
    return hn::BitCast(D8(), hn::Or(low, hn::ShiftLeft<8>(high)));
  }
  // a or b of 3 a + b.
  template <size_t kSecond>
  static HWY_INLINE V Digit(V both) {
    alignas(16) static constexpr uint8_t kDigits[2][16] = {
        {0, 0, 0, 1, 1, 1, 2, 2, 2}, {0, 1, 2, 0, 1, 2, 0, 1, 2}};
    return hn::TableLookupBytes(hn::LoadDup128(D8(), kDigits[kSecond]), both);
  }

  // Bytes of a chunk in the upper halves of words.
  template <class Order, class Which, auto kM, class X>
  static HWY_INLINE V16 Words(const X* HWY_RESTRICT x) {
    using Windows = WordWindows<Order, Which, sizeof(X)>;
    static constexpr Windows kWindows;
    const hn::Repartition<uint64_t, D8> d64;
    const uint8_t* HWY_RESTRICT p = x->*kM;
    const V index = hn::Load(D8(), kWindows.index);
    const V v = hn::TableLookupBytesOr0(Window<Windows, 0>(p), index);
    if constexpr (Windows::kWords == 8) {
      return hn::BitCast(D16(), v);
    } else {
      const V w = hn::TableLookupBytesOr0(Window<Windows, 4>(p), index);
      return hn::BitCast(D16(),
                         hn::OddEven(hn::BitCast(d64, w), hn::BitCast(d64, v)));
    }
  }
  // The sixteen bytes for words kWord .. and kWord + 8 ...
  template <class Windows, size_t kWord>
  static HWY_INLINE V Window(const uint8_t* HWY_RESTRICT p) {
    constexpr size_t kLow = Windows::Start(kWord, Windows::kWords);
    constexpr size_t kHigh = Windows::Start(kWord + 8, Windows::kWords);
    const D8 d8;
    const hn::Half<D8> dh;
    if constexpr (kHigh == kLow) {
      return hn::LoadDup128(d8, p + kLow);
    } else if constexpr (kHigh == kLow + 16) {
      return hn::LoadU(d8, p + kLow);
    } else {
      return hn::Combine(d8, hn::LoadU(dh, p + kHigh), hn::LoadU(dh, p + kLow));
    }
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // HWY_TARGET == HWY_AVX2

#endif  // NIBBLE_SIMD_DIGIT_MACHINE_INL_H_
