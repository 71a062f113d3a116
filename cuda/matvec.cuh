// SPDX-License-Identifier: MIT
// Matvec: y[t][r] = sum_c W[r][c] * x[t][c], one warp per row.
//
// A row is cut into parts of 32 weights; lane l takes parts l, l + 32, ... A
// part is two runs of 16 neighbours, `stride` weights apart, so that the two
// share their bytes where the format keeps several weights in one byte:
//
//   stride 16 (Q4_0, Q8_0, IQ2_XS ...)   lane 0: [0, 16) and [16, 32)
//   stride 32 (Q4_K)      lane 0: [0, 16) and [32, 48), lane 1: [16, 32) ...
//   stride 64 (Q6_K)      lane 0: [0, 16) and [64, 80) ... lane 3: [48, 64) ...
//
// A run lies in one sub-block of weights and in one half of a block of
// activations. Its integers are exact:
//
//   dot = sum (code + offset) * a = sum code * a + offset * (sum of a)
//
// and the lane's sum grows by two fused steps per run, low run first:
//
//   sum = fma(d * x_scale, float(multiplier * dot), sum)
//   sum = fma(-dmin * x_scale, float(min * (sum of a)), sum)    (with mins
//   only)
//
// WarpSum adds the lanes. The order is fixed by cols alone: results depend
// neither on the other rows nor on how many tokens a kernel has.
#ifndef NIBBLE_CUDA_MATVEC_CUH_
#define NIBBLE_CUDA_MATVEC_CUH_

#include "cuda/activations.cuh"
#include "cuda/blocks.cuh"
#include "cuda/kernels.h"
#include "cuda/run.cuh"

namespace nibble {
namespace cuda {

inline constexpr uint32_t kPart = 32;  // weights of a lane's step

// How far apart the runs of a part are, from where the first field keeps them.
template <class E>
struct RunStride {
  static constexpr uint32_t value = 16;
};
template <int kBits, int kRun, auto kM, class O>
struct RunStride<formats::Field<kBits, kRun, kM, O>> {
  static constexpr uint32_t value = kBits < 8 && kRun > 16 ? kRun : 16;
};
template <class A, class B>
struct RunStride<formats::Or<A, B>> : RunStride<A> {};
template <class E, uint64_t... kWords>
struct RunStride<formats::Lut<E, kWords...>> : RunStride<E> {};

template <class F>
struct Parts {
  static constexpr uint32_t kStride = RunStride<typename F::Codes>::value;
  static constexpr uint32_t kPerBlock = F::kBlock / kPart;
  static_assert((kStride & (kStride - 1)) == 0, "a bit of the element number");
  static_assert(F::kBlock % (2 * kStride) == 0, "runs pair up inside a block");
  static_assert(F::kSub % Run<1>::kElements == 0, "a run has one scale");

  // First weight of the low run of part p of a block; the high run starts at
  // First(p) | kStride. Elements are size_t and the addition is an or: with a
  // 32-bit number or a plus, compilers miss that the two share their bytes and
  // load them twice.
  static NIBBLE_HD size_t First(uint32_t p) {
    constexpr uint32_t kPairs = kStride / Run<1>::kElements;
    return p / kPairs * (2 * kStride) | p % kPairs * Run<1>::kElements;
  }
};

// sum level * a over a run; sum_a is the sum of a.
template <class F>
NIBBLE_HD int RunDot(const Words16& codes, const Words16& negative, int offset,
                     const Words16& a, int sum_a) {
  using Codes = typename F::Codes;
  constexpr bool kSigns = formats::kIsPresent<typename F::Signs>;
  static_assert(formats::IsSigned<Codes>::value || F::kMaxCode <= 127,
                "Dot4 reads codes as signed bytes");
  static_assert(!kSigns || (F::kZero == 0 && F::kShift == 0),
                "a sign would apply to the offset too");
  int dot = 0, flipped = 0;
  for (int i = 0; i < 4; ++i) {
    if constexpr (kSigns) {
      // ~code = -code - 1, so flipping leaves one `a` too few per minus sign.
      dot = Dot4(codes.word[i] ^ negative.word[i], a.word[i], dot);
      flipped = Dot4(negative.word[i], a.word[i], flipped);
    } else {
      dot = Dot4(codes.word[i], a.word[i], dot);
    }
  }
  return dot - flipped + offset * sum_a;
}

// What a lane has of the weights of one run, for any number of tokens.
template <class F>
struct RunWeights {
  Words16 codes, negative;
  int multiplier, offset, min;

  template <size_t kAlign>
  static NIBBLE_HD RunWeights Load(const typename F::Block& b, size_t e) {
    using R = BlockReader<F, kAlign>;
    const size_t s = e / F::kSub;
    return {Run<kAlign>::Eval(typename F::Codes(), b, e),
            Run<kAlign>::Negative(typename F::Signs(), b, e),
            R::Multiplier(b, s), R::Offset(b, s), R::MinCode(b, s)};
  }

  // sum + the products with columns [column, column + 16) of x.
  NIBBLE_HD float AddTo(float sum, const PackedToken& x, size_t column, float d,
                        float dmin) const {
    const ActivationHead head = x.Head(column / kActivationBlock);
    const int sum_a = HalfSum(head, column / Run<1>::kElements % 2);
    const int dot = RunDot<F>(codes, negative, offset, x.Codes(column), sum_a);
    sum = Fma(d * head.scale, static_cast<float>(multiplier * dot), sum);
    if constexpr (formats::kIsPresent<typename F::MinCodes>) {
      sum = Fma(-dmin * head.scale, static_cast<float>(min * sum_a), sum);
    }
    return sum;
  }
};

// The sums of one lane over its parts of a row.
//
// row: one packed row of `cols` weights at a multiple of kAlign. x: the first
// of kTokens packed tokens, of which `tokens` exist; the last one stands in for
// those that do not, so that there is nothing to branch about.
template <class F, uint32_t kTokens, size_t kAlign>
NIBBLE_HD void LaneMatvec(const uint8_t* row, const uint8_t* x, uint32_t tokens,
                          uint32_t cols, uint32_t lane, float (&sum)[kTokens]) {
  using R = BlockReader<F, kAlign>;
  using P = Parts<F>;
  for (uint32_t t = 0; t < kTokens; ++t) sum[t] = 0.0f;
  const float row_scale = R::RowScale(row);
  const size_t token_bytes = TokenBytes(cols);
  // Two parts' loads in flight per lane, if they do not cost too many
  // registers.
  [[maybe_unused]] constexpr int kUnroll = kTokens == 1 ? 2 : 1;
  NIBBLE_UNROLL
  for (uint32_t part = lane; part < cols / kPart; part += kWarp) {
    const uint32_t block = part / P::kPerBlock;
    const size_t first = P::First(part % P::kPerBlock);
    const typename F::Block& b = BlockAt<F>(row, block);
    const float d = R::BlockScale(b, row_scale, first / F::kSub);
    const float dmin = R::BlockMin(b);
    const auto low = RunWeights<F>::template Load<kAlign>(b, first);
    const auto high =
        RunWeights<F>::template Load<kAlign>(b, first | P::kStride);
    const size_t column = block * F::kBlock + first;
    float high_d = d;
    if constexpr (formats::ScaleOf<F>::type::kPerSub) {
      high_d = R::BlockScale(b, row_scale, (first | P::kStride) / F::kSub);
    }
    for (uint32_t t = 0; t < kTokens; ++t) {
      const PackedToken token(x + (t < tokens ? t : tokens - 1) * token_bytes,
                              cols);
      sum[t] = low.AddTo(sum[t], token, column, d, dmin);
      sum[t] = high.AddTo(sum[t], token, column | P::kStride, high_d, dmin);
    }
  }
}

#ifdef __CUDACC__
// Four warps per block: rows are independent, and small blocks fill the last
// wave best. How many blocks shall fit a multiprocessor is left to ptxas: told
// so, it fills its budget of registers, and then spills (Q4_K and Q6_K, sm_80).
inline constexpr uint32_t kMatvecThreads = 128;
inline constexpr uint32_t kMatvecRows = kMatvecThreads / kWarp;

// Rows run along x of the grid, kTokens tokens at a time along y.
template <class F, uint32_t kTokens, size_t kAlign>
__global__ void __launch_bounds__(kMatvecThreads)
    MatvecKernel(const MatvecArgs args) {
  const uint32_t row = blockIdx.x * kMatvecRows + threadIdx.x / kWarp;
  if (row >= args.rows) return;  // the whole warp
  const uint32_t lane = threadIdx.x % kWarp;
  const uint32_t token = blockIdx.y * kTokens;
  float sum[kTokens];
  LaneMatvec<F, kTokens, kAlign>(args.weights + row * args.weight_stride,
                                 args.x + token * TokenBytes(args.cols),
                                 args.tokens - token, args.cols, lane, sum);
  for (uint32_t t = 0; t < kTokens; ++t) {
    const float total = WarpSum(sum[t]);
    if (lane == 0 && token + t < args.tokens) {
      *reinterpret_cast<float*>(args.y + (token + t) * args.y_stride +
                                row * sizeof(float)) = total;
    }
  }
}
#endif  // __CUDACC__

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_MATVEC_CUH_
