// SPDX-License-Identifier: MIT
// Codes of sub-block scales to floats with VBMI: one instruction takes them to
// a lane from anywhere in four bytes, a rotation, or in eight, and codes of up
// to five bits are looked up in a table of floats, whose index may have
// anything above its bits.
#if defined(NIBBLE_SIMD_SCALE_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_SCALE_CODES_INL_H_
#undef NIBBLE_SIMD_SCALE_CODES_INL_H_
#else
#define NIBBLE_SIMD_SCALE_CODES_INL_H_
#endif

#include "hwy/highway.h"
#include "nibble/formats/format.h"
#include "nibble/simd/index64-inl.h"
#include "nibble/simd/member_offset.h"
#include "nibble/simd/numbers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Where the bits of codes are, counted from the first byte of their member.
template <class Node>
struct CodeBits {
  static constexpr bool kHas = false;
};
template <class Pos, int kWidth, auto kM>
struct CodeBitsAt {
  static constexpr bool kHas = true;
  static constexpr auto kMember = kM;
  static constexpr int kBits = kWidth;
  static constexpr size_t kBytes = formats::MemberBytes(kM);
  static constexpr size_t kBlock = BlockSize(kM), kOffset = MemberOffset(kM);
  static constexpr size_t At(size_t e) {
    return 8 * Pos::Byte(e) + static_cast<size_t>(Pos::Shift(e));
  }
};
template <int kBits, int kRun, auto kM, class O>
struct CodeBits<formats::Field<kBits, kRun, kM, O>>
    : CodeBitsAt<formats::FieldPos<kBits, kRun, O>, kBits, kM> {};
template <int kShift, int kFirst>
struct WholeBytes {
  static constexpr size_t Byte(size_t e) { return kFirst + e; }
  static constexpr int Shift(size_t) { return kShift; }
};
template <int kBits, int kShift, auto kM, int kFirst>
struct CodeBits<formats::Bits<kBits, kShift, kM, kFirst>>
    : CodeBitsAt<WholeBytes<kShift, kFirst>, kBits, kM> {};
template <int kBits, int kFirst, auto kM>
struct CodeBits<formats::WordField<kBits, kFirst, kM>>
    : CodeBitsAt<formats::RecordPos<kBits, kFirst, 1, 0, 2>, kBits, kM> {};

// The same for more nodes, whose codes are not looked up by CodeIndex.
template <class Node>
struct NumberBits : CodeBits<Node> {};
template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM>
struct NumberBits<
    formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>>
    : CodeBitsAt<formats::RecordPos<kBits, kFirst, kPer, kPitch, kRecord>,
                 kBits, kM> {};
template <int kPer, int kBits, int kFirst, int kPitch, int kRecord, auto kM>
struct NumberBits<formats::Each<
    kPer, formats::RecordField<kBits, kFirst, 1, kPitch, kRecord, kM>>>
    : NumberBits<formats::RecordField<kBits, kFirst, kPer, 0, kRecord, kM>> {};

// Every code kTimes times.
template <class Source, size_t kTimes>
struct RepeatedBits : Source {
  static constexpr size_t At(size_t e) { return Source::At(e / kTimes); }
};

// How codes kG .. kG + kLanes - 1 come to their lanes, from anywhere in their
// block.
enum class CodeLoad { kRotate, kMultishift, kBytes, kWords, kNone };
template <class Source, size_t kG, size_t kLanes>
struct CodeWindow {
  static constexpr size_t kBlock = Source::kBlock;
  static constexpr size_t At(size_t i) {
    return 8 * Source::kOffset + Source::At(kG + i);
  }
  static constexpr size_t FirstByte() {
    size_t first = At(0);
    for (size_t i = 1; i < kLanes; ++i) first = HWY_MIN(first, At(i));
    return first / 8;
  }
  static constexpr size_t EndByte() {
    size_t end = 0;
    for (size_t i = 0; i < kLanes; ++i) {
      end = HWY_MAX(end, At(i) + Source::kBits);
    }
    return (end + 7) / 8;
  }
  static constexpr bool EachItsByte() {
    for (size_t i = 1; i < kLanes; ++i) {
      if (At(i) != At(0) + 8 * i) return false;
    }
    return true;
  }
  // Is the member eight words, and every code the same bits of one?
  static constexpr bool InWords() {
    for (size_t i = 0; i < kLanes; ++i) {
      if (Source::At(kG + i) % 16 != Source::At(kG) % 16) return false;
    }
    return Source::kBytes == 16 && Source::At(kG) % 16 + Source::kBits <= 16;
  }
  // Do so many bytes, in all lanes, have all codes?
  static constexpr bool Fits(size_t bytes) {
    return kBlock >= bytes && EndByte() - FirstByte() <= bytes;
  }
  static constexpr CodeLoad kLoad = Fits(4)         ? CodeLoad::kRotate
                                    : Fits(8)       ? CodeLoad::kMultishift
                                    : EachItsByte() ? CodeLoad::kBytes
                                    : InWords()     ? CodeLoad::kWords
                                                    : CodeLoad::kNone;
  static constexpr size_t kBytes = kLoad == CodeLoad::kRotate ? 4 : 8;
  static constexpr size_t kFrom =
      HWY_MIN(FirstByte(), kBlock - HWY_MIN(kBytes, kBlock));
  // Where code i is in these bytes.
  static constexpr size_t Bit(size_t i) { return At(i) - 8 * kFrom; }
};
template <class Source, size_t kG, size_t kLanes, int kTo>
struct CodeDistances {
  using Window = CodeWindow<Source, kG, kLanes>;
  alignas(64) uint8_t from[4 * kLanes] = {};
  constexpr CodeDistances() {
    for (size_t i = 0; i < kLanes; ++i) {
      from[4 * i + kTo / 8] =
          static_cast<uint8_t>((Window::Bit(i) + 64 - kTo % 8) % 64);
    }
  }
};
template <class Source, size_t kG, size_t kLanes, int kTo>
struct CodeRotations {
  using Window = CodeWindow<Source, kG, kLanes>;
  alignas(64) uint32_t right[kLanes] = {};  // to bit kTo
  alignas(64) uint32_t mask[kLanes] = {};   // of the bits where they are
  constexpr CodeRotations() {
    for (size_t i = 0; i < kLanes; ++i) {
      right[i] = static_cast<uint32_t>(Window::Bit(i) + 32 - kTo) % 32;
      mask[i] = ((1u << Source::kBits) - 1) << Window::Bit(i);
    }
  }
};
// Every lane's word, twice (matvec, IQ1_S: 33.4 -> 35.2 Gweights/s, 37.2 with
// scales in the lanes of products).
template <class Source, size_t kG, size_t kLanes>
struct CodeWords {
  alignas(64) uint8_t byte[4 * kLanes] = {};
  constexpr CodeWords() {
    for (size_t i = 0; i < 4 * kLanes; ++i) {
      byte[i] = static_cast<uint8_t>(Source::At(kG + i / 4) / 16 * 2 + i % 2);
    }
  }
};

// Codes [kG, kG + lanes) of a node, each kTimes times: indices in 32-bit lanes,
// whose lowest kBits bits from bit kTo on count, and what an index means.
template <class Node, size_t kG, size_t kLanes, size_t kTimes = 1>
struct CodeIndex {
  using Source = RepeatedBits<CodeBits<Node>, kTimes>;
  static constexpr CodeLoad Load() {
    if constexpr (kVbmi && kLanes >= 8 && Source::kHas) {
      return CodeWindow<Source, kG, kLanes>::kLoad;
    } else {
      return CodeLoad::kNone;
    }
  }
  static constexpr bool kHas = Load() != CodeLoad::kNone;
  static constexpr bool kRotates = Load() == CodeLoad::kRotate;
  static constexpr int Bits() {
    if constexpr (Source::kHas) return Source::kBits;
    return 0;
  }
  static constexpr int kBits = Bits();
  // Can single bits be tested where they are?
  static constexpr bool kTests =
      kRotates || (Load() == CodeLoad::kWords && kBits == 1);
  static constexpr int Meaning(int index) { return index; }

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL  // kVbmi
  static HWY_INLINE __m512i Multishift(__m512i from, __m512i v) {
    return _mm512_multishift_epi64_epi8(from, v);
  }
  static HWY_INLINE __m256i Multishift(__m256i from, __m256i v) {
    return _mm256_multishift_epi64_epi8(from, v);
  }
  template <int kTo, class D32, class X>
  static HWY_INLINE hn::Vec<D32> At(D32 d32, const X* HWY_RESTRICT x) {
    using Window = CodeWindow<Source, kG, kLanes>;
    const uint8_t* HWY_RESTRICT p =
        reinterpret_cast<const uint8_t*>(x) + Window::kFrom;
    if constexpr (kRotates) {
      // Shuffles are scarcer than shifts.
      static constexpr CodeRotations<Source, kG, kLanes, kTo> kRotations;
      const auto v = hn::Set(d32, formats::Load32(p));
      return hn::Ror(v, hn::Load(d32, kRotations.right));
    } else if constexpr (Window::kLoad == CodeLoad::kMultishift) {
      static constexpr CodeDistances<Source, kG, kLanes, kTo> kDistances;
      const hn::Repartition<uint8_t, D32> d8;
      const auto v = RepeatBytes<8>(d8, p);
      const auto from = hn::Load(d8, kDistances.from);
      return hn::BitCast(d32,
                         hn::Vec<decltype(d8)>{Multishift(from.raw, v.raw)});
    } else if constexpr (Window::kLoad == CodeLoad::kWords) {
      constexpr int kShift = 16 + static_cast<int>(Source::At(kG) % 16) - kTo;
      return hn::ShiftRight<kShift>(Words(d32, x));
    } else {
      const hn::Rebind<uint8_t, D32> bytes;
      constexpr int kShift = static_cast<int>(Source::At(kG) % 8) - kTo;
      const auto v = hn::PromoteTo(
          d32, hn::LoadU(bytes, (x->*Source::kMember) + Source::At(kG) / 8));
      if constexpr (kShift > 0) return hn::ShiftRight<kShift>(v);
      if constexpr (kShift < 0) return hn::ShiftLeft<-kShift>(v);
      return v;
    }
  }
  // Which codes are not 0.
  template <class D32, class X>
  static HWY_INLINE hn::Mask<D32> Test(D32 d32, const X* HWY_RESTRICT x) {
    if constexpr (kRotates) {
      using Window = CodeWindow<Source, kG, kLanes>;
      static constexpr CodeRotations<Source, kG, kLanes, 0> kRotations;
      const auto* p = reinterpret_cast<const uint8_t*>(x) + Window::kFrom;
      return hn::TestBit(hn::Set(d32, formats::Load32(p)),
                         hn::Load(d32, kRotations.mask));
    } else {
      static_assert(kTests, "a bit of every word");
      return hn::TestBit(Words(d32, x),
                         hn::Set(d32, 1u << Source::At(kG) % 16));
    }
  }

 private:
  template <class D32, class X>
  static HWY_INLINE hn::Vec<D32> Words(D32 d32, const X* HWY_RESTRICT x) {
    static constexpr CodeWords<Source, kG, kLanes> kWords;
    const hn::Repartition<uint8_t, D32> d8;
    const auto words = hn::LoadDup128(d8, x->*Source::kMember);
    return hn::BitCast(d32,
                       hn::TableLookupBytes(words, hn::Load(d8, kWords.byte)));
  }
#endif
};
// Two fields, the lower bits first.
template <class A, class B, size_t kG, size_t kLanes, size_t kTimes>
struct CodePair {
  using Low = CodeIndex<A, kG, kLanes, kTimes>;
  using High = CodeIndex<B, kG, kLanes, kTimes>;
  static constexpr bool kHas = Low::kHas && High::kHas;
  static constexpr int kBits = Low::kBits + High::kBits;
  template <int kTo, class D32, class X>
  static HWY_INLINE hn::Vec<D32> At(D32 d32, const X* HWY_RESTRICT x) {
    constexpr int kMiddle = kTo + Low::kBits;
    return hn::BitwiseIfThenElse(hn::Set(d32, (1u << kMiddle) - 1),
                                 Low::template At<kTo>(d32, x),
                                 High::template At<kMiddle>(d32, x));
  }
};
template <class A, int k, class B, size_t kG, size_t kLanes, size_t kTimes>
struct CodeIndex<formats::Or<A, formats::Shl<k, B>>, kG, kLanes, kTimes>
    : CodePair<A, B, kG, kLanes, kTimes> {
  using Base = CodePair<A, B, kG, kLanes, kTimes>;
  static constexpr bool kHas = Base::kHas && k == Base::Low::kBits;
  static constexpr int Meaning(int index) { return index; }
};
template <class E, class Sign, size_t kG, size_t kLanes, size_t kTimes>
struct CodeIndex<formats::SignedBy<E, Sign>, kG, kLanes, kTimes>
    : CodePair<E, Sign, kG, kLanes, kTimes> {
  using Low = CodeIndex<E, kG, kLanes, kTimes>;
  static constexpr int Meaning(int index) {
    const int low = index % (1 << Low::kBits);
    return index == low ? low : ~low;
  }
};
template <class E, uint64_t... kWords, size_t kG, size_t kLanes, size_t kTimes>
struct CodeIndex<formats::Lut<E, kWords...>, kG, kLanes, kTimes>
    : CodeIndex<E, kG, kLanes, kTimes> {
  using Index = CodeIndex<E, kG, kLanes, kTimes>;
  static constexpr bool kHas = Index::kHas && Index::kBits <= 5;
  static constexpr int Meaning(int index) {
    return formats::LutEntries<kWords...>::At(Index::Meaning(index));
  }
};

// The floats that indices stand for, times kStep, plus kBase.
template <class Index, int kStep, int kBase>
struct CodeFloats {
  alignas(64) float at[32] = {};
  constexpr CodeFloats() {
    for (int i = 0; i < 32; ++i) {
      at[i] = static_cast<float>(
          kStep * Index::Meaning(i % (1 << Index::kBits)) + kBase);
    }
  }
};

// kStep * code + kBase, for codes [kG, kG + lanes) of a node with CodeIndex.
template <class Index, int kStep, int kBase, class DF, class X>
HWY_INLINE hn::Vec<DF> ScaledCodes(DF df, const X* HWY_RESTRICT x) {
  const hn::RebindToUnsigned<DF> du;
  if constexpr (Index::kBits <= 5) {
    const auto v = Index::template At<0>(du, x);
    static constexpr CodeFloats<Index, kStep, kBase> kFloats;
    const hn::CappedTag<float, 16> dt;
    const hn::RebindToUnsigned<decltype(dt)> dw;
    const auto index = LowBitIndices(dt, hn::ResizeBitCast(dw, v));
    if constexpr (Index::kBits <= 4) {
      return hn::ResizeBitCast(
          df, hn::TableLookupLanes(hn::Load(dt, kFloats.at), index));
    } else {
      return hn::ResizeBitCast(
          df, hn::TwoTablesLookupLanes(dt, hn::Load(dt, kFloats.at),
                                       hn::Load(dt, kFloats.at + 16), index));
    }
  } else {
    // A code in the mantissa of 2^15, so that all is exact.
    constexpr float kOne = 32768.0f;
    static_assert(Index::kBits <= 8, "a byte of every lane");
    const auto code = hn::And(Index::template At<8>(du, x),
                              hn::Set(du, ((1u << Index::kBits) - 1) << 8));
    const auto sum =
        hn::BitCast(df, hn::Or(code, hn::BitCast(du, hn::Set(df, kOne))));
    if constexpr (kStep == 1) {
      return hn::Sub(sum, hn::Set(df, kOne - static_cast<float>(kBase)));
    } else {
      return hn::MulAdd(sum, hn::Set(df, static_cast<float>(kStep)),
                        hn::Set(df, static_cast<float>(kBase) - kOne * kStep));
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_SCALE_CODES_INL_H_
