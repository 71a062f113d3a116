// SPDX-License-Identifier: MIT
// The row-interleaved types of ik_llama.cpp, one description each.
//
// `scales_l` are the low bits of sub-block scales, `scales_h` the rest; element
// kRows * s + r belongs to sub-block s of row r.
#ifndef NIBBLE_FORMATS_INTERLEAVED_TYPES_H_
#define NIBBLE_FORMATS_INTERLEAVED_TYPES_H_

#include "nibble/formats/all.h"
#include "nibble/formats/interleaved.h"

namespace nibble {
namespace formats {

// Six bits of up to 64 scales: the low four, and the upper two.
template <auto kHigh, auto kLow>
using SixBits32 = Or<Field<4, 32, kLow>, Shl<4, Field<2, 16, kHigh>>>;

// ---- Blocks of 32 under one scale.

struct Q4_0_R8 : InterleavedBase<Q4_0, 8> {
  struct Group {
    Word16 d[8];
    uint8_t qs[128];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = StraightQuads<4, &Group::qs>;
};

struct Q5_0_R4 : InterleavedBase<Q5_0, 4> {
  struct Group {
    Word16 d[4];
    uint8_t qh[16];
    uint8_t qs[64];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = Or<FourRowQuads<4, &Group::qs>,
                   Shl<4, FourRowQuads<1, &Group::qh>>>;
};

struct Q6_0_R4 : InterleavedBase<Q6_0, 4> {
  struct Group {
    Word16 d[4];
    uint8_t qh[32];
    uint8_t qs[64];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = Or<FourRowQuads<4, &Group::qs>,
                   Shl<4, FourRowQuads<2, &Group::qh>>>;
};

struct Q8_0_R8 : InterleavedBase<Q8_0, 8> {
  struct Group {
    Word16 d[8];
    uint8_t qs[256];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = StraightQuads<8, &Group::qs>;
};

struct IQ4_NL_R4 : InterleavedBase<IQ4_NL, 4> {
  struct Group {
    Word16 d[4];
    uint8_t qs[64];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = FourRowQuads<4, &Group::qs>;
};

struct MXFP4_R8 : InterleavedBase<MXFP4, 8> {
  struct Group {
    Exponent8 d[8];
    uint8_t qs[128];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = StraightQuads<4, &Group::qs>;
};

// Blocks of 64 under a scale per row.
struct IQ2_BN_R4 : InterleavedBase<IQ2_BN, 4> {
  struct Group {
    uint8_t qs[64];
  };
  using Codes = FourRowQuads<2, &Group::qs>;
};

// Blocks of 256 under one scale. Files made by machines with VNNI and others
// differ in Q8_K_R16: that its codes are biased by 128 is the definition.
struct Q8_K_R8 : InterleavedBase<Q8_K_ROW, 8> {
  struct Group {
    Word16 d[8];
    uint8_t qs[2048];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = StraightQuads<8, &Group::qs>;
};
struct Q8_K_R16 : InterleavedBase<Q8_K_ROW, 16> {
  struct Group {
    Word16 d[16];
    uint8_t qs[4096];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Codes = Biased<StraightQuads<8, &Group::qs>>;
};

// Two neighbours of a BF16 row, as one block of four bytes.
struct BF16Pair : FormatBase {
  struct Block {
    uint8_t bytes[4];
  };
  static constexpr size_t kBlock = 2, kSub = 2;
  using Codes = Field<8, 4, &Block::bytes>;
};
struct BF16_R16 : InterleavedBase<BF16Pair, 16> {
  struct Group {
    uint8_t bytes[64];
  };
  static constexpr size_t kQuads = 1;
  using Codes = StraightQuads<8, &Group::bytes>;
};

// ---- Super-blocks of even levels.

// Scales and mins of Q4_K_R4 and Q5_K_R4: low nibbles beside each other, and
// the two upper bits of both in a nibble.
template <int kShift, auto kHigh, auto kLow>
using SixBitRows =
    Or<Bits<4, 2 * kShift, kLow>,
       Shl<4, Halves<16, Bits<2, kShift, kHigh>, Bits<2, kShift + 4, kHigh>>>>;

struct Q2_K_R4 : InterleavedBase<Q2_K, 4> {
  struct Group {
    Word16 d[4], dmin[4];
    uint8_t scales[64];
    uint8_t qs[256];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>,
                      Copy<&BaseBlock::dmin, &Group::dmin>>;
  using Subs = List<PerSub<Base::ScaleCodes, Bits<4, 0, &Group::scales>>,
                    PerSub<Base::MinCodes, Bits<4, 4, &Group::scales>>>;
  using Codes = FourRowQuads<2, &Group::qs>;
};

struct Q3_K_R4 : InterleavedBase<Q3_K, 4> {
  struct Group {
    Word16 d[4];
    uint8_t scales_h[16], scales_l[32];
    uint8_t qh[128];
    uint8_t qs[256];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes,
                           SixBits32<&Group::scales_h, &Group::scales_l>>>;
  using Codes =
      Or<FourRowQuads<2, &Group::qs>, Shl<2, StraightQuads<1, &Group::qh>>>;
};

struct Q4_K_R4 : InterleavedBase<Q4_K, 4> {
  struct Group {
    Word16 d[4], dmin[4];
    uint8_t scales_h[16], scales_l[32];
    uint8_t qs[512];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>,
                      Copy<&BaseBlock::dmin, &Group::dmin>>;
  using Subs = List<
      PerSub<Base::ScaleCodes,
             SixBitRows<0, &Group::scales_h, &Group::scales_l>>,
      PerSub<Base::MinCodes,
             SixBitRows<2, &Group::scales_h, &Group::scales_l>>>;
  using Codes = FourRowQuads<4, &Group::qs>;
};

struct Q5_K_R4 : InterleavedBase<Q5_K, 4> {
  struct Group {
    Word16 d[4], dmin[4];
    uint8_t scales_h[16], scales_l[32];
    uint8_t qh[128];
    uint8_t qs[512];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>,
                      Copy<&BaseBlock::dmin, &Group::dmin>>;
  using Subs = List<
      PerSub<Base::ScaleCodes,
             SixBitRows<0, &Group::scales_h, &Group::scales_l>>,
      PerSub<Base::MinCodes,
             SixBitRows<2, &Group::scales_h, &Group::scales_l>>>;
  using Codes = Or<FourRowQuads<4, &Group::qs>,
                   Shl<4, RowQuads<1, 4, 1, 2, &Group::qh>>>;
};

struct Q6_K_R4 : InterleavedBase<Q6_K, 4> {
  struct Group {
    Word16 d[4];
    uint8_t scales[64];
    uint8_t qh[256];
    uint8_t ql[512];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes, Field<8, 64, &Group::scales>>>;
  using Codes = Or<FourRowQuads<4, &Group::ql>,
                   Shl<4, RowQuads<2, 1, 2, 4, &Group::qh>>>;
};

// ---- Super-blocks of tables. A bit per sub-block and row: Field<1, 8>.

struct IQ4_XS_R8 : InterleavedBase<IQ4_XS, 8> {
  struct Group {
    Word16 d[8];
    uint8_t scales_h[16], scales_l[32];
    uint8_t qs[1024];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes,
                           SixBits32<&Group::scales_h, &Group::scales_l>>>;
  using Codes = RowQuads<4, 2, 1, 4, &Group::qs>;
};

struct IQ2_K_R4 : InterleavedBase<IQ2_K, 4> {
  struct Group {
    Word16 d[4];
    uint8_t shifts[8];
    uint8_t scales[32];
    uint8_t qs[256];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes, Field<4, 32, &Group::scales>>,
                    PerSub<Base::ShiftCodes, Field<1, 8, &Group::shifts>>>;
  using Codes = FourRowQuads<2, &Group::qs>;
};

struct IQ3_K_R4 : InterleavedBase<IQ3_K, 4> {
  struct Group {
    Word16 d[4];
    uint8_t shifts[8];
    uint8_t signs[8];
    uint8_t scales[32];
    uint8_t qs[256];
    uint8_t qh[128];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<
      PerSub<Field<4, 1, &BaseBlock::scales>, Field<4, 32, &Group::scales>>,
      PerSub<Field<1, 1, &BaseBlock::signs>, Field<1, 8, &Group::signs>>,
      PerSub<Base::ShiftCodes, Field<1, 8, &Group::shifts>>>;
  using Codes =
      Or<FourRowQuads<2, &Group::qs>, Shl<2, StraightQuads<1, &Group::qh>>>;
};

struct IQ4_K_R4 : InterleavedBase<IQ4_K, 4> {
  struct Group {
    Word16 d[4];
    uint8_t shifts[8];
    uint8_t scales_h[16], scales_l[32];
    uint8_t qs[512];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes,
                           SixBits32<&Group::scales_h, &Group::scales_l>>,
                    PerSub<Base::ShiftCodes, Field<1, 8, &Group::shifts>>>;
  using Codes = FourRowQuads<4, &Group::qs>;
};

// The fifth bits of IQ5_K_R4 and IQ5_KS_R4.
template <auto kLow, auto kHigh>
using FiveBitQuads =
    Or<FourRowQuads<4, kLow>, Shl<4, RowQuads<1, 2, 1, 4, kHigh>>>;

struct IQ5_K_R4 : InterleavedBase<IQ5_K, 4> {
  struct Group {
    Word16 d[4];
    uint8_t shifts[8];
    uint8_t scales_h[16], scales_l[32];
    uint8_t qs[512];
    uint8_t qh[128];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes,
                           SixBits32<&Group::scales_h, &Group::scales_l>>,
                    PerSub<Base::ShiftCodes, Field<1, 8, &Group::shifts>>>;
  using Codes = FiveBitQuads<&Group::qs, &Group::qh>;
};

struct IQ5_KS_R4 : InterleavedBase<IQ5_KS, 4> {
  struct Group {
    uint8_t scales[32];
    uint8_t qs[512];
    uint8_t qh[128];
  };
  using Subs = List<PerSub<Base::ScaleCodes, Bits<7, 1, &Group::scales>>,
                    PerSub<Base::ShiftCodes, Bits<1, 0, &Group::scales>>>;
  using Codes = FiveBitQuads<&Group::qs, &Group::qh>;
};

struct IQ4_KS_R4 : InterleavedBase<IQ4_KS, 4> {
  struct Group {
    uint8_t scales[32];
    uint8_t qs[512];
  };
  using Subs = List<PerSub<Base::ScaleCodes, Bits<7, 1, &Group::scales>>,
                    PerSub<Base::ShiftCodes, Bits<1, 0, &Group::scales>>>;
  using Codes = FourRowQuads<4, &Group::qs>;
};

// ---- Codebooks. Signs with a parity are stored as running parities; in
// IQ2_XXS_R4 and IQ3_XXS_R4 beside a bit of the scale.

template <class Base, auto kSigns>
using SignAndScaleBytes =
    List<PerGroup<4, typename SevenSigns<typename Base::Signs>::type,
                  RunningParity<7, Bits<7, 1, kSigns>>, RowAfterRow<4, 4>>,
         PerGroup<4, BitOf<4, typename Base::ScaleCodes>, Bits<1, 0, kSigns>,
                  RowAfterRow<4, 4>>>;

struct IQ2_XXS_R4 : InterleavedBase<IQ2_XXS, 4> {
  struct Group {
    Word16 d[4];
    uint8_t signs[128];
    uint8_t qs[128];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Groups = Join<
      SignAndScaleBytes<Base, &Group::signs>,
      List<PerGroup<4, IndexOf<Base>, Field<8, 128, &Group::qs>,
                    RowAfterRow<4, 4>>>>;
  using BaseCodes = NoCodes;
};

struct IQ3_XXS_R4 : InterleavedBase<IQ3_XXS, 4> {
  struct Group {
    Word16 d[4];
    uint8_t signs[128];
    uint8_t qs[256];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Groups = Join<
      SignAndScaleBytes<Base, &Group::signs>,
      List<PerGroup<8, IndexOf<Base>, Field<8, 256, &Group::qs>,
                    RowAfterRow<4, 8>>>>;
  using BaseCodes = NoCodes;
};

struct IQ2_XS_R4 : InterleavedBase<IQ2_XS, 4> {
  struct Group {
    Word16 d[4];
    uint8_t qs[256];
    uint8_t scales[32];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes, Field<4, 4, &Group::scales>>>;
  using Groups = List<
      PerGroup<4, IndexOf<Base>, WordField<9, 0, &Group::qs>,
               RowAfterRow<4, 4>>,
      PerGroup<4, typename SevenSigns<Base::Signs>::type,
               RunningParity<7, WordField<7, 9, &Group::qs>>,
               RowAfterRow<4, 4>>>;
  using BaseCodes = NoCodes;
};

struct IQ2_S_R4 : InterleavedBase<IQ2_S, 4> {
  struct Group {
    Word16 d[4];
    uint8_t qs[128];
    uint8_t qh[32];
    uint8_t signs[128];
    uint8_t scales[32];
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes, Field<4, 4, &Group::scales>>>;
  using Groups = List<
      PerGroup<4, IndexOf<Base>,
               Or<Field<8, 128, &Group::qs>, Shl<8, Field<2, 1, &Group::qh>>>,
               RowAfterRow<4, 4>>,
      PerGroup<4, Field<8, 32, &BaseBlock::signs>,
               Field<8, 128, &Group::signs>, RowAfterRow<4, 4>>>;
  using BaseCodes = NoCodes;
};

struct IQ3_S_R4 : InterleavedBase<IQ3_S, 4> {
  struct Group {
    Word16 d[4];
    uint8_t qs[256];
    uint8_t qh[32];
    uint8_t signs[128];
    uint8_t scales[16];
  };
  struct IndexBytes {  // in quarters: groups 0, 4 of all rows, then 1, 5 ...
    static constexpr size_t At(size_t S, size_t r, size_t g) {
      return 32 * S + 8 * (g % 4) + 4 * (g / 4) + r;
    }
  };
  using Copies = List<Copy<&BaseBlock::d, &Group::d>>;
  using Subs = List<PerSub<Base::ScaleCodes, Field<4, 16, &Group::scales>>>;
  using Groups = List<
      PerGroup<8, Field<8, 64, &BaseBlock::qs>, Field<8, 256, &Group::qs>,
               IndexBytes>,
      PerGroup<8, Field<1, 1, &BaseBlock::qh>, Field<1, 1, &Group::qh>,
               RowAfterRow<4, 8>>>;
  using BaseCodes = Field<1, 1, &BaseBlock::signs>;
  using Codes = StraightQuads<1, &Group::signs>;
};

// Per 32 weights of the rows: 16 bytes of low index bits, four words with the
// rest.
struct IQ1_S_R4 : InterleavedBase<IQ1_S_ROW, 4> {
  struct Group {
    uint8_t bits[192];
  };
  template <int kBits>
  using String = BitString<kBits, &Group::bits>;
  using Groups = List<
      PerGroup<4, Field<8, 32, &BaseBlock::qs>, String<8>,
               SpanBits<192, 0, 8, 64, 32>>,
      PerGroup<4, RecordField<3, 0, 4, 3, 2, &BaseBlock::qh>, String<3>,
               SpanBits<192, 128, 16, 6, 3>>,
      PerGroup<1, WordField<3, 12, &BaseBlock::qh>, String<3>,
               SpanBits<192, 140, 16, 0, 0>>,
      PerGroup<1, WordField<1, 15, &BaseBlock::qh>, String<1>,
               SpanBits<192, 143, 16, 0, 0>>>;
  using BaseCodes = NoCodes;
};

// 16 bytes of low index bits, eight of nibbles, four of scales.
struct IQ1_M_R4 : InterleavedBase<IQ1_M_ROW, 4> {
  struct Group {
    uint8_t bits[224];
  };
  template <int kBits>
  using String = BitString<kBits, &Group::bits>;
  using Groups = List<
      PerGroup<4, Field<8, 32, &BaseBlock::qs>, String<8>,
               SpanBits<224, 0, 8, 64, 32>>,
      PerGroup<4, Field<4, 1, &BaseBlock::qh>, String<4>,
               SpanBits<224, 128, 8, 32, 4>>,
      PerGroup<2, Field<4, 1, &BaseBlock::scales>, String<4>,
               SpanBits<224, 192, 8, 0, 4>>>;
  using BaseCodes = NoCodes;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_INTERLEAVED_TYPES_H_
