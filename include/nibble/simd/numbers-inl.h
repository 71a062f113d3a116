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
#include "nibble/simd/order.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Are shifts and shuffles by lane single instructions? Elsewhere four numbers
// at a time in a general register are faster.
inline constexpr bool kNumbersAreFast =
    (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) ||
    (HWY_ARCH_ARM && HWY_TARGET != HWY_EMU128);

// A number's bytes: those that its bits are in.
template <int kNumberBits, class Pos>
struct NumberPos {
  static constexpr int kBits = kNumberBits;
  static constexpr size_t Byte(size_t e) {
    return Pos::Byte(e) + static_cast<size_t>(Pos::Shift(e)) / 8;
  }
  static constexpr int Shift(size_t e) { return Pos::Shift(e) % 8; }
  static constexpr size_t Bytes(size_t e) {
    return static_cast<size_t>(Shift(e) + kBits + 7) / 8;
  }
};
template <int kBits, int kRun, class Order>
using FieldNumbers = NumberPos<kBits, formats::FieldPos<kBits, kRun, Order>>;
// Several numbers of a 16-bit word all come in the whole word, and with the
// same shuffle other fields of it (matvec, IQ1_S_ROW: 37.2 -> 38.5 Gweights/s).
template <int kNumberBits, class Pos>
struct WordPos {
  static constexpr int kBits = kNumberBits;
  static constexpr size_t Byte(size_t e) { return Pos::Byte(e); }
  static constexpr int Shift(size_t e) { return Pos::Shift(e); }
  static constexpr size_t Bytes(size_t) { return 2; }
};
template <int kBits, int kFirst, int kPer, int kPitch, int kRecord>
using RecordNumbers = hwy::If<
    kRecord == 2 && (kPer > 1),
    WordPos<kBits, formats::RecordPos<kBits, kFirst, kPer, kPitch, kRecord>>,
    NumberPos<kBits, formats::RecordPos<kBits, kFirst, kPer, kPitch, kRecord>>>;

// Which elements lanes 0, 1, ... get: kG, kG + 1, ...
template <size_t kG>
struct From {
  static constexpr bool kConsecutive = true;
  static constexpr size_t kFirst = kG;
  static constexpr size_t At(size_t lane) { return kG + lane; }
};

// How bytes of a member get to the sixteen bytes of a vector from which a
// lane's are shuffled.
enum class NumberLoad {
  kShared,  // all lanes look at the same 16 bytes, or fewer
  kOwn,     // a vector of bytes
  kTwice,   // half a vector, twice
  kSpread,  // half a vector, as the lower halves of 64-bit lanes
  kNone,
};

// Where the numbers of kLanes elements are in a member. All of them are loaded
// at once and shuffled to the lanes: narrow stores followed by a wide load fail
// store forwarding (AVX3_SPR, IQ3_S matvec: 2.7 -> 18 Gweights/s).
template <class Pos, class Elements, size_t kLanes, size_t kMember,
          size_t kLaneBytes>
struct NumberWindow {
  static constexpr size_t Byte(size_t i) { return Pos::Byte(Elements::At(i)); }
  static constexpr size_t First() {
    size_t first = Byte(0);
    for (size_t i = 1; i < kLanes; ++i) first = HWY_MIN(first, Byte(i));
    return first;
  }
  static constexpr size_t Bytes(size_t i) {
    return Pos::Bytes(Elements::At(i));
  }
  static constexpr size_t Span() {
    size_t end = 0;
    for (size_t i = 0; i < kLanes; ++i) end = HWY_MAX(end, Byte(i) + Bytes(i));
    return end - First();
  }
  static constexpr size_t kBytes = Span() <= 1   ? 1
                                   : Span() <= 2 ? 2
                                   : Span() <= 4 ? 4
                                   : Span() <= 8 ? 8
                                                 : 16;

  static constexpr size_t kAll = kLanes * kLaneBytes;
  static constexpr size_t kBase = First() / 16 * 16;
  // Of the sixteen bytes of lane i, which has byte b of the member; not one of
  // them if it is 16 or more.
  static constexpr size_t Place(NumberLoad load, size_t i, size_t b) {
    const size_t block = i * kLaneBytes / 16 * 16;
    return load == NumberLoad::kShared  ? b - HWY_MIN(First(), kMember - kBytes)
           : load == NumberLoad::kOwn   ? b - kBase - block
           : load == NumberLoad::kTwice ? b - block % kMember
                                        : b / 4 * 8 + b % 4 - block;
  }
  static constexpr bool Has(NumberLoad load, size_t bytes) {
    if (load != NumberLoad::kShared && (kAll < 16 || bytes != kMember)) {
      return false;
    }
    for (size_t i = 0; i < kLanes; ++i) {
      for (size_t b = 0; b < Bytes(i); ++b) {
        if (Place(load, i, Byte(i) + b) >= 16) return false;
      }
    }
    return true;
  }
  static constexpr NumberLoad Choose() {
    if (Span() <= 16 && kMember >= kBytes) return NumberLoad::kShared;
    if (kBase + kAll <= kMember && Has(NumberLoad::kOwn, kMember)) {
      return NumberLoad::kOwn;
    }
    if (Has(NumberLoad::kTwice, kAll / 2)) return NumberLoad::kTwice;
    if (Has(NumberLoad::kSpread, kAll / 2)) return NumberLoad::kSpread;
    return NumberLoad::kNone;
  }
  static constexpr NumberLoad kLoad = Choose();
  static constexpr bool kFits = kLoad != NumberLoad::kNone;
  static constexpr size_t kStart =  // of what is loaded
      kLoad == NumberLoad::kShared ? HWY_MIN(First(), kMember - kBytes)
      : kLoad == NumberLoad::kOwn  ? kBase
                                   : 0;
  static constexpr int Shift(size_t i) { return Pos::Shift(Elements::At(i)); }
  static constexpr bool UniformShift() {
    for (size_t i = 1; i < kLanes; ++i) {
      if (Shift(i) != Shift(0)) return false;
    }
    return true;
  }
  static constexpr int LeastShift() {
    int least = Shift(0);
    for (size_t i = 1; i < kLanes; ++i) least = HWY_MIN(least, Shift(i));
    return least;
  }
  static constexpr size_t MostBytes() {
    size_t most = 0;
    for (size_t i = 0; i < kLanes; ++i) most = HWY_MAX(most, Bytes(i));
    return most;
  }
  // Do the bytes hold nothing else?
  static constexpr bool kWhole =
      UniformShift() && Pos::kBits == 8 * static_cast<int>(MostBytes());
};

// For lanes of type T: the bytes of their numbers, whole bytes on the way to
// bit kAt, and shifts to the right for the rest of it, or one to the left for
// all.
template <class Window, size_t kLanes, class T, int kAt>
struct NumberLanes {
  // Whole bytes up, where no bit is lost.
  static constexpr int kUp =
      kAt / 8 + Window::MostBytes() <= sizeof(T) ? kAt / 8 : 0;
  static constexpr int kRest = kAt - 8 * kUp;
  static constexpr int kLeft =
      Window::LeastShift() < kRest ? kRest - Window::LeastShift() : 0;
  static constexpr int kRight = kRest - kLeft;
  alignas(64) uint8_t index[kLanes * sizeof(T)] = {};
  alignas(64) hwy::MakeUnsigned<T> right[kLanes] = {};
  constexpr NumberLanes() {
    for (size_t i = 0; i < kLanes; ++i) {
      right[i] = static_cast<hwy::MakeUnsigned<T>>(Window::Shift(i) - kRight);
      for (size_t b = 0; b < sizeof(T); ++b) {
        const size_t from = b - kUp;  // wraps around where there is none
        index[i * sizeof(T) + b] =
            from < Window::Bytes(i)
                ? static_cast<uint8_t>(
                      Window::Place(Window::kLoad, i, Window::Byte(i) + from))
                : uint8_t{0x80};  // zero
      }
    }
  }
  constexpr bool InPlace() const {
    for (size_t i = 0; i < kLanes * sizeof(T); ++i) {
      if (index[i] != i % 16) return false;
    }
    return true;
  }
};

// The kBytes bytes at p in every block of 16, repeated.
template <size_t kBytes, class D>
HWY_INLINE hn::Vec<D> RepeatBytes(D d, const uint8_t* p) {
  if constexpr (kBytes == 1) {
    return hn::Set(d, *p);
  } else if constexpr (kBytes == 2) {
    return hn::BitCast(
        d, hn::Set(hn::Repartition<uint16_t, D>(), formats::Load16(p)));
  } else if constexpr (kBytes == 4) {
    return hn::BitCast(
        d, hn::Set(hn::Repartition<uint32_t, D>(), formats::Load32(p)));
  } else if constexpr (kBytes == 8) {
    return hn::BitCast(
        d, hn::Set(hn::Repartition<uint64_t, D>(), formats::Load64(p)));
  } else {
    static_assert(HWY_MAX_LANES_D(D) >= 16, "a block of 16");
    return hn::LoadDup128(d, p);
  }
}

template <NumberLoad kLoad, size_t kBytes, class D8>
HWY_INLINE hn::Vec<D8> LoadWindow(D8 d8, const uint8_t* HWY_RESTRICT p) {
  if constexpr (kLoad == NumberLoad::kShared) {
    return RepeatBytes<kBytes>(d8, p);
  } else if constexpr (kLoad == NumberLoad::kOwn) {
    return hn::LoadU(d8, p);
  } else if constexpr (kLoad == NumberLoad::kTwice) {
    const auto half = hn::LoadU(hn::Half<D8>(), p);
    return hn::Combine(d8, half, half);
  } else {
    const hn::Repartition<uint64_t, D8> d64;
    const hn::Rebind<uint32_t, decltype(d64)> d32;
    const auto words = hn::LoadU(d32, reinterpret_cast<const uint32_t*>(p));
    return hn::BitCast(d8, hn::PromoteTo(d64, words));
  }
}

// Every byte of a lane in its place, neighbouring bits not yet gone.
template <class Window, class Lanes, class D8>
HWY_INLINE hn::Vec<D8> WindowBytes(D8 d8, const uint8_t* HWY_RESTRICT member) {
  static constexpr Lanes kLanes;
  const auto bytes =
      LoadWindow<Window::kLoad, Window::kBytes>(d8, member + Window::kStart);
  if constexpr (Window::kLoad == NumberLoad::kOwn && Lanes().InPlace()) {
    return bytes;
  } else {
    return hn::TableLookupBytesOr0(bytes, hn::Load(d8, kLanes.index));
  }
}

// Every lane shifted by a distance of its own.
template <class Pos, class Window, int kAt, class DI>
HWY_INLINE hn::Vec<DI> ShiftedNumbers(DI di,
                                      const uint8_t* HWY_RESTRICT member) {
  using T = hn::TFromD<DI>;
  using Lanes = NumberLanes<Window, HWY_MAX_LANES_D(DI), T, kAt>;
  static constexpr Lanes kLanes;
  const hn::RebindToUnsigned<DI> du;
  const hn::Repartition<uint8_t, DI> d8;
  auto word = hn::BitCast(du, WindowBytes<Window, Lanes>(d8, member));
  if constexpr (Window::UniformShift()) {
    constexpr int kShift = Window::Shift(0) - Lanes::kRight;
    if constexpr (kShift > 0) word = hn::ShiftRight<kShift>(word);
  } else {
    word = hn::Shr(word, hn::Load(du, kLanes.right));
  }
  if constexpr (Lanes::kLeft > 0) word = hn::ShiftLeft<Lanes::kLeft>(word);
  if constexpr (!Window::kWhole) {
    constexpr uint64_t kMask = ((uint64_t{1} << Pos::kBits) - 1) << kAt;
    return hn::And(hn::BitCast(di, word), hn::Set(di, static_cast<T>(kMask)));
  } else {
    return hn::BitCast(di, word);
  }
}

// AVX2 shifts all 16-bit lanes alike: products take their numbers to a bit that
// is to the left of all.
inline constexpr bool kProductsShift = HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2;
template <class Window, size_t kLanes, int kAt>
struct NumberProducts {
  static constexpr int Meet() {
    int meet = kAt;
    for (size_t i = 0; i < kLanes; ++i) meet = HWY_MAX(meet, Window::Shift(i));
    return meet;
  }
  alignas(64) uint16_t power[kLanes] = {};
  constexpr NumberProducts() {
    for (size_t i = 0; i < kLanes; ++i) {
      power[i] = static_cast<uint16_t>(1u << (Meet() - Window::Shift(i)));
    }
  }
};
template <class Pos, class Window, int kAt, class DI>
HWY_INLINE hn::Vec<DI> ProductNumbers(DI di,
                                      const uint8_t* HWY_RESTRICT member) {
  constexpr size_t n = HWY_MAX_LANES_D(DI);
  using Products = NumberProducts<Window, n, kAt>;
  static_assert(Products::Meet() + Pos::kBits <= 16, "no bit is lost");
  static constexpr Products kProducts;
  const hn::RebindToUnsigned<DI> du;
  const hn::Repartition<uint8_t, DI> d8;
  using Lanes = NumberLanes<Window, n, hn::TFromD<DI>, 0>;
  auto word = hn::BitCast(du, WindowBytes<Window, Lanes>(d8, member));
  word = hn::Mul(word, hn::Load(du, kProducts.power));
  constexpr int kRight = Products::Meet() - kAt;
  if constexpr (kRight > 0) word = hn::ShiftRight<kRight>(word);
  constexpr uint16_t kMask = ((1u << Pos::kBits) - 1) << kAt;
  return hn::BitCast(di, hn::And(word, hn::Set(du, kMask)));
}

// Numbers of kBits bits at bit kAt.
template <class Pos, class Elements, auto kM, int kAt, class DI, class X>
HWY_INLINE hn::Vec<DI> WindowNumbers(DI di, const X* HWY_RESTRICT x) {
  constexpr size_t n = HWY_MAX_LANES_D(DI);
  using T = hn::TFromD<DI>;
  using Window =
      NumberWindow<Pos, Elements, n, formats::MemberBytes(kM), sizeof(T)>;
  static_assert(Window::kFits, "one window holds all");
  if constexpr (kProductsShift && sizeof(T) == 2 && !Window::UniformShift()) {
    return ProductNumbers<Pos, Window, kAt>(di, x->*kM);
  } else {
    return ShiftedNumbers<Pos, Window, kAt>(di, x->*kM);
  }
}

// ---- Which descriptions have numbers that can be had so.

// Records of 8 bytes in a vector.
inline constexpr size_t kMostRecords =
    HWY_MAX_LANES_D(hn::ScalableTag<uint64_t>);

template <class Node, size_t kG, size_t kLanes>
inline constexpr bool kNumbersFit = false;

template <int kBits, int kShift, auto kM, int kFirst, size_t kG, size_t n>
inline constexpr bool
    kNumbersFit<formats::Bits<kBits, kShift, kM, kFirst>, kG, n> = true;
template <int kBits, int kRun, auto kM, class O, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Field<kBits, kRun, kM, O>, kG, n> =
    kBits == 8 || kRun % n == 0 ||
    NumberWindow<FieldNumbers<kBits, kRun, O>, From<kG>, n,
                 formats::MemberBytes(kM), 4>::kFits;
template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
          size_t kG, size_t n>
inline constexpr bool kNumbersFit<
    formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>, kG, n> =
    (kPer == 1 && (kRecord == 2 || kRecord == 4 ||
                   (kRecord == 8 && n <= 2 * kMostRecords))) ||
    NumberWindow<RecordNumbers<kBits, kFirst, kPer, kPitch, kRecord>, From<kG>,
                 n, formats::MemberBytes(kM), 4>::kFits;
template <int k, class E, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Shl<k, E>, kG, n> =
    kNumbersFit<E, kG, n>;
template <class A, class B, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Or<A, B>, kG, n> =
    kNumbersFit<A, kG, n>&& kNumbersFit<B, kG, n>;
template <int kBits, class E, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Inverted<kBits, E>, kG, n> =
    kNumbersFit<E, kG, n>;
template <class E, class Sign, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::SignedBy<E, Sign>, kG, n> =
    kNumbersFit<E, kG, n>&& kNumbersFit<Sign, kG, n>;
template <class E, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Signed<E>, kG, n> =
    kNumbersFit<E, kG, n>;
template <class E, uint64_t... kWords, size_t kG, size_t n>
inline constexpr bool kNumbersFit<formats::Lut<E, kWords...>, kG, n> =
    sizeof...(kWords) <= 2 && kNumbersFit<E, kG, n>;

// ---- The lanes' elements of a description, at bit kAt.

template <class Elements, int kAt, class DI, int kBits, int kShift, auto kM,
          int kFirst, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di,
                                 formats::Bits<kBits, kShift, kM, kFirst>,
                                 const X* HWY_RESTRICT x) {
  static_assert(Elements::kConsecutive && kAt == 0, "a byte per lane");
  const hn::Rebind<uint8_t, DI> d8;
  const auto bytes =
      hn::PromoteTo(di, hn::LoadU(d8, (x->*kM) + kFirst + Elements::kFirst));
  if constexpr (kBits == 8) {
    return bytes;
  } else {
    return hn::And(hn::ShiftRight<kShift>(bytes),
                   hn::Set(di, (1 << kBits) - 1));
  }
}
template <class Elements, int kAt, class DI, int kBits, int kRun, auto kM,
          class O, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di, formats::Field<kBits, kRun, kM, O>,
                                 const X* HWY_RESTRICT x) {
  using P = formats::FieldPos<kBits, kRun, O>;
  constexpr bool kOneShift = kBits == 8 || kRun % HWY_MAX_LANES_D(DI) == 0;
  if constexpr (Elements::kConsecutive && kOneShift && kAt == 0) {
    constexpr size_t kG = Elements::kFirst;
    return NumbersOf<From<0>, 0>(
        di, formats::Bits<kBits, P::Shift(kG), kM, P::Byte(kG)>(), x);
  } else {
    return WindowNumbers<FieldNumbers<kBits, kRun, O>, Elements, kM, kAt>(di,
                                                                          x);
  }
}
template <class Elements, int kAt, class DI, int kBits, int kFirst, int kPer,
          int kPitch, int kRecord, auto kM, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(
    DI di, formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>,
    const X* HWY_RESTRICT x) {
  using P = formats::RecordPos<kBits, kFirst, kPer, kPitch, kRecord>;
  constexpr bool kOnePer = Elements::kConsecutive && kPer == 1 && kAt == 0;
  if constexpr (kOnePer && kRecord == 2 && sizeof(hn::TFromD<DI>) > 2) {
    const hn::Rebind<uint16_t, DI> d16;
    const auto word = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(
                                         (x->*kM) + P::Byte(Elements::kFirst)));
    return hn::And(hn::ShiftRight<P::Shift(0)>(hn::PromoteTo(di, word)),
                   hn::Set(di, static_cast<int>(P::kMask)));
  } else if constexpr (kOnePer && kRecord == 4 && sizeof(hn::TFromD<DI>) == 4) {
    const hn::Repartition<uint8_t, DI> d8;
    const hn::RebindToUnsigned<DI> du;
    const auto word =
        hn::BitCast(du, hn::LoadU(d8, (x->*kM) + P::Byte(Elements::kFirst)));
    return hn::And(hn::BitCast(di, hn::ShiftRight<P::Shift(0)>(word)),
                   hn::Set(di, static_cast<int>(P::kMask)));
  } else if constexpr (kOnePer && kRecord == 8 && sizeof(hn::TFromD<DI>) == 4 &&
                       HWY_MAX_LANES_D(DI) > kMostRecords) {
    // Two vectors of records, of whose words every other one is wanted.
    const hn::RebindToUnsigned<DI> du;
    const auto* words =
        reinterpret_cast<const uint32_t*>((x->*kM) + 8 * Elements::kFirst);
    const auto low = hn::LoadU(du, words);
    const auto high = hn::LoadU(du, words + HWY_MAX_LANES_D(DI));
    const auto word = kFirst < 32 ? hn::ConcatEven(du, high, low)
                                  : hn::ConcatOdd(du, high, low);
    return hn::And(hn::BitCast(di, hn::ShiftRight<P::Shift(0)>(word)),
                   hn::Set(di, static_cast<int>(P::kMask)));
  } else if constexpr (kOnePer && kRecord == 8 && sizeof(hn::TFromD<DI>) == 4) {
    const hn::RebindToUnsigned<DI> du;
    const hn::Rebind<uint64_t, DI> d64;
    const auto record = hn::LoadU(d64, reinterpret_cast<const uint64_t*>(
                                           (x->*kM) + 8 * Elements::kFirst));
    const auto number = hn::TruncateTo(du, hn::ShiftRight<kFirst>(record));
    return hn::And(hn::BitCast(di, number),
                   hn::Set(di, static_cast<int>(P::kMask)));
  } else {
    using N = RecordNumbers<kBits, kFirst, kPer, kPitch, kRecord>;
    return WindowNumbers<N, Elements, kM, kAt>(di, x);
  }
}
template <class Elements, int kAt, class DI, int kGroup, int kBits, int kFirst,
          int kPitch, int kRecord, auto kM, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(
    DI di,
    formats::Each<kGroup,
                  formats::RecordField<kBits, kFirst, 1, kPitch, kRecord, kM>>,
    const X* HWY_RESTRICT x) {
  return NumbersOf<Elements, kAt>(
      di, formats::RecordField<kBits, kFirst, kGroup, 0, kRecord, kM>(), x);
}
template <class Elements, int kAt, class DI, int k, class E, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di, formats::Shl<k, E>,
                                 const X* HWY_RESTRICT x) {
  return NumbersOf<Elements, kAt + k>(di, E(), x);
}
template <class Elements, int kAt, class DI, class A, class B, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di, formats::Or<A, B>,
                                 const X* HWY_RESTRICT x) {
  return hn::Or(NumbersOf<Elements, kAt>(di, A(), x),
                NumbersOf<Elements, kAt>(di, B(), x));
}
template <class Elements, int kAt, class DI, int kBits, class E, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di, formats::Inverted<kBits, E>,
                                 const X* HWY_RESTRICT x) {
  return hn::Xor(NumbersOf<Elements, kAt>(di, E(), x),
                 hn::Set(di, ((1 << kBits) - 1) << kAt));
}
template <class Elements, int kAt, class DI, class E, class Sign, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di, formats::SignedBy<E, Sign>,
                                 const X* HWY_RESTRICT x) {
  static_assert(kAt == 0, "signed");
  return hn::Xor(NumbersOf<Elements, 0>(di, E(), x),
                 hn::Neg(NumbersOf<Elements, 0>(di, Sign(), x)));
}
// The low byte of every lane, with its sign.
template <class DI>
HWY_INLINE hn::Vec<DI> ExtendByte(DI /*di*/, hn::Vec<DI> v) {
  constexpr int kUp = 8 * static_cast<int>(sizeof(hn::TFromD<DI>)) - 8;
  return hn::ShiftRight<kUp>(hn::ShiftLeft<kUp>(v));
}
template <class Elements, int kAt, class DI, int kRun, auto kM, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di,
                                 formats::Signed<formats::Field<8, kRun, kM>>,
                                 const X* HWY_RESTRICT x) {
  static_assert(Elements::kConsecutive && kAt == 0, "a byte per lane");
  const hn::Rebind<int8_t, DI> d8;
  const auto* p = reinterpret_cast<const int8_t*>(x->*kM);
  return hn::PromoteTo(di, hn::LoadU(d8, p + Elements::kFirst));
}
template <class Elements, int kAt, class DI, class E, class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di, formats::Signed<E>,
                                 const X* HWY_RESTRICT x) {
  static_assert(kAt == 0, "signed");
  return ExtendByte(di, NumbersOf<Elements, 0>(di, E(), x));
}
template <class Elements, int kAt, class DI, class E, uint64_t... kWords,
          class X>
HWY_INLINE hn::Vec<DI> NumbersOf(DI di, formats::Lut<E, kWords...>,
                                 const X* HWY_RESTRICT x) {
  static_assert(kAt == 0, "signed");
  using Entries = formats::LutEntries<kWords...>;
  alignas(16) static constexpr uint64_t kTable[2] = {
      Entries::Word(0), Entries::Word(Entries::kSize / 8 - 1)};
  const hn::Repartition<uint8_t, DI> d8;
  const auto index = hn::BitCast(d8, NumbersOf<Elements, 0>(di, E(), x));
  const auto table =
      RepeatBytes<16>(d8, reinterpret_cast<const uint8_t*>(kTable));
  return ExtendByte(di, hn::BitCast(di, hn::TableLookupBytes(table, index)));
}

// Elements kG, kG + 1, ...
template <size_t kG, class DI, class Node, class X>
HWY_INLINE hn::Vec<DI> Numbers(DI di, Node node, const X* HWY_RESTRICT x) {
  return NumbersOf<From<kG>, 0>(di, node, x);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_NUMBERS_INL_H_
