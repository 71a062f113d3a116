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

// ---- Super-blocks of tables.

struct IQ4_KS_R4 : InterleavedBase<IQ4_KS, 4> {
  struct Group {
    uint8_t scales[32];
    uint8_t qs[512];
  };
  using Subs = List<PerSub<Base::ScaleCodes, Bits<7, 1, &Group::scales>>,
                    PerSub<Base::ShiftCodes, Bits<1, 0, &Group::scales>>>;
  using Codes = FourRowQuads<4, &Group::qs>;
};

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_INTERLEAVED_TYPES_H_
