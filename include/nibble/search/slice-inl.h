// SPDX-License-Identifier: MIT
// A slice: part of one row, transposed to one sub-block per lane, normalised and
// weighted. What every search works on.
#if defined(NIBBLE_SEARCH_SLICE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_SLICE_INL_H_
#undef NIBBLE_SEARCH_SLICE_INL_H_
#else
#define NIBBLE_SEARCH_SLICE_INL_H_
#endif

#include <algorithm>

#include "nibble/formats/format.h"
#include "nibble/quantize.h"
#include "nibble/search/arena.h"
#include "nibble/search/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Sums over the sub-blocks of a row, in an order that no vector width changes:
// sub-block b adds to partial sum b % 16, a fixed tree adds the sixteen.
template <class L>
struct FixedSum {
  static constexpr size_t kSlots = 16, kVectors = kSlots / L::kLanes;
  alignas(64) float slot[kSlots] = {};

  HWY_INLINE void Add(size_t tile, typename L::V v) {
    float* p = slot + tile % kVectors * L::kLanes;
    L::Store(L::Add(L::Load(p), v), p);
  }
  float Total() const {
    float t[kSlots];
    for (size_t i = 0; i < kSlots; ++i) t[i] = slot[i];
    for (size_t n = kSlots / 2; n != 0; n /= 2) {
      for (size_t i = 0; i < n; ++i) t[i] = t[i] + t[i + n];
    }
    return t[0];
  }
};

// Layout of x and w: [tile][element][lane], sub-block = tile * kLanes + lane.
// Lanes past the last sub-block hold zeros.
//
// Values are divided by `unit`, the power of two that brings the largest
// magnitude of the surrounding 256 weights (of the row, for formats with one
// scale per row) into [1, 2): exact, and no input can overflow a sum.
template <class F, class L>
struct Slice {
  static constexpr size_t kSub = F::kSub, kTile = kSub * L::kLanes;
  // Columns handled at once: sixteen scale groups (a vector of them on every
  // target), or the whole row where it has one scale.
  static constexpr size_t kCols = F::kRowHeader != 0 ? 0
                                  : F::kBlock == F::kSub ? 16 * F::kBlock
                                                         : 16 * 256;
  static constexpr size_t kGroup = 256 / kSub;  // sub-blocks sharing sigma2

  float* x = nullptr;
  float* w = nullptr;
  const float* weights = nullptr;  // w, or the importance as it is
  float* unit = nullptr;      // per sub-block
  float* inverse = nullptr;   // 1 / unit
  float* sum = nullptr;       // per sub-block scratch: maxima, then sums of x^2
  size_t subs = 0;
  size_t tiles = 0;

  static size_t Padded(size_t cols) {
    return (cols + 16 * kSub - 1) / (16 * kSub) * (16 * kSub);
  }
  // Room for slices of up to `cols` columns.
  void Allocate(Arena& arena, size_t cols) {
    const size_t padded = Padded(cols);
    x = arena.Take<float>(padded);
    w = arena.Take<float>(padded);
    unit = arena.Take<float>(padded / kSub);
    inverse = arena.Take<float>(padded / kSub);
    sum = arena.Take<float>(padded / kSub);
  }

  const float* X(size_t tile) const { return x + tile * kTile; }
  const float* W(size_t tile) const { return weights + tile * kTile; }

  // Takes `cols` values from `row`, which is readable (and zero) up to
  // Padded(cols). `importance` is transposed like x; null: no weights needed.
  void Load(const float* row, size_t cols, const float* importance,
            WeightRule rule) {
    subs = cols / kSub;
    tiles = (subs + L::kLanes - 1) / L::kLanes;
    Transpose(row);
    ChooseUnits();
    Normalise();
    weights = w;
    if (importance == nullptr) return;
    if (rule == WeightRule::kImportance || !F::kMagnitudeCounts) {
      if (subs % L::kLanes == 0) {
        weights = importance;  // a copy costs Q1_0 a tenth
      } else {
        std::copy(importance, importance + tiles * kTile, w);
        ClearPadding();
      }
    } else {
      WeighByMagnitude(importance);
    }
  }

  // `in` (readable up to Padded(cols)) to the layout of x.
  static void TransposeRow(const float* in, size_t cols, float* out) {
    for (size_t c = 0; c < cols; c += kTile) {
      L::Transpose(in + c, kSub, kSub, out + c);
    }
  }

 private:
  void Transpose(const float* row) {
    for (size_t t = 0; t < tiles; ++t) {
      float* xt = x + t * kTile;
      L::Transpose(row + t * kTile, kSub, kSub, xt);
      auto largest = L::Zero();
      for (size_t i = 0; i < kSub; ++i) {
        largest = L::Max(largest, L::Abs(L::Load(xt + i * L::kLanes)));
      }
      L::Store(largest, sum + t * L::kLanes);
    }
  }

  void ChooseUnits() {
    const size_t padded = tiles * L::kLanes;
    const size_t group = F::kRowHeader != 0 ? padded : kGroup;
    for (size_t b = 0; b < padded; b += group) {
      const size_t end = std::min(b + group, padded);
      const float largest = *std::max_element(sum + b, sum + end);
      // The exponent alone; denormals are left where they are times 2^126.
      const uint32_t exponent =
          std::clamp<uint32_t>(BitsOf(largest) >> 23, 1, 253);
      const float u = largest == 0.0f ? 1.0f : FloatOf(exponent << 23);
      const float v = largest == 0.0f ? 1.0f : FloatOf((254 - exponent) << 23);
      std::fill(unit + b, unit + end, u);
      std::fill(inverse + b, inverse + end, v);
    }
  }

  void Normalise() {
    for (size_t t = 0; t < tiles; ++t) {
      float* xt = x + t * kTile;
      const auto inv = L::Load(inverse + t * L::kLanes);
      auto squares = L::Zero();
      for (size_t i = 0; i < kSub; ++i) {
        const auto v = L::Mul(L::Load(xt + i * L::kLanes), inv);
        squares = L::AddMul(squares, v, v);
        L::Store(v, xt + i * L::kLanes);
      }
      L::Store(squares, sum + t * L::kLanes);
    }
  }

  // No weight for lanes past the last sub-block: their zeros may have levels that
  // are not zero, which sums over a row must not see. (Where weights grow with
  // magnitudes, zeros under no scale have none.)
  void ClearPadding() {
    for (size_t lane = subs % L::kLanes; lane % L::kLanes != 0; ++lane) {
      for (size_t i = 0; i < kSub; ++i) {
        w[(tiles - 1) * kTile + i * L::kLanes + lane] = 0.0f;
      }
    }
  }

  // w = p * sqrt(sigma2 + x^2), sigma2 = 2 * mean x^2 over 256. Zeros under the
  // scale of a row that is not zero keep a little weight: a format without a
  // zero level must choose its least one for them.
  void WeighByMagnitude(const float* importance) {
    for (size_t b = 0; b < subs; b += kGroup) {
      const size_t end = std::min(b + kGroup, subs);
      float total = 0.0f;
      for (size_t s = b; s < end; ++s) total = total + sum[s];
      const float sigma2 = 2.0f * total / static_cast<float>((end - b) * kSub);
      constexpr float kLeast = F::kRowHeader != 0 ? 0x1p-48f : 0.0f;
      std::fill(sum + b, sum + end, std::max(sigma2, kLeast));
    }
    for (size_t t = 0; t < tiles; ++t) {
      const auto sigma2 = L::Load(sum + t * L::kLanes);
      for (size_t i = 0; i < kSub; ++i) {
        const size_t at = t * kTile + i * L::kLanes;
        const auto v = L::Load(x + at);
        const auto root = L::Sqrt(L::AddMul(sigma2, v, v));
        L::Store(L::Mul(L::Load(importance + at), root), w + at);
      }
    }
  }
};

// Codes of a tile, [element][lane] integers, to bytes in element order.
template <class L>
HWY_INLINE void CodesToBytes(const int32_t* HWY_RESTRICT codes, size_t kSub,
                             uint8_t* HWY_RESTRICT out) {
  alignas(64) int32_t words[L::kLanes];
  for (size_t i = 0; i < kSub; i += 4) {
    const int32_t* p = codes + i * L::kLanes;
    const auto lo = L::OrI(L::LoadI(p), L::template ShlI<8>(
                                            L::LoadI(p + L::kLanes)));
    const auto hi = L::OrI(L::LoadI(p + 2 * L::kLanes),
                           L::template ShlI<8>(L::LoadI(p + 3 * L::kLanes)));
    L::StoreI(L::OrI(lo, L::template ShlI<16>(hi)), words);
    for (size_t lane = 0; lane < L::kLanes; ++lane) {
      memcpy(out + lane * kSub + i, words + lane, 4);
    }
  }
}

// Puts the codes of tiles together to blocks: a block spans tiles (a few lanes)
// or shares one (many).
template <class F, class L>
class BlockCodes {
 public:
  static constexpr size_t kSubs = F::kBlock / F::kSub;
  static constexpr size_t kTile = F::kSub * L::kLanes;

  // codes: [kSub][kLanes] of tile t. Calls done(block, its kBlock codes as
  // bytes) for every block of `subs` sub-blocks that is complete now.
  template <class Done>
  HWY_INLINE void Add(size_t t, const int32_t* codes, size_t subs,
                      const Done& done) {
    const size_t b = t * L::kLanes;
    CodesToBytes<L>(codes, F::kSub, bytes_ + b % kSubs * F::kSub);
    for (size_t block = b / kSubs; (block + 1) * kSubs <= b + L::kLanes;
         ++block) {
      if (block * kSubs >= subs) break;
      done(block, bytes_ + (block - b / kSubs) * F::kBlock);
    }
  }

 private:
  static constexpr size_t kBytes = kTile > F::kBlock ? kTile : F::kBlock;
  uint8_t bytes_[kBytes] = {};
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_SLICE_INL_H_
