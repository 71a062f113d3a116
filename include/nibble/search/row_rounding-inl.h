// SPDX-License-Identifier: MIT
// Rounding along the row: formats that store a signed byte per weight and one
// fp16 scale per block, where nothing is searched.
//
// The bytes are those of BlockSearch, which has a block in every lane and works
// in powers of two of its unit: those are exact, and a largest magnitude does
// not depend on the order. What is saved is the transposition, a second copy of
// the row and codes as 32-bit integers: on AVX3_SPR Q8_0 has 7000 million
// weights/s from the cache instead of 1140, and 4300 from memory, which is then
// what it waits for (prefetching changes nothing). With a vector of scales at a
// time instead of 64 blocks: 4500 from the cache, the divisions in the way.
#if defined(NIBBLE_SEARCH_ROW_ROUNDING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_ROW_ROUNDING_INL_H_
#undef NIBBLE_SEARCH_ROW_ROUNDING_INL_H_
#else
#define NIBBLE_SEARCH_ROW_ROUNDING_INL_H_
#endif

#include <algorithm>

#include "nibble/formats/format.h"
#include "nibble/search/lanes-inl.h"
#include "nibble/search/scale_fit-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Codes that are the bytes of a member, in order.
template <class Codes>
struct SignedBytes {
  static constexpr bool kAre = false;
};
template <int kRun, auto kMember>
struct SignedBytes<formats::Signed<formats::Field<8, kRun, kMember>>> {
  static constexpr bool kAre = true;
  template <class Block>
  static HWY_INLINE int8_t* In(Block* block) {
    return reinterpret_cast<int8_t*>(block->*kMember);
  }
};

// fp16 numbers, as the floats they stand for and as bits.
template <class L>
struct Halves {
  typename L::V value;
  typename L::I bits;

  // The nearest to v in [0, 65520), as F32ToF16 has them: adding 1.5 * 2^23
  // times the distance between halves of that size rounds to one of them.
  explicit HWY_INLINE Halves(typename L::V v) {
    const auto least = L::Set(6.103515625e-5f);  // 2^-14; below: subnormal
    const auto power =
        L::FromBits(L::AndI(L::Bits(L::Max(v, least)), L::SetI(0x7F800000)));
    const auto magic = L::Mul(power, L::Set(kRoundMagic / 1024.0f));
    value = L::Sub(L::Add(v, magic), magic);
    const auto normal =
        L::template ShrI<13>(L::AddI(L::Bits(value), L::SetI(-0x38000000)));
    const auto subnormal = L::ToInt(L::Mul(value, L::Set(16777216.0f)));
    bits = L::IfI(L::Lt(value, least), subnormal, normal);
  }
};

template <class F, class L>
class RowRounding {
 public:
  using Bytes = SignedBytes<typename F::Codes>;
  using Block = typename F::Block;
  // One lane stays with BlockSearch: the reference for this.
  static constexpr bool kApplies = Bytes::kAre && F::kRowHeader == 0 &&
                                   F::kBlock == F::kSub && L::kLanes != 1;

  // `cols` weights to blocks. False, with blocks half written, if one of them
  // is not finite or a scale is beyond fp16.
  static bool Run(const float* row, size_t cols, uint8_t* blocks) {
    const size_t count = cols / F::kBlock;
    for (size_t b = 0; b < count; b += kAtOnce) {
      if (!RunBlocks(row + b * F::kBlock, std::min(kAtOnce, count - b),
                     blocks + b * sizeof(Block))) {
        return false;
      }
    }
    return true;
  }

 private:
  using V = typename L::V;
  using I = typename L::I;
  static constexpr size_t kLanes = L::kLanes;
  // Blocks between a read and a read again, which finds them in the cache: more
  // than a vector of scales, so that the next one hides its latency.
  static constexpr size_t kAtOnce = std::max(kLanes, 2048 / F::kBlock);
  static constexpr int kTop = 127;  // -128 is never written

  // Blocks in lanes for the scales, weights along the vectors for the rest.
  static HWY_INLINE bool RunBlocks(const float* row, size_t live,
                                   uint8_t* blocks) {
    alignas(64) float inverse[kAtOnce];
    alignas(64) int32_t half[kAtOnce];
    for (size_t b = 0; b < live; b += kLanes) {
      const V scale =
          L::Mul(Largest(row + b * F::kBlock, std::min(kLanes, live - b)),
                 L::Set(1.0f / kTop));
      // Neither infinities nor NaNs are less.
      const auto fits = L::Lt(scale, L::Set(65520.0f));
      if (!L::AllFalse(L::Not(fits))) return false;
      const Halves<L> d(scale);
      L::Store(InverseOrZero<L>(d.value), inverse + b);
      L::StoreI(d.bits, half + b);
    }
    for (size_t b = 0; b < live; ++b) {
      auto* block = reinterpret_cast<Block*>(blocks) + b;
      formats::SetHalfBits<F>(*block, static_cast<uint16_t>(half[b]));
      Round(row + b * F::kBlock, inverse[b], Bytes::In(block));
    }
    return true;
  }

  // The largest magnitude of each block. Compared as integers: the maximum of
  // floats would lose NaNs.
  static HWY_INLINE V Largest(const float* row, size_t live) {
    alignas(64) float along[kLanes * kLanes], across[kLanes * kLanes];
    for (size_t b = 0; b < kLanes; ++b) {
      I largest = L::SetI(0);
      for (size_t i = 0; b < live && i < F::kBlock; i += kLanes) {
        largest = L::MaxI(largest, Magnitude(row + b * F::kBlock + i));
      }
      L::Store(L::FromBits(largest), along + b * kLanes);
    }
    L::Transpose(along, kLanes, kLanes, across);
    I largest = L::SetI(0);
    for (size_t i = 0; i < kLanes * kLanes; i += kLanes) {
      largest = L::MaxI(largest, L::Bits(L::Load(across + i)));
    }
    return L::FromBits(largest);
  }
  static HWY_INLINE I Magnitude(const float* x) {
    const V v = hn::LoadU(typename L::D(), x);
    return L::AndI(L::Bits(v), L::SetI(0x7FFFFFFF));
  }

  // L::Round as integers. (hn::NearestInt looks for what is beyond integers.)
  static HWY_INLINE I Nearest(const float* x, V factor) {
    const V z = L::Mul(hn::LoadU(typename L::D(), x), factor);
    return L::AddI(L::Bits(L::Add(z, L::Set(kRoundMagic))),
                   L::SetI(-0x4B400000));
  }
  static HWY_INLINE void Round(const float* x, float inverse, int8_t* codes) {
    const hn::Repartition<int16_t, typename L::D> d16;
    const hn::Rebind<int8_t, decltype(d16)> d8;
    static_assert(F::kBlock % (2 * kLanes) == 0, "no rest");
    const V factor = L::Set(inverse);
    // Clamped: the scale of a block may have been rounded down a good deal, if
    // it is subnormal.
    const auto lowest = hn::Set(d16, int16_t{-kTop});
    for (size_t i = 0; i < F::kBlock; i += 2 * kLanes) {
      const auto codes16 = hn::OrderedDemote2To(
          d16, Nearest(x + i, factor), Nearest(x + i + kLanes, factor));
      hn::StoreU(hn::DemoteTo(d8, hn::Max(codes16, lowest)), d8, codes + i);
    }
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_ROW_ROUNDING_INL_H_
