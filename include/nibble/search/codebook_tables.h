// SPDX-License-Identifier: MIT
// What the exact search of a grid needs to know about it, derived from its
// points.
//
// The score of a point is a sum over its weights, hence over its two halves:
//
//   best = min over h2 of (S2[h2] + min over h1 in list(h2) of S1[h1])
//
// with at most 81 half codes each. The lists share most of their members, so
// they are rewritten once into a program of minima: the pair that most lists
// hold becomes a node of its own, again and again. For the 512 points of IQ2_XS
// 163 minima are left of 433, for the 1024 of IQ2_S 193 of 947.
#ifndef NIBBLE_SEARCH_CODEBOOK_TABLES_H_
#define NIBBLE_SEARCH_CODEBOOK_TABLES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace nibble {

// The values that occur in a grid, ascending.
struct GridLevels {
  int count = 0;
  int value[8] = {};

  constexpr void Insert(int v) {
    int at = 0;
    while (at < count && value[at] < v) ++at;
    if (at < count && value[at] == v) return;
    for (int i = count; i > at; --i) value[i] = value[i - 1];
    value[at] = v;
    ++count;
  }
  constexpr int CodeOf(int v) const {
    int at = 0;
    while (value[at] != v) ++at;
    return at;
  }
};

template <class Grid>
constexpr int GridDim() {
  return static_cast<int>(sizeof(Grid::Host()[0]));
}

template <class Grid>
constexpr int GridByte(size_t point, int k) {
  return static_cast<int>((Grid::Host()[point] >> (8 * k)) & 255);
}

template <class Grid>
constexpr GridLevels FindGridLevels() {
  GridLevels levels;
  for (size_t p = 0; p < Grid::kPoints; ++p) {
    for (int k = 0; k < GridDim<Grid>(); ++k) {
      levels.Insert(GridByte<Grid>(p, k));
    }
  }
  return levels;
}

template <class Grid>
class Codebook {
 public:
  static constexpr GridLevels kLevels = FindGridLevels<Grid>();
  static constexpr int kDim = GridDim<Grid>();
  // A point is four parts: weights 0-1, 2-3, 4-5 and 6-7 (or 0, 1, 2, 3).
  static constexpr int kPart = kDim / 4;
  static constexpr int kPartCodes =
      kPart == 2 ? kLevels.count * kLevels.count : kLevels.count;
  // Part 0 + kPartCodes * part 1, and so for parts 2 and 3.
  static constexpr int kHalfCodes = kPartCodes * kPartCodes;
  // A code names a point: half 1 in its low bits, half 2 above.
  static constexpr int kHalfBits = 7, kCodeBits = 2 * kHalfBits;
  static_assert(kDim == 4 || kDim == 8, "two halves of two parts");
  static_assert(kHalfCodes <= 1 << kHalfBits, "more levels need more bits");
  // The rows of a search: the codes of the four parts, then the nodes. Nodes
  // are the codes of half 1, then minima of two earlier nodes.
  static constexpr int PartRow(int part) { return part * kPartCodes; }
  static constexpr int kFirstNode = 4 * kPartCodes;
  static constexpr int kMaxNodes = 3 * kHalfCodes;

  struct Pair {
    uint16_t a, b;
  };

  // Built at the first use: some 0.5 ms.
  static const Codebook& Get() noexcept {
    static const Codebook book;
    return book;
  }

  // The rows whose minimum is node kHalfCodes, and so on.
  const Pair* pairs() const { return pair_; }
  int pair_count() const { return nodes_ - kHalfCodes; }
  int rows() const { return kFirstNode + nodes_; }
  // For each h2 the rows whose minimum is that of its list of h1. Lists of the
  // same length form a run:
  //   length, lists, lists * {row of part 2, row of part 3, length rows}
  // with a length of 0 at the end.
  const uint16_t* lists() const { return lists_; }

  // Levels of a half code, one per byte.
  const int32_t* words() const { return words_; }
  // The share of level 1 of weight k in a code.
  static constexpr int Digit(int k) {
    int digit = 1;
    for (int i = 0; i < k % (kDim / 2); ++i) digit *= kLevels.count;
    return k < kDim / 2 ? digit : digit << kHalfBits;
  }
  // The grid index of a code.
  uint16_t Point(int32_t code) const {
    const int h1 = code & ((1 << kHalfBits) - 1), h2 = code >> kHalfBits;
    return point_[h2 * kHalfCodes + h1];
  }

 private:
  // A set of nodes, ascending.
  struct Set {
    uint8_t member[kHalfCodes] = {};
    int count = 0;

    void Append(int id) { member[count++] = static_cast<uint8_t>(id); }
    // Replaces both members of the pair, if it has them, by the highest id.
    void Replace(Pair pair, int id) {
      uint8_t* const end = member + count;
      uint8_t* const a = std::lower_bound(member, end, pair.a);
      uint8_t* const b = std::lower_bound(a, end, pair.b);
      if (a == end || *a != pair.a || b == end || *b != pair.b) return;
      std::copy(b + 1, end, b);
      std::copy(a + 1, end - 1, a);
      count -= 2;
      Append(id);
    }
  };

  static uint16_t NodeRow(int id) {
    return static_cast<uint16_t>(kFirstNode + id);
  }

  Codebook() noexcept {
    for (int h = 0; h < kHalfCodes; ++h) {
      int digits = h;
      for (int k = 0; k < kDim / 2; ++k) {
        const int level = kLevels.value[digits % kLevels.count];
        words_[h] |= static_cast<int32_t>(level << (8 * k));
        digits /= kLevels.count;
      }
    }
    bool on_grid[kHalfCodes][kHalfCodes] = {};
    for (size_t p = 0; p < Grid::kPoints; ++p) {
      const int h1 = HalfCode(p, 0), h2 = HalfCode(p, kDim / 2);
      point_[h2 * kHalfCodes + h1] = static_cast<uint16_t>(p);
      on_grid[h2][h1] = true;
    }
    Set set[kHalfCodes];
    for (int h2 = 0; h2 < kHalfCodes; ++h2) {
      for (int h1 = 0; h1 < kHalfCodes; ++h1) {
        if (on_grid[h2][h1]) set[h2].Append(h1);
      }
    }
    while (nodes_ < kMaxNodes && ShareMostCommonPair(set)) {
    }
    StoreLists(set);
  }

  static int HalfCode(size_t p, int first) {
    int h = 0;
    for (int k = kDim / 2 - 1; k >= 0; --k) {
      h = h * kLevels.count + kLevels.CodeOf(GridByte<Grid>(p, first + k));
    }
    return h;
  }

  // A pair saves each of its lists a minimum but is one itself, stored too.
  static constexpr int kWorthwhile = 3;

  // False if no pair is common enough.
  bool ShareMostCommonPair(Set* set) {
    uint8_t count[kMaxNodes][kMaxNodes];
    for (int i = 0; i < nodes_; ++i) std::fill_n(count[i], nodes_, uint8_t{0});
    Pair best{};
    int most = 0;
    for (int h = 0; h < kHalfCodes; ++h) {
      const uint8_t* m = set[h].member;
      for (int i = 0; i < set[h].count; ++i) {
        for (int j = i + 1; j < set[h].count; ++j) {
          const int c = ++count[m[i]][m[j]];
          if (c > most) {
            most = c;
            best = {m[i], m[j]};
          }
        }
      }
    }
    if (most < kWorthwhile) return false;
    for (int h = 0; h < kHalfCodes; ++h) set[h].Replace(best, nodes_);
    pair_[nodes_++ - kHalfCodes] = {NodeRow(best.a), NodeRow(best.b)};
    return true;
  }

  void StoreLists(const Set* set) {
    uint16_t* out = lists_;
    for (int length = 1; length <= kHalfCodes; ++length) {
      uint16_t* const run = out;
      out += 2;
      int count = 0;
      for (int h = 0; h < kHalfCodes; ++h) {
        if (set[h].count != length) continue;
        ++count;
        *out++ = static_cast<uint16_t>(PartRow(2) + h % kPartCodes);
        *out++ = static_cast<uint16_t>(PartRow(3) + h / kPartCodes);
        for (int i = 0; i < length; ++i) *out++ = NodeRow(set[h].member[i]);
      }
      run[0] = static_cast<uint16_t>(length);
      run[1] = static_cast<uint16_t>(count);
      if (count == 0) out = run;
    }
    *out = 0;
  }

  int nodes_ = kHalfCodes;
  Pair pair_[kMaxNodes - kHalfCodes] = {};
  uint16_t lists_[4 * kHalfCodes + Grid::kPoints + 3] = {};
  int32_t words_[kHalfCodes] = {};
  uint16_t point_[kHalfCodes * kHalfCodes] = {};
};

}  // namespace nibble

#endif  // NIBBLE_SEARCH_CODEBOOK_TABLES_H_
