// SPDX-License-Identifier: MIT
// Panel driver, generic over a format: unpacks rows once for a matmul.
#if defined(NIBBLE_SIMD_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_PANEL_INL_H_
#undef NIBBLE_SIMD_PANEL_INL_H_
#else
#define NIBBLE_SIMD_PANEL_INL_H_
#endif

#include <cstring>
#include <type_traits>
#include <utility>

#include "nibble/simd/dot-inl.h"
#include "nibble/simd/machine-inl.h"
#include "nibble/simd/panel.h"
#include "nibble/simd/prefetch.h"
#include "nibble/simd/scales-inl.h"
#include "nibble/simd/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Quads of products summed into 32 bits by one instruction.
inline constexpr bool kHasQuads = kNativeU8I8 || kNativeI8I8;

// Panels of levels as i8, for machines that multiply those; elsewhere levels
// are biased to u8.
inline constexpr bool kSignedPanels = kNeon;

// Lanes of a panel are rows: two vectors of 32-bit lanes.
using PanelD32 = hn::ScalableTag<int32_t>;
inline constexpr size_t kPanelRows = 2 * HWY_MAX_LANES_D(PanelD32);

// Formats with scales per 16 whose codes can be looked up in a vector of bytes.
template <class F>
inline constexpr bool kSmallCodesPer16 =
    F::kSub == 16 && F::kMaxCode < 16 &&
    formats::kIsPresent<typename F::ScaleCodes> &&
    !formats::IsSigned<typename F::Codes>::value &&
    !formats::kIsPresent<typename F::Signs> &&
    !formats::kIsPresent<typename F::ShiftCodes>;

// Levels times integer scales. Where all of them fit a byte, panels hold these
// products: what is left is one scale per block, repeated per 32 columns, whose
// integer sums are as exact as those per 16 were and half as many. AVX3_SPR,
// 512 tokens: Q2_K 401 -> 439 GFLOPS.
template <class F, bool kSmall = kNativeU8I8&& kSmallCodesPer16<F>>
struct LevelProducts {
  static constexpr bool kFit = false;
  static constexpr int kBias = 0;
};
template <class F>
struct LevelProducts<F, true> {
  static constexpr int kScales =
      1 << formats::Width<typename F::ScaleCodes>::value;
  static constexpr int Product(int code, int scale) {
    return (code - F::kZero) * (F::kScaleStep * scale + F::kScaleBase);
  }
  static constexpr int Outermost(bool largest) {
    int result = 0;
    for (const int code : {0, F::kMaxCode}) {
      for (const int scale : {0, kScales - 1}) {
        const int product = Product(code, scale);
        if (largest == (product > result)) result = product;
      }
    }
    return result;
  }
  static constexpr int kBias = -Outermost(false);
  static constexpr bool kFit = Outermost(true) + kBias <= 255;

  // The product + kBias of every code, per scale.
  struct Tables {
    alignas(16) uint8_t of[kScales][16] = {};
    constexpr Tables() {
      for (int scale = 0; scale < kScales; ++scale) {
        for (int code = 0; code <= F::kMaxCode; ++code) {
          of[scale][code] = static_cast<uint8_t>(Product(code, scale) + kBias);
        }
      }
    }
  };
};

// The integers of a format as bytes: code = level + kBias, or level times scale
// + kBias.
template <class F>
struct PanelTraits {
  using Codes = typename F::Codes;
  static constexpr bool kHasMin = formats::kIsPresent<typename F::MinCodes>;
  static constexpr bool kHasShift = formats::kIsPresent<typename F::ShiftCodes>;
  static constexpr bool kHasSigns = formats::kIsPresent<typename F::Signs>;
  static constexpr bool kSigned = formats::IsSigned<Codes>::value;
  static_assert(F::kShift >= 0, "a negative shift needs a larger bias");
  static_assert(!(kHasSigns && (kSigned || kHasShift || F::kZero != 0)),
                "signs go with plain magnitudes");
  static constexpr bool kProducts = LevelProducts<F>::kFit;

  // Added to the decoded byte. The zero point stays in unsigned codes.
  static constexpr int kAdd = kSignedPanels          ? -F::kZero
                              : kSigned || kHasSigns ? F::kMaxCode
                                                     : 0;
  static constexpr int kBias =
      kProducts ? LevelProducts<F>::kBias : kAdd + F::kZero;
  static_assert(!kHasMin || kBias == 0, "sums of activations go to the mins");
  // The largest magnitude.
  static constexpr int kHighest = formats::TableOf<Codes>::kSize != 0
                                      ? formats::TableOf<Codes>::kHighest
                                      : F::kMaxCode;
  static constexpr int kUpper = kHighest + kAdd + F::kShift;
  static constexpr int kLower =
      (kSigned || kHasSigns ? -F::kMaxCode : 0) + kAdd;
  static constexpr int kRange = kUpper < -kLower ? -kLower : kUpper;
  static_assert(!kSignedPanels || kUpper <= 127 || (kSigned && !kHasShift),
                "levels must fit i8");

  // Scales and mins that span more than 32 weights are repeated.
  static constexpr size_t kMinSub = F::kSub < 32 ? F::kSub : 32;
  static constexpr size_t kSub = kProducts ? 32 : kMinSub;
  static_assert(kMinSub == 16 || kMinSub == 32, "sub-blocks of 16 or n * 32");

  static constexpr PanelMath kMath =
      kHasQuads                  ? PanelMath::kQuads
      : kRange <= MaxPairCode(8) ? PanelMath::kPairs8
      : kRange <= MaxPairCode(4) ? PanelMath::kPairs4
      : kRange <= MaxPairCode(2) ? PanelMath::kPairs2
      : kRange <= MaxPairCode(1) ? PanelMath::kPairs1
                                 : PanelMath::kPlanes;
};

// Unpacks panels of 8-bit codes, four rows and one block at a time: everything
// between the packed bytes and the panel stays in registers. kPlanes: low and
// high nibbles apart.
template <class F, PanelCodes kCodes>
struct Int8Unpacker {
  using Traits = PanelTraits<F>;
  using Block = typename F::Block;
  // Shifts differ per sub-block, so a step must not span two of them.
  static constexpr size_t kStep =
      Traits::kHasShift && Traits::kSub == 16 ? 16 : 32;
  using D8 = hn::CappedTag<uint8_t, kStep>;
  static constexpr size_t kLanes = HWY_MAX_LANES_D(D8);
  // Targets that only have to work decode the four rows in a loop: a quarter of
  // what was most of their code.
  static constexpr int kRowsAtOnce =
      HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2 ? 1 : 4;
  using V8 = hn::Vec<D8>;
  static constexpr bool kPlanes = kCodes == PanelCodes::kPlanes;
  static constexpr bool kOctets = kCodes == PanelCodes::kOctets;
  static constexpr size_t kKStride = kPanelRows * 4;  // bytes per 4 columns
  static constexpr size_t kPlaneBytes = Traits::kSub / 4 * kKStride;
  static constexpr size_t kSubBytes = (kPlanes ? 2 : 1) * kPlaneBytes;
  static constexpr size_t kSubs = F::kBlock / F::kSub;

  // Four rows' worth of one block.
  struct Rows4 {
    const Block* x[4];
    SubScales<F> sub[4];
    uint8_t scale_codes[4][Traits::kProducts ? kSubs : 1];
    HWY_ALIGN uint8_t sign_buffer[4][F::kBlock / 8 + 8];
    const uint8_t* signs[4];
  };

  // The tables of sub-blocks [kS, kS + kLanes / 16).
  template <size_t kS>
  static HWY_INLINE V8 ProductTables(const uint8_t* HWY_RESTRICT scale_codes) {
    static constexpr typename LevelProducts<F>::Tables kTables;
    const D8 d8;
    const hn::Half<D8> half;
    return hn::Combine(d8, hn::Load(half, kTables.of[scale_codes[kS + 1]]),
                       hn::Load(half, kTables.of[scale_codes[kS]]));
  }
  static HWY_INLINE void DecodeScaleCodes(const Block& x,
                                          uint8_t* HWY_RESTRICT codes) {
    HWY_UNROLL(4)
    for (size_t s = 0; s < kSubs; s += 4) {
      const uint32_t four = formats::Quad::Eval(typename F::ScaleCodes(), x, s);
      memcpy(codes + s, &four, sizeof(four));
    }
  }

  // The codes of weights [kE, kE + kLanes) of a block of row i.
  template <size_t kE>
  static HWY_INLINE V8 Codes(const Rows4& rows, size_t i) {
    const D8 d8;
    const Block* HWY_RESTRICT x = rows.x[i];
    const V8 v = Simd<D8>::template Eval<kE>(typename F::Codes(), x);
    if constexpr (Traits::kProducts) {
      return hn::TableLookupBytes(
          ProductTables<kE / F::kSub>(rows.scale_codes[i]), v);
    } else if constexpr (Traits::kHasSigns) {
      const V8 zero = hn::Set(d8, static_cast<uint8_t>(Traits::kAdd));
      const auto negative = hn::LoadMaskBits(d8, rows.signs[i] + kE / 8);
      return hn::IfThenElse(negative, hn::Sub(zero, v), hn::Add(zero, v));
    } else if constexpr (Traits::kHasShift) {
      const int shift =
          formats::Scalar::Eval(typename F::ShiftCodes(), *x, kE / F::kSub);
      const int add = Traits::kAdd + F::kShift * shift;
      return hn::Add(v, hn::Set(d8, static_cast<uint8_t>(add)));
    } else if constexpr (Traits::kAdd != 0) {
      return hn::Add(v, hn::Set(d8, static_cast<uint8_t>(Traits::kAdd)));
    } else {
      return v;
    }
  }

  // Codes of four rows -> [k / 8][row][8].
  static HWY_INLINE void StoreOctets(V8 a, V8 b, V8 c, V8 d,
                                     uint8_t* HWY_RESTRICT to) {
    static_assert(kLanes == 16, "two times eight columns");
    const D8 d8;
    const hn::Repartition<uint64_t, D8> d64;
    const auto store = [&](V8 first, V8 second, uint8_t* out) HWY_ATTR {
      const auto a64 = hn::BitCast(d64, first);
      const auto b64 = hn::BitCast(d64, second);
      hn::StoreU(hn::BitCast(d8, hn::InterleaveLower(d64, a64, b64)), d8, out);
      hn::StoreU(hn::BitCast(d8, hn::InterleaveUpper(d64, a64, b64)), d8,
                 out + 2 * kKStride);
    };
    store(a, b, to);
    store(c, d, to + 16);
  }

  // Codes of four rows -> [k / 4][row][4].
  static HWY_INLINE void StoreQuads(V8 a, V8 b, V8 c, V8 d,
                                    uint8_t* HWY_RESTRICT to) {
    const hn::Repartition<uint32_t, D8> d32;
    auto a32 = hn::BitCast(d32, a);
    auto b32 = hn::BitCast(d32, b);
    auto c32 = hn::BitCast(d32, c);
    auto d32v = hn::BitCast(d32, d);
    Transpose4(d32, a32, b32, c32, d32v);
    // Sixteen columns on: the same sub-block or the next.
    constexpr size_t kNext = Traits::kSub == 16 ? kSubBytes : 4 * kKStride;
    StoreBlocks(d32, a32, to, kNext);
    StoreBlocks(d32, b32, to + kKStride, kNext);
    StoreBlocks(d32, c32, to + 2 * kKStride, kNext);
    StoreBlocks(d32, d32v, to + 3 * kKStride, kNext);
  }

  static HWY_INLINE void StoreCodes(V8 a, V8 b, V8 c, V8 d,
                                    uint8_t* HWY_RESTRICT to) {
    if constexpr (kOctets) {
      StoreOctets(a, b, c, d, to);
    } else {
      StoreQuads(a, b, c, d, to);
    }
  }

  template <size_t kE>
  static HWY_INLINE void Step(const Rows4& rows, uint8_t* HWY_RESTRICT codes) {
    const D8 d8;
    V8 v[4];
    HWY_UNROLL(kRowsAtOnce)
    for (size_t i = 0; i < 4; ++i) v[i] = Codes<kE>(rows, i);
    uint8_t* HWY_RESTRICT to = codes + kE / Traits::kSub * kSubBytes +
                               kE % Traits::kSub / 4 * kKStride;
    if constexpr (!kPlanes) {
      StoreCodes(v[0], v[1], v[2], v[3], to);
    } else {
      const V8 low = hn::Set(d8, uint8_t{15});
      StoreCodes(hn::And(v[0], low), hn::And(v[1], low), hn::And(v[2], low),
                 hn::And(v[3], low), to);
      StoreCodes(hn::ShiftRight<4>(v[0]), hn::ShiftRight<4>(v[1]),
                 hn::ShiftRight<4>(v[2]), hn::ShiftRight<4>(v[3]),
                 to + kPlaneBytes);
    }
  }

  template <size_t... kI>
  static HWY_INLINE void Steps(std::index_sequence<kI...>, const Rows4& rows,
                               uint8_t* HWY_RESTRICT codes) {
    (Step<kI * kLanes>(rows, codes), ...);
  }

  // The scales (or mins) of four rows -> [sub-block][row].
  static HWY_INLINE void StoreScales(const float* a, const float* b,
                                     const float* c, const float* d,
                                     float* HWY_RESTRICT to) {
    constexpr size_t kCount = F::kBlock / Traits::kMinSub;
    if constexpr (kCount % 4 == 0 && F::kSub <= 32) {
      const hn::Full128<float> df;
      HWY_UNROLL(4)
      for (size_t s = 0; s < kCount; s += 4) {
        auto va = hn::Load(df, a + s);
        auto vb = hn::Load(df, b + s);
        auto vc = hn::Load(df, c + s);
        auto vd = hn::Load(df, d + s);
        Transpose4(df, va, vb, vc, vd);
        hn::StoreU(va, df, to + s * kPanelRows);
        hn::StoreU(vb, df, to + (s + 1) * kPanelRows);
        hn::StoreU(vc, df, to + (s + 2) * kPanelRows);
        hn::StoreU(vd, df, to + (s + 3) * kPanelRows);
      }
    } else {
      HWY_UNROLL(8)
      for (size_t s = 0; s < kCount; ++s) {
        const size_t from = s * Traits::kMinSub / F::kSub;
        float* row = to + s * kPanelRows;
        row[0] = a[from];
        row[1] = b[from];
        row[2] = c[from];
        row[3] = d[from];
      }
    }
  }

  // The same scale for all.
  static HWY_INLINE void StoreBlockScales(const Rows4& rows,
                                          const float* row_scale,
                                          float* HWY_RESTRICT to) {
    const hn::Full128<float> df;
    HWY_ALIGN float scale[4];
    HWY_UNROLL(4)
    for (size_t i = 0; i < 4; ++i) {
      scale[i] = SubScales<F>::BlockScale(*rows.x[i], row_scale[i]);
    }
    const auto v = hn::Load(df, scale);
    HWY_UNROLL(8)
    for (size_t s = 0; s < F::kBlock / Traits::kSub; ++s) {
      hn::StoreU(v, df, to + s * kPanelRows);
    }
  }

  static HWY_INLINE void UnpackBlock(Rows4& rows, const float* row_scale,
                                     uint8_t* HWY_RESTRICT codes,
                                     float* HWY_RESTRICT scale,
                                     float* HWY_RESTRICT min) {
    HWY_UNROLL(4)
    for (size_t i = 0; i < 4; ++i) {
      rows.sub[i].Decode(*rows.x[i], row_scale[i]);
      if constexpr (Traits::kProducts) {
        DecodeScaleCodes(*rows.x[i], rows.scale_codes[i]);
      }
      if constexpr (Traits::kHasSigns) {
        rows.signs[i] =
            SignBits(typename F::Signs(), rows.x[i], rows.sign_buffer[i]);
      }
    }
    Steps(std::make_index_sequence<F::kBlock / kLanes>(), rows, codes);
    const auto& sub = rows.sub;
    if constexpr (Traits::kProducts) {
      StoreBlockScales(rows, row_scale, scale);
    } else {
      StoreScales(sub[0].scale, sub[1].scale, sub[2].scale, sub[3].scale,
                  scale);
    }
    if constexpr (Traits::kHasMin) {
      StoreScales(sub[0].min, sub[1].min, sub[2].min, sub[3].min, min);
    }
  }

  // Fetches the columns of rows [r, r + 4) from the panel below, which comes
  // next: hardware does not see jumps from row to row. Weights from memory,
  // Q4_K: 20 % less time for 5 to 10 tokens, 12 % for 16 to 32, 10 % for 64
  // with AVX2, less with VNNI. From a cache, or for more tokens: the same.
  static HWY_INLINE void FetchBelow(const PanelSource& source, size_t r) {
    const size_t begin =
        F::kRowHeader + source.col0 / F::kBlock * sizeof(Block);
    const size_t bytes = source.cols / F::kBlock * sizeof(Block);
    for (size_t i = 0; i < 4; ++i) {
      const uint8_t* HWY_RESTRICT p =
          source.Row(r + i) + kPanelRows * source.stride_bytes + begin;
      Prefetch<CacheLevel::kL2>(p, bytes);
    }
  }

  // Rows [r, r + 4) of the panel.
  static HWY_INLINE void UnpackRows(const PanelSource& source, size_t r,
                                    const Int8Panel& out) {
    Rows4 rows = {};
    float row_scale[4];
    HWY_UNROLL(4)
    for (size_t i = 0; i < 4; ++i) {
      const uint8_t* row = source.Row(r + i);
      row_scale[i] = RowScale<F>(row);
      rows.x[i] = reinterpret_cast<const Block*>(row + F::kRowHeader) +
                  source.col0 / F::kBlock;
    }
    uint8_t* codes = out.codes + r * (kOctets ? 8 : 4);
    float* scale = out.scale + r;
    float* min = out.min + r;
    constexpr size_t kScales = F::kBlock / Traits::kSub * kPanelRows;
    constexpr size_t kMins = F::kBlock / Traits::kMinSub * kPanelRows;
    for (size_t b = 0; b < source.cols / F::kBlock; ++b) {
      UnpackBlock(rows, row_scale, codes, scale, min);
      HWY_UNROLL(4)
      for (size_t i = 0; i < 4; ++i) ++rows.x[i];
      codes += F::kBlock / Traits::kSub * kSubBytes;
      scale += kScales;
      min += kMins;
    }
  }
};

// kPanelRows rows of a K block as 8-bit codes with exact scales.
template <class F, PanelCodes kCodes>
HWY_NOINLINE void UnpackInt8Panel(const PanelSource& source,
                                  const Int8Panel& out) {
  using Unpacker = Int8Unpacker<F, kCodes>;
  for (size_t r = 0; r < kPanelRows; r += 4) {
    Unpacker::FetchBelow(source, r);
    Unpacker::UnpackRows(source, r, out);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_PANEL_INL_H_
