// SPDX-License-Identifier: MIT
// The nearest point of a trellis codebook to a group of weights: candidates in
// the lanes, one group at a time.
//
// Distances are sum w t^2 of 16-bit t = point - z (in kTrellisUnit steps) and
// 15-bit w, the product w t rounded: integers, hence the same in any order and
// on any vector.
#if defined(NIBBLE_SEARCH_TRELLIS_SCAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_TRELLIS_SCAN_INL_H_
#undef NIBBLE_SEARCH_TRELLIS_SCAN_INL_H_
#else
#define NIBBLE_SEARCH_TRELLIS_SCAN_INL_H_
#endif

#include "hwy/cache_control.h"
#include "nibble/search/lanes-inl.h"
#include "nibble/search/one_lane.h"
#include "nibble/search/trellis_tables.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// 0, 1, 2 ...: numbers of candidates.
struct TrellisNumbers {
  alignas(64) int32_t at[512] = {};
  constexpr TrellisNumbers() {
    for (int i = 0; i < 512; ++i) at[i] = i;
  }
};

// Lanes for the coordinates of one group.
template <class L, size_t kDim>
struct TrellisGroupLanes {
  using type = HwyLanesUpTo<kDim>;
};
template <size_t kDim>
struct TrellisGroupLanes<OneLane, kDim> {
  using type = OneLane;
};

// How many nodes of each level are followed; both at most 16.
struct TrellisBeam {
  int top, mid;
};

template <class C>
HWY_INLINE typename C::I TrellisDistance(const int32_t* HWY_RESTRICT points,
                                         const int32_t* HWY_RESTRICT z,
                                         const int32_t* HWY_RESTRICT w,
                                         int pairs) {
  auto sum = C::SetI(0);
  HWY_UNROLL(4)
  for (int j = 0; j < pairs; ++j) {
    const auto t =
        C::SubP(C::LoadP(points + j * kTrellisBlock), C::RepeatP(z[j]));
    sum = C::AddI(sum, C::DotP(C::MulRoundP(t, C::RepeatP(w[j])), t));
  }
  return sum;
}

// Remembers the nearest of the candidates it is shown, the first of equals.
template <class C>
struct TrellisNearest {
  typename C::I distance, number;

  HWY_INLINE TrellisNearest()
      : distance(C::SetI(INT32_MAX)), number(C::SetI(0)) {}
  HWY_INLINE void Offer(typename C::I d, typename C::I n) {
    const auto less = C::LtI(d, distance);
    distance = C::MinI(distance, d);
    number = C::IfI(less, n, number);
  }
  HWY_INLINE int Get() const {
    const auto least = C::SetI(C::LeastI(distance));
    const auto more = C::LtI(least, distance);
    return C::LeastI(C::IfI(more, C::SetI(INT32_MAX), number));
  }
};

// The least keys of each of sixteen columns: nearly the least of all. (Three of
// each of eight columns, which leaves half of a vector of 512 bits idle: 0.05 %
// less error, IQ2_KT 6 % and IQ3_KT 15 % slower.)
template <class C>
class TrellisColumns {
 public:
  static constexpr size_t kColumns = 16, kKept = 2, kKeys = kColumns * kKept;

  HWY_INLINE TrellisColumns() {
    for (size_t c = 0; c < kVectors; ++c) {
      for (size_t k = 0; k < kKept; ++k) key_[k][c] = C::SetI(INT32_MAX);
    }
  }
  // Sixteen candidates, of which the first is candidate `number`. A key is a
  // distance without its last nine bits, and the candidate in their place.
  HWY_INLINE void Offer(const int32_t* HWY_RESTRICT points,
                        const int32_t* HWY_RESTRICT z,
                        const int32_t* HWY_RESTRICT w, int pairs, int number) {
    static constexpr TrellisNumbers kNumbers;
    HWY_UNROLL(4)
    for (size_t i = 0; i < kTrellisBlock; i += C::kLanes) {
      const auto d = TrellisDistance<C>(points + i, z, w, pairs);
      const auto n = C::LoadI(kNumbers.at + number + i);
      auto key = C::OrI(C::AndI(d, C::SetI(~kMask)), n);
      HWY_UNROLL(4)
      for (size_t k = 0; k < kKept; ++k) {
        auto& kept = key_[k][i / C::kLanes];
        const auto more = C::MaxI(kept, key);
        kept = C::MinI(kept, key);
        key = more;
      }
    }
  }
  // Their candidates, the least key first.
  HWY_INLINE void Sort(int32_t* out) const {
    alignas(64) int32_t key[kKeys], rank[kKeys];
    for (size_t k = 0; k < kKept; ++k) {
      for (size_t c = 0; c < kVectors; ++c) {
        C::StoreI(key_[k][c], key + k * kColumns + c * C::kLanes);
      }
    }
    // Two vectors at a time, unrolled: IQ1_KT and IQ2_KT 10 % faster than one
    // at a time.
    for (size_t i = 0; i < kKeys; i += 2 * C::kLanes) {
      const auto mine = C::LoadI(key + i);
      const auto other = C::LoadI(key + i + C::kLanes);
      auto rank_mine = C::SetI(0), rank_other = C::SetI(0);
      HWY_UNROLL(8)
      for (size_t k = 0; k < kKeys; ++k) {
        const auto one = C::SetI(key[k]);
        rank_mine = C::CountLess(rank_mine, one, mine);
        rank_other = C::CountLess(rank_other, one, other);
      }
      C::StoreI(rank_mine, rank + i);
      C::StoreI(rank_other, rank + i + C::kLanes);
    }
    for (size_t i = 0; i < kKeys; ++i) out[rank[i]] = key[i] & kMask;
  }

 private:
  static constexpr int32_t kMask = 511;
  static constexpr size_t kVectors = kColumns / C::kLanes;
  typename C::I key_[kKept][kVectors];
};

// The point of a tree near z. w[0], w[1], w[2]: weights for the
// centres of both levels and for the points. (Two groups side by side, level by
// level: 3 % slower.)
template <class C, class Tree>
HWY_INLINE int FindInTree(const Tree& tree, const int32_t* z,
                          const int32_t* const* w, TrellisBeam beam) {
  constexpr int kPairs = Tree::kPairs, kWords = Tree::kWords;
  static constexpr TrellisNumbers kNumbers;
  int32_t top[TrellisColumns<C>::kKeys], mid[TrellisColumns<C>::kKeys];
  TrellisColumns<C> tops;
  for (int i = 0; i < Tree::kTop; i += kTrellisBlock) {
    tops.Offer(tree.top() + i / kTrellisBlock * kWords, z, w[0], kPairs, i);
  }
  tops.Sort(top);
  // Candidate t * kMid + m is node m under the t-th of the chosen.
  TrellisColumns<C> mids;
  for (int t = 0; t < beam.top; ++t) {
    const int32_t* nodes = tree.mid(top[t]);
    for (int i = 0; i < Tree::kMid; i += kTrellisBlock) {
      mids.Offer(nodes + i / kTrellisBlock * kWords, z, w[1], kPairs,
                 t * Tree::kMid + i);
    }
  }
  mids.Sort(mid);
  for (int m = 0; m < beam.mid; ++m) {  // the points are beyond L2
    mid[m] = top[mid[m] / Tree::kMid] * Tree::kMid + mid[m] % Tree::kMid;
    const int32_t* points = tree.points(mid[m]);
    for (int i = 0; i < kWords; i += 16) hwy::Prefetch(points + i);
  }
  TrellisNearest<C> nearest;
  for (int m = 0; m < beam.mid; ++m) {
    const int32_t* points = tree.points(mid[m]);
    for (size_t i = 0; i < kTrellisBlock; i += C::kLanes) {
      nearest.Offer(TrellisDistance<C>(points + i, z, w[2], kPairs),
                    C::LoadI(kNumbers.at + m * kTrellisBlock + i));
    }
  }
  const int found = nearest.Get();
  return mid[found / kTrellisBlock] * kTrellisBlock + found % kTrellisBlock;
}

// The point near z among those listed for its cell. z and w come as
// pairs (0, 2) and (1, 3), as the bytes of a word fall apart.
template <class C, class Cells>
HWY_INLINE int FindInCells(const Cells& cells, int cell, const int32_t* z,
                           const int32_t* w) {
  static constexpr TrellisNumbers kNumbers;
  const int begin = cells.begin(cell), count = cells.begin(cell + 1) - begin;
  const int32_t* HWY_RESTRICT points = cells.points() + begin;
  static_assert(kTrellisUnit == 8, "the shifts below");
  const auto even_z = C::RepeatP(z[0]), odd_z = C::RepeatP(z[1]);
  const auto even_w = C::RepeatP(w[0]), odd_w = C::RepeatP(w[1]);
  const auto step = C::SetI(static_cast<int>(C::kLanes));
  TrellisNearest<C> nearest;
  auto number = C::LoadI(kNumbers.at);
  for (int i = 0; i < count; i += kTrellisBlock) {
    for (size_t k = 0; k < kTrellisBlock; k += C::kLanes) {
      const auto both = C::LoadP(points + i + k);
      const auto even = C::template ShrP<5>(C::template ShlP<8>(both));
      const auto odd = C::template ShlP<3>(C::template ShrP<8>(both));
      const auto t = C::SubP(even, even_z), u = C::SubP(odd, odd_z);
      nearest.Offer(C::AddI(C::DotP(C::MulRoundP(t, even_w), t),
                            C::DotP(C::MulRoundP(u, odd_w), u)),
                    number);
      number = C::AddI(number, step);
    }
  }
  return begin + nearest.Get();
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_TRELLIS_SCAN_INL_H_
