// SPDX-License-Identifier: MIT
// Numbers of a description, one per 32- or 64-bit lane: indices of grid points,
// seeds of trellis codes, scales of sub-blocks.
#if defined(NIBBLE_SIMD_NUMBERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_NUMBERS_INL_H_
#undef NIBBLE_SIMD_NUMBERS_INL_H_
#else
#define NIBBLE_SIMD_NUMBERS_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Are shifts and shuffles by lane single instructions? Elsewhere four numbers at
// a time in a general register are faster.
inline constexpr bool kNumbersAreFast =
    (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) ||
    (HWY_ARCH_ARM && HWY_TARGET != HWY_EMU128);

template <int kBits, int kRun, class Order>
struct FieldWords : formats::FieldPos<kBits, kRun, Order> {
  static constexpr int kWord = 1;  // bytes of a word
};

// Where the numbers of elements kG, kG + 1, ... are among a few neighbouring
// bytes of a member. All of them are loaded at once and shuffled to the lanes:
// narrow stores followed by a wide load fail store forwarding (AVX3_SPR, IQ3_S
// matvec: 2.7 -> 18 Gweights/s).
template <class Pos, size_t kG, size_t kLanes, size_t kMember>
struct NumberWindow {
  static constexpr size_t First() {
    size_t first = Pos::Byte(kG);
    for (size_t i = 1; i < kLanes; ++i) first = HWY_MIN(first, Pos::Byte(kG + i));
    return first;
  }
  static constexpr size_t Span() {
    size_t last = 0;
    for (size_t i = 0; i < kLanes; ++i) last = HWY_MAX(last, Pos::Byte(kG + i));
    return last + Pos::kWord - First();
  }
  static constexpr size_t kBytes = Span() <= 1   ? 1
                                   : Span() <= 2 ? 2
                                   : Span() <= 4 ? 4
                                   : Span() <= 8 ? 8
                                                 : 16;
  static constexpr bool kFits = Span() <= 16 && kMember >= kBytes;
  static constexpr size_t kFrom =
      !kFits ? 0 : HWY_MIN(First(), kMember - kBytes);
  static constexpr bool UniformShift() {
    for (size_t i = 1; i < kLanes; ++i) {
      if (Pos::Shift(kG + i) != Pos::Shift(kG)) return false;
    }
    return true;
  }
};

// For lanes of type T: the bytes of their words, and shifts to the right.
template <class Pos, size_t kG, size_t kLanes, size_t kMember, class T>
struct NumberLanes {
  using Window = NumberWindow<Pos, kG, kLanes, kMember>;
  alignas(64) uint8_t index[kLanes * sizeof(T)] = {};
  alignas(64) hwy::MakeUnsigned<T> right[kLanes] = {};
  constexpr NumberLanes() {
    for (size_t i = 0; i < kLanes; ++i) {
      right[i] = static_cast<hwy::MakeUnsigned<T>>(Pos::Shift(kG + i));
      for (size_t b = 0; b < sizeof(T); ++b) {
        const size_t byte = Pos::Byte(kG + i) - Window::kFrom + b;
        index[i * sizeof(T) + b] = b < static_cast<size_t>(Pos::kWord)
                                       ? static_cast<uint8_t>(byte)
                                       : uint8_t{0x80};  // zero
      }
    }
  }
};

// The kBytes bytes at p in every block of 16, repeated.
template <size_t kBytes, class D>
HWY_INLINE hn::Vec<D> RepeatBytes(D d, const uint8_t* p) {
  if constexpr (kBytes == 1) {
    return hn::Set(d, *p);
  } else if constexpr (kBytes == 2) {
    return hn::BitCast(d, hn::Set(hn::Repartition<uint16_t, D>(),
                                  formats::Load16(p)));
  } else if constexpr (kBytes == 4) {
    return hn::BitCast(d, hn::Set(hn::Repartition<uint32_t, D>(),
                                  formats::Load32(p)));
  } else if constexpr (kBytes == 8) {
    return hn::BitCast(d, hn::Set(hn::Repartition<uint64_t, D>(),
                                  formats::Load64(p)));
  } else {
    static_assert(HWY_MAX_LANES_D(D) >= 16, "a block of 16");
    return hn::LoadDup128(d, p);
  }
}

template <class Pos, size_t kG, auto kM, int kMask, class DI, class X>
HWY_INLINE hn::Vec<DI> WindowNumbers(DI di, const X* HWY_RESTRICT x) {
  constexpr size_t n = HWY_MAX_LANES_D(DI);
  using Lanes =
      NumberLanes<Pos, kG, n, formats::MemberBytes(kM), hn::TFromD<DI>>;
  using Window = typename Lanes::Window;
  static_assert(Window::kFits, "one window holds all");
  static constexpr Lanes kLanes;
  const hn::RebindToUnsigned<DI> du;
  const hn::Repartition<uint8_t, DI> d8;
  auto word = hn::BitCast(
      du, hn::TableLookupBytesOr0(
              RepeatBytes<Window::kBytes>(d8, (x->*kM) + Window::kFrom),
              hn::Load(d8, kLanes.index)));
  if constexpr (Window::UniformShift()) {
    word = hn::ShiftRight<Pos::Shift(kG)>(word);
  } else {
    word = hn::Shr(word, hn::Load(du, kLanes.right));
  }
  return hn::And(hn::BitCast(di, word), hn::Set(di, kMask));
}

// ---- Which descriptions have numbers that can be had so.

template <class Node, size_t kG, size_t kLanes>
inline constexpr bool kNumbersFit = false;

template <int kBits, int kShift, auto kM, int kFirst, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Bits<kBits, kShift, kM, kFirst>, kG,
                                  n> = true;
template <int kBits, int kRun, auto kM, class O, size_t kG, size_t n>
inline constexpr bool
    kNumbersFit<formats::Field<kBits, kRun, kM, O>, kG, n> =
        kBits == 8 || kRun % n == 0 ||
        NumberWindow<FieldWords<kBits, kRun, O>, kG, n,
                     formats::MemberBytes(kM)>::kFits;
template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
          size_t kG, size_t n>
inline constexpr bool kNumbersFit<
    formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>, kG, n> =
    (kPer == 1 && (kRecord == 2 || kRecord == 4)) ||
    NumberWindow<formats::RecordPos<kBits, kFirst, kPer, kPitch, kRecord>, kG,
                 n, formats::MemberBytes(kM)>::kFits;
template <int k, class E, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Shl<k, E>, kG, n> =
    kNumbersFit<E, kG, n>;
template <class A, class B, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Or<A, B>, kG, n> =
    kNumbersFit<A, kG, n> && kNumbersFit<B, kG, n>;
template <int kBits, class E, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Inverted<kBits, E>, kG, n> =
    kNumbersFit<E, kG, n>;
template <class E, class Sign, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::SignedBy<E, Sign>, kG, n> =
    kNumbersFit<E, kG, n> && kNumbersFit<Sign, kG, n>;
template <class E, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Signed<E>, kG, n> =
    kNumbersFit<E, kG, n>;
template <class E, uint64_t... kWords, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Lut<E, kWords...>, kG, n> =
    sizeof...(kWords) <= 2 && kNumbersFit<E, kG, n>;

// ---- Elements [kG, kG + lanes) of a description.

template <size_t kG, class DI, int kBits, int kShift, auto kM, int kFirst,
          class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Bits<kBits, kShift, kM, kFirst>,
                               const X* HWY_RESTRICT x) {
  const hn::Rebind<uint8_t, DI> d8;
  const auto bytes = hn::PromoteTo(di, hn::LoadU(d8, (x->*kM) + kFirst + kG));
  return hn::And(hn::ShiftRight<kShift>(bytes),
                 hn::Set(di, (1 << kBits) - 1));
}
template <size_t kG, class DI, int kBits, int kRun, auto kM, class O, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Field<kBits, kRun, kM, O>,
                               const X* HWY_RESTRICT x) {
  using P = FieldWords<kBits, kRun, O>;
  if constexpr (kBits == 8 || kRun % HWY_MAX_LANES_D(DI) == 0) {
    return Numbers<0>(di, formats::Bits<kBits, P::Shift(kG), kM, P::Byte(kG)>(),
                      x);
  } else {
    return WindowNumbers<P, kG, kM, (1 << kBits) - 1>(di, x);
  }
}
template <size_t kG, class DI, int kBits, int kFirst, int kPer, int kPitch,
          int kRecord, auto kM, class X>
HWY_INLINE hn::Vec<DI> Numbers(
    DI di, formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>,
    const X* HWY_RESTRICT x) {
  using P = formats::RecordPos<kBits, kFirst, kPer, kPitch, kRecord>;
  if constexpr (kPer == 1 && kRecord == 2) {
    const hn::Rebind<uint16_t, DI> d16;
    const auto word = hn::LoadU(
        d16, reinterpret_cast<const uint16_t*>((x->*kM) + P::Byte(kG)));
    return hn::And(hn::ShiftRight<P::Shift(0)>(hn::PromoteTo(di, word)),
                   hn::Set(di, static_cast<int>(P::kMask)));
  } else if constexpr (kPer == 1 && kRecord == 4 &&
                       sizeof(hn::TFromD<DI>) == 4) {
    const hn::Repartition<uint8_t, DI> d8;
    const hn::RebindToUnsigned<DI> du;
    const auto word = hn::BitCast(du, hn::LoadU(d8, (x->*kM) + P::Byte(kG)));
    return hn::And(hn::BitCast(di, hn::ShiftRight<P::Shift(0)>(word)),
                   hn::Set(di, static_cast<int>(P::kMask)));
  } else {
    return WindowNumbers<P, kG, kM, static_cast<int>(P::kMask)>(di, x);
  }
}
template <size_t kG, class DI, int kGroup, int kBits, int kFirst, int kPitch,
          int kRecord, auto kM, class X>
HWY_INLINE hn::Vec<DI> Numbers(
    DI di,
    formats::Each<kGroup,
                  formats::RecordField<kBits, kFirst, 1, kPitch, kRecord, kM>>,
    const X* HWY_RESTRICT x) {
  return Numbers<kG>(
      di, formats::RecordField<kBits, kFirst, kGroup, 0, kRecord, kM>(), x);
}
template <size_t kG, class DI, int k, class E, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Shl<k, E>,
                               const X* HWY_RESTRICT x) {
  return hn::ShiftLeft<k>(Numbers<kG>(di, E(), x));
}
template <size_t kG, class DI, class A, class B, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Or<A, B>,
                               const X* HWY_RESTRICT x) {
  return hn::Or(Numbers<kG>(di, A(), x), Numbers<kG>(di, B(), x));
}
template <size_t kG, class DI, int kBits, class E, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Inverted<kBits, E>,
                               const X* HWY_RESTRICT x) {
  return hn::Xor(Numbers<kG>(di, E(), x), hn::Set(di, (1 << kBits) - 1));
}
template <size_t kG, class DI, class E, class Sign, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::SignedBy<E, Sign>,
                               const X* HWY_RESTRICT x) {
  return hn::Xor(Numbers<kG>(di, E(), x),
                 hn::Neg(Numbers<kG>(di, Sign(), x)));
}
// The low byte of every lane, with its sign.
template <class DI>
HWY_INLINE hn::Vec<DI> ExtendByte(DI /*di*/, hn::Vec<DI> v) {
  constexpr int kUp = 8 * static_cast<int>(sizeof(hn::TFromD<DI>)) - 8;
  return hn::ShiftRight<kUp>(hn::ShiftLeft<kUp>(v));
}
template <size_t kG, class DI, int kRun, auto kM, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di,
                               formats::Signed<formats::Field<8, kRun, kM>>,
                               const X* HWY_RESTRICT x) {
  const hn::Rebind<int8_t, DI> d8;
  const auto* p = reinterpret_cast<const int8_t*>(x->*kM);
  return hn::PromoteTo(di, hn::LoadU(d8, p + kG));
}
template <size_t kG, class DI, class E, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Signed<E>,
                               const X* HWY_RESTRICT x) {
  return ExtendByte(di, Numbers<kG>(di, E(), x));
}
template <size_t kG, class DI, class E, uint64_t... kWords, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, formats::Lut<E, kWords...>,
                               const X* HWY_RESTRICT x) {
  using Entries = formats::LutEntries<kWords...>;
  alignas(16) static constexpr uint64_t kTable[2] = {
      Entries::Word(0), Entries::Word(Entries::kSize / 8 - 1)};
  const hn::Repartition<uint8_t, DI> d8;
  const auto index = hn::BitCast(d8, Numbers<kG>(di, E(), x));
  const auto table = RepeatBytes<16>(
      d8, reinterpret_cast<const uint8_t*>(kTable));
  return ExtendByte(di, hn::BitCast(di, hn::TableLookupBytes(table, index)));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_NUMBERS_INL_H_
