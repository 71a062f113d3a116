// SPDX-License-Identifier: MIT
// Micro-kernels of the int8 matmul: panels x activations, the same for every
// format. Lanes are rows; activations are broadcast four columns at a time.
#if defined(NIBBLE_SIMD_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SIMD_MATMUL_INL_H_
#undef NIBBLE_SIMD_MATMUL_INL_H_
#else
#define NIBBLE_SIMD_MATMUL_INL_H_
#endif

#include <type_traits>
#include <utility>

#include "nibble/formats/nodes.h"
#include "nibble/simd/panel-inl.h"
#include "nibble/simd/panel.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Columns unpacked at a time: codes of 16 (AVX2) or 32 KiB (AVX-512 VNNI, whose
// cores have 48 KiB of L1) stay in L1 while the tokens stream past them.
inline constexpr size_t kPanelCols = 1024;

// Makes the compiler hold `v` in a register here. Without it g++ 12 and clang
// 14 regroup the sums of an unrolled loop into a tree, whose leaves they then
// spill (AVX2, Q4_0: 75 -> 1 GFLOPS).
#if HWY_ARCH_X86 && HWY_TARGET < HWY_EMU128 && !HWY_COMPILER_MSVC
template <class V>
HWY_INLINE void Pin(V& v) {
  __asm__("" : "+v"(v.raw));
}
#elif NIBBLE_NEON
HWY_INLINE void Pin(Products16& p) { __asm__("" : "+w"(p.low), "+w"(p.high)); }
#else
template <class V>
HWY_INLINE void Pin(V&) {}
#endif

// kSub columns share a scale and kMinSub a min, or there are none: 0.
template <PanelMath kMath, size_t kSub, size_t kMinSub>
struct PanelKernel {
  static constexpr bool kMin = kMinSub != 0;
  // Columns of a correction.
  static constexpr size_t kCorrected = kMin ? kMinSub : kSub;
  static constexpr bool kManyRegisters = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;
  static constexpr size_t kPlanes = kMath == PanelMath::kPlanes ? 2 : 1;
  static constexpr bool kOctets = kMath == PanelMath::kOctets;
  // Pairs added up in 16 bits before they are widened.
  static constexpr size_t kDepth = kMath == PanelMath::kPairs4   ? 4
                                   : kMath == PanelMath::kPairs2 ? 2
                                   : kMath == PanelMath::kPairs1 ? 1
                                   : kSub / 4 < 8                ? kSub / 4
                                                                 : 8;
  // Sub-blocks that share a scale of the activations and are added up before it
  // is applied: two of 16 take five operations instead of six.
  static constexpr size_t kParts = kHasQuads ? 32 / kSub : 1;
  // Tokens per step: as many as the registers hold.
  static constexpr size_t kTokens =
      HWY_TARGET == HWY_EMU128                    ? 1
      : kOctets                                   ? 4
      : kMath == PanelMath::kQuads && kNativeU8I8 ? (kParts == 2 ? 4 : 6)
      : kMath == PanelMath::kQuads && !kNeon      ? 3
      : kMath != PanelMath::kQuads && kDepth < kSub / 4 && !kManyRegisters ? 3
                                                                           : 4;
  static constexpr size_t kXStride = sizeof(Int8PanelChunk);
  static constexpr size_t kKStride = kPanelRows * 4;
  static constexpr size_t kPlaneBytes = kSub / 4 * kKStride;
  static constexpr size_t kMaxCorrections = kPanelCols / kCorrected;
  // A vector of sums has kN rows of kPair tokens, token by token.
  static constexpr size_t kPair = kOctets ? 2 : 1;
  static constexpr size_t kN = kPanelRows / 2 / kPair;
  // Vectors of rows per pass over a panel; planes come in twos themselves.
  static constexpr size_t kV = kPlanes == 2 ? 1 : 2 * kPair;
  // Vectors of tokens: the last may have one without its partner.
  template <size_t T>
  static constexpr size_t kVectors = (T + kPair - 1) / kPair;
  static_assert(!kOctets || kSignedPanels, "sums start from zero");

  using DI = PanelD32;
  using DF = hn::RebindToFloat<DI>;
  using DI8 = hn::Repartition<int8_t, DI>;
  using D8 = hwy::If<kSignedPanels, DI8, hn::Repartition<uint8_t, DI>>;
  using VI = hn::Vec<DI>;
  using VF = hn::Vec<DF>;
  // What is added per sub-block and token: -bias * sum, or sum * scale for
  // mins.
  using Correction = hwy::If<kMin, float, int32_t>;
  static constexpr bool kHasCorrections = kMin || !kSignedPanels;

  static HWY_INLINE hn::Vec<DI8> Four(const int8_t* HWY_RESTRICT codes) {
    const auto four = static_cast<int32_t>(formats::Load32(codes));
    return hn::BitCast(DI8(), hn::Set(DI(), four));
  }
  static HWY_INLINE hn::Vec<D8> LoadCodes(const uint8_t* HWY_RESTRICT codes) {
    const hn::Repartition<uint8_t, DI> d8;
    return hn::BitCast(D8(), hn::Load(d8, codes));
  }

  // Corrections of one token's chunk -> to[256 / kCorrected].
  static HWY_INLINE void Correct(const Int8PanelChunk& x, int bias,
                                 Correction* HWY_RESTRICT to) {
    const hn::CappedTag<float, 8> df;
    const hn::RebindToSigned<decltype(df)> di;
    const size_t n = hn::Lanes(df);
    const int32_t* HWY_RESTRICT sums = kCorrected == 32 ? x.sum32 : x.sum16;
    if constexpr (!kMin) {
      const auto factor = hn::Set(di, -bias);
      for (size_t i = 0; i < 256 / kCorrected; i += n) {
        hn::StoreU(hn::Mul(hn::LoadU(di, sums + i), factor), di, to + i);
      }
    } else if constexpr (kMinSub == 32) {
      for (size_t i = 0; i < 8; i += n) {
        const auto sum = hn::ConvertTo(df, hn::LoadU(di, sums + i));
        hn::StoreU(hn::Mul(sum, hn::LoadU(df, x.scale + i)), df, to + i);
      }
    } else {
      for (size_t i = 0; i < 8; i += n) {
        const auto scale = hn::LoadU(df, x.scale + i);
        const auto low = hn::ConvertTo(df, hn::LoadU(di, sums + 2 * i));
        const auto high = hn::ConvertTo(df, hn::LoadU(di, sums + 2 * i + n));
        hn::StoreU(hn::Mul(low, hn::InterleaveWholeLower(df, scale, scale)), df,
                   to + 2 * i);
        hn::StoreU(hn::Mul(high, hn::InterleaveWholeUpper(df, scale, scale)),
                   df, to + 2 * i + n);
      }
    }
  }

  // Sums of two vectors of weights: two groups of rows, or two planes of one.
  template <size_t T>
  using Pairs = Sums16<DI>[T][2];

  // For vector v or t of sums: w[row] of its rows, x[token * stride] of its
  // tokens.
  static HWY_INLINE VF OfRows(const float* HWY_RESTRICT w) {
    if constexpr (kOctets) {
      const hn::Repartition<uint64_t, DF> d64;
      return hn::BitCast(DF(), hn::Set(d64, formats::Load64(w)));
    } else {
      return hn::Load(DF(), w);
    }
  }
  template <size_t T>
  static HWY_INLINE VF OfTokens(size_t t, const float* HWY_RESTRICT x,
                                size_t stride) {
    const DF df;
    const VF first = hn::Set(df, x[t * kPair * stride]);
    if constexpr (!kOctets || T == 1) {
      return first;
    } else {
      const VF second = hn::Set(df, x[(t * kPair + 1) * stride]);
      return hn::ConcatLowerLower(df, second, first);
    }
  }

  // Columns [k, k + 8) of two tokens (see PairTokens), or of one, twice.
  template <size_t T>
  static HWY_INLINE hn::Vec<DI8> TwoTokens(const int8_t* HWY_RESTRICT x,
                                           size_t k) {
    if constexpr (T == 1) {
      const hn::Repartition<uint64_t, DI> d64;
      return hn::BitCast(DI8(), hn::Set(d64, formats::Load64(x + k)));
    } else {
      return hn::Load(DI8(), x + k % 16 / 8 * kXStride + k / 16 * 16);
    }
  }

  // sum[t][v] += products of one sub-block: octets.
  template <size_t T>
  static HWY_INLINE void Octets(const uint8_t* HWY_RESTRICT w,
                                const int8_t* HWY_RESTRICT x,
                                VI (&sum)[kVectors<T>][kV]) {
    HWY_UNROLL(4)
    for (size_t k = 0; k < kSub; k += 8) {
      hn::Vec<DI8> x8[kVectors<T>];
      HWY_UNROLL(4)
      for (size_t t = 0; t < kVectors<T>; ++t) {
        x8[t] = TwoTokens<T>(x + t * kPair * kXStride, k);
      }
      HWY_UNROLL(4)
      for (size_t v = 0; v < kV; ++v) {
        const auto w8 = LoadCodes(w + k * kPanelRows + v * 16);
        HWY_UNROLL(4)
        for (size_t t = 0; t < kVectors<T>; ++t) {
          sum[t][v] = OctetsI8(DI(), x8[t], w8, sum[t][v]);
        }
      }
    }
  }

  // sum[t][v] += products of sixteen columns, whose activations are loaded once
  // per token.
  template <size_t T, int... kJ>
  static HWY_INLINE void QuadsOf16(std::integer_sequence<int, kJ...>,
                                   const uint8_t* HWY_RESTRICT w,
                                   const int8_t* HWY_RESTRICT x,
                                   VI (&sum)[T][kV]) {
    hn::Vec<DI8> x16[T];
    HWY_UNROLL(8)
    for (size_t t = 0; t < T; ++t) x16[t] = hn::Load(DI8(), x + t * kXStride);
    const auto four = [&](auto j) HWY_ATTR {
      const auto w0 = LoadCodes(w + j * kKStride);
      const auto w1 = LoadCodes(w + j * kKStride + kKStride / 2);
      HWY_UNROLL(8)
      for (size_t t = 0; t < T; ++t) {
        sum[t][0] = QuadsI8<j>(DI(), w0, x16[t], sum[t][0]);
        sum[t][1] = QuadsI8<j>(DI(), w1, x16[t], sum[t][1]);
      }
    };
    (four(std::integral_constant<int, kJ>()), ...);
  }

  // sum[t][v] += products of one sub-block: quads, straight into 32 bits.
  template <size_t T>
  static HWY_INLINE void Quads(const uint8_t* HWY_RESTRICT w,
                               const int8_t* HWY_RESTRICT x, VI (&sum)[T][kV]) {
    HWY_UNROLL(8)
    for (size_t j = 0; j < kSub / 4; ++j) {
      const auto w0 = LoadCodes(w + j * kKStride);
      const auto w1 = LoadCodes(w + j * kKStride + kKStride / 2);
      HWY_UNROLL(8)
      for (size_t t = 0; t < T; ++t) {
        const auto x4 = Four(x + t * kXStride + 4 * j);
        sum[t][0] = QuadsU8I8(DI(), w0, x4, sum[t][0]);
        sum[t][1] = QuadsU8I8(DI(), w1, x4, sum[t][1]);
      }
    }
  }

  // 16-bit sums of products, kDepth deep: they cannot saturate. The second
  // vector of weights is `second` bytes behind the first.
  template <size_t T>
  static HWY_INLINE void SumPairs(const uint8_t* HWY_RESTRICT w, size_t second,
                                  const int8_t* HWY_RESTRICT x,
                                  Pairs<T>& pairs) {
    HWY_UNROLL(8)
    for (size_t j = 0; j < kDepth; ++j) {
      const auto w0 = LoadCodes(w + j * kKStride);
      const auto w1 = LoadCodes(w + j * kKStride + second);
      HWY_UNROLL(8)
      for (size_t t = 0; t < T; ++t) {
        const auto x4 = Four(x + t * kXStride + 4 * j);
        if (j == 0) {
          pairs[t][0] = Multiply16(DI(), w0, x4);
          pairs[t][1] = Multiply16(DI(), w1, x4);
        } else {
          pairs[t][0] = MultiplyAdd16(DI(), w0, x4, pairs[t][0]);
          pairs[t][1] = MultiplyAdd16(DI(), w1, x4, pairs[t][1]);
        }
        Pin(pairs[t][0]);
        Pin(pairs[t][1]);
      }
    }
  }

  // sum + planes of low and high nibbles.
  template <class V16>
  static HWY_INLINE VI AddPlanes(V16 low, V16 high, VI sum) {
    const hn::Repartition<int16_t, DI> d16;
    const auto upper = hn::WidenMulPairwiseAdd(DI(), high, hn::Set(d16, 16));
    return hn::Add(sum, AddQuads(DI(), low, upper));
  }

  // sum[t][v] += products of one sub-block.
  template <size_t T>
  static HWY_INLINE void Products(const uint8_t* HWY_RESTRICT w,
                                  const int8_t* HWY_RESTRICT x,
                                  VI (&sum)[kVectors<T>][kV]) {
    if constexpr (kOctets) {
      Octets<T>(w, x, sum);
    } else if constexpr (kMath == PanelMath::kQuads && kNeon) {
      HWY_UNROLL(2)
      for (size_t k = 0; k < kSub; k += 16) {
        QuadsOf16<T>(std::make_integer_sequence<int, 4>(), w + k / 4 * kKStride,
                     x + k, sum);
      }
    } else if constexpr (kMath == PanelMath::kQuads) {
      Quads<T>(w, x, sum);
    } else if constexpr (kPlanes == 2) {
      Pairs<T> planes;
      SumPairs<T>(w, kPlaneBytes, x, planes);
      HWY_UNROLL(8)
      for (size_t t = 0; t < T; ++t) {
        sum[t][0] = AddPlanes(planes[t][0], planes[t][1], sum[t][0]);
      }
    } else {
      HWY_UNROLL(4)
      for (size_t j = 0; j < kSub / 4; j += kDepth) {
        Pairs<T> pairs;
        SumPairs<T>(w + j * kKStride, kKStride / 2, x + 4 * j, pairs);
        HWY_UNROLL(8)
        for (size_t t = 0; t < T; ++t) {
          sum[t][0] = AddQuads(DI(), pairs[t][0], sum[t][0]);
          sum[t][1] = AddQuads(DI(), pairs[t][1], sum[t][1]);
        }
      }
    }
  }

  // The corrections of T tokens.
  template <size_t T>
  struct Corrections {
    HWY_ALIGN Correction values[T][kHasCorrections ? kMaxCorrections : 1];

    HWY_INLINE void Fill(const Int8PanelChunk* HWY_RESTRICT x,
                         size_t chunk_stride, size_t cols, int bias) {
      if constexpr (kHasCorrections) {
        for (size_t t = 0; t < T; ++t) {
          for (size_t i = 0; i * 256 < cols; ++i) {
            Correct(x[i * chunk_stride + t], bias,
                    values[t] + i * 256 / kCorrected);
          }
        }
      }
    }
    // What the integer sums of sub-block s start from.
    HWY_INLINE void Start(size_t s, VI (&sum)[kVectors<T>][kV]) const {
      HWY_UNROLL(8)
      for (size_t t = 0; t < kVectors<T>; ++t) {
        HWY_UNROLL(4)
        for (size_t v = 0; v < kV; ++v) {
          if constexpr (kMin || !kHasCorrections) {
            sum[t][v] = hn::Zero(DI());
          } else {
            sum[t][v] = hn::Set(DI(), values[t][s]);
          }
        }
      }
    }
    // f -= min s * sum of the activations.
    HWY_INLINE void Subtract(size_t s, const float* HWY_RESTRICT min,
                             VF (&f)[kVectors<T>][kV]) const {
      HWY_UNROLL(8)
      for (size_t t = 0; t < kVectors<T>; ++t) {
        const VF sums = OfTokens<T>(t, &values[0][s], kMaxCorrections);
        HWY_UNROLL(4)
        for (size_t v = 0; v < kV; ++v) {
          f[t][v] = hn::NegMulAdd(OfRows(min + v * kN), sums, f[t][v]);
        }
      }
    }
  };

  // f += sums * scale of the weights * scale of the activations.
  template <size_t T>
  static HWY_INLINE void Scale(const VI (&sum)[kParts][kVectors<T>][kV],
                               const float* HWY_RESTRICT w_scale,
                               const float* HWY_RESTRICT x_scale,
                               VF (&f)[kVectors<T>][kV]) {
    const DF df;
    HWY_UNROLL(8)
    for (size_t t = 0; t < kVectors<T>; ++t) {
      const VF x = OfTokens<T>(t, x_scale, kXStride / sizeof(float));
      HWY_UNROLL(4)
      for (size_t v = 0; v < kV; ++v) {
        const VF w = OfRows(w_scale + v * kN);
        const VF first = hn::ConvertTo(df, sum[0][t][v]);
        if constexpr (kParts == 1) {
          f[t][v] = hn::MulAdd(first, hn::Mul(w, x), f[t][v]);
        } else {
          const VF second = hn::ConvertTo(df, sum[1][t][v]);
          const VF w2 = OfRows(w_scale + kPanelRows + v * kN);
          const VF both = hn::MulAdd(second, w2, hn::Mul(first, w));
          f[t][v] = hn::MulAdd(both, x, f[t][v]);
        }
      }
    }
  }

  static HWY_INLINE void AddTo(VF f, float* HWY_RESTRICT c) {
    hn::Store(hn::Add(hn::Load(DF(), c), f), DF(), c);
  }
  template <size_t T>
  static HWY_INLINE void AddTo(const VF (&f)[kVectors<T>][kV],
                               float* HWY_RESTRICT c) {
    HWY_UNROLL(8)
    for (size_t t = 0; t < kVectors<T>; ++t) {
      float* HWY_RESTRICT to = c + t * kPair * kPanelRows;
      HWY_UNROLL(4)
      for (size_t v = 0; v < kV; v += kPair) {
        if constexpr (!kOctets) {
          AddTo(f[t][v], to + v * kN);
        } else {
          const VF a = f[t][v], b = f[t][v + 1];
          AddTo(hn::ConcatLowerLower(DF(), b, a), to + v * kN);
          if constexpr (T > 1) {
            AddTo(hn::ConcatUpperUpper(DF(), b, a), to + kPanelRows + v * kN);
          }
        }
      }
    }
  }

  // kV vectors of rows times T tokens.
  template <size_t T>
  static HWY_INLINE void Pass(const Int8Panel& rows, size_t cols,
                              const Corrections<T>& corrections,
                              const Int8PanelChunk* HWY_RESTRICT x,
                              size_t chunk_stride, float* HWY_RESTRICT c) {
    VF f[kVectors<T>][kV];
    HWY_UNROLL(8)
    for (size_t t = 0; t < kVectors<T>; ++t) {
      HWY_UNROLL(4)
      for (size_t v = 0; v < kV; ++v) f[t][v] = hn::Zero(DF());
    }
    const uint8_t* HWY_RESTRICT w = rows.codes;
    // Chunk by chunk: dividing columns for every sub-block cost 4 to 13 % with
    // AVX2, nothing with AVX-512.
    for (size_t s = 0; s < cols / kSub; x += chunk_stride) {
      const size_t end = HWY_MIN(s + 256 / kSub, cols / kSub);
      for (size_t k = 0; s < end; s += kParts, k += kParts * kSub) {
        VI sum[kParts][kVectors<T>][kV];
        HWY_UNROLL(2)
        for (size_t i = 0; i < kParts; ++i) {
          corrections.Start(s + i, sum[i]);
          Products<T>(w, x->q + k + i * kSub, sum[i]);
          w += kPlanes * kPlaneBytes;
        }
        Scale<T>(sum, rows.scale + s * kPanelRows, x->scale + k / 32, f);
        if constexpr (kMin) {
          HWY_UNROLL(2)
          for (size_t i = 0; i < kParts * kSub / kMinSub; ++i) {
            const size_t m = s * kSub / kMinSub + i;
            corrections.Subtract(m, rows.min + m * kPanelRows, f);
          }
        }
      }
    }
    AddTo<T>(f, c);
  }

  // c[t][row] += one panel times T tokens. x: the first token's first chunk;
  // chunk_stride: chunks from one 256 columns to the next.
  template <size_t T>
  static HWY_INLINE void Group(const Int8Panel& panel, size_t cols, int bias,
                               const Int8PanelChunk* HWY_RESTRICT x,
                               size_t chunk_stride, float* HWY_RESTRICT c) {
    Corrections<T> corrections;
    corrections.Fill(x, chunk_stride, cols, bias);
    for (size_t r = 0; r < kPanelRows; r += kV * kN) {
      const Int8Panel rows = {panel.codes + r * 4, panel.scale + r,
                              panel.min + r};
      Pass<T>(rows, cols, corrections, x, chunk_stride, c + r);
    }
  }

  // All tokens, T at a time, then half as many: a variant for every remainder
  // would double the code for the sake of the last few tokens.
  template <size_t T>
  static HWY_INLINE void Groups(const Int8Panel& panel, size_t cols, int bias,
                                const Int8PanelChunk* HWY_RESTRICT x,
                                size_t chunk_stride, size_t tokens,
                                float* HWY_RESTRICT c) {
    for (; tokens >= T; tokens -= T) {
      Group<T>(panel, cols, bias, x, chunk_stride, c);
      x += T;
      c += T * kPanelRows;
    }
    if constexpr (T > 1) {
      constexpr size_t kHalf = kVectors<(T + 1) / 2> * kPair;
      constexpr size_t kNext = kHalf == T ? 1 : kHalf;
      Groups<kNext>(panel, cols, bias, x, chunk_stride, tokens, c);
    }
  }
};

// c[token][row] += panel * x over `cols` columns. x: chunk of the first token;
// chunk_stride: chunks from one 256 columns to the next.
template <PanelMath kMath, size_t kSub, size_t kMinSub>
HWY_NOINLINE void MultiplyInt8Panel(const Int8Panel& panel, size_t cols,
                                    int bias,
                                    const Int8PanelChunk* HWY_RESTRICT x,
                                    size_t chunk_stride, size_t tokens,
                                    float* HWY_RESTRICT c) {
  using Kernel = PanelKernel<kMath, kSub, kMinSub>;
  Kernel::template Groups<Kernel::kTokens>(panel, cols, bias, x, chunk_stride,
                                           tokens, c);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SIMD_MATMUL_INL_H_
