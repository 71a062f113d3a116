// SPDX-License-Identifier: MIT
// Trellis codebooks arranged for the search of a nearest point.
//
// Coordinates are in kTrellisUnit steps, two 16-bit ones to a word, and sixteen
// points side by side: [point / 16][pair of coordinates][point % 16].
//
// Everything here is integers, built once at the first use, and the same on
// every target.
#ifndef NIBBLE_SEARCH_TRELLIS_TABLES_H_
#define NIBBLE_SEARCH_TRELLIS_TABLES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "nibble/formats/trellis.h"

namespace nibble {

inline constexpr int kTrellisUnit = 8;
inline constexpr int kTrellisBlock = 16;  // points side by side

inline int TrellisValue(uint32_t index, size_t j, bool magnitude) {
  const int v = formats::TrellisGenerator::Value(index, j);
  return magnitude && v < 0 ? -v : v;
}

// Points of eight coordinates in a tree of two levels: kTop nodes of kMid nodes
// of sixteen points, all of equal size, so that searches have no loops of
// unknown length. Nodes are balanced k-means cells: a point goes to the nearest
// centre that is not full, the points that have most to lose first. (Halving at
// medians instead: 6 % more error for the same number of points looked at.)
//
// 65536 points: 1.9 MB, 0.15 s to build.
template <int kPoints, bool kMagnitude>
class TrellisTree {
 public:
  static constexpr int kDim = 8, kPairs = kDim / 2;
  static constexpr int kTop = kPoints == 65536 ? 64 : 32;
  static constexpr int kMid = kPoints / kTop / kTrellisBlock;
  static constexpr int kWords = kPairs * kTrellisBlock;  // of 16 points
  static_assert(kTop % kTrellisBlock == 0 && kMid % kTrellisBlock == 0,
                "whole blocks of nodes");

  static const TrellisTree& Get() noexcept {
    static const TrellisTree tree;
    return tree;
  }

  // Centres of the top nodes, of the nodes under one, the points of one of those.
  const int32_t* top() const { return top_; }
  const int32_t* mid(int top) const {
    return mid_ + top * (kMid / kTrellisBlock) * kWords;
  }
  const int32_t* points(int node) const { return points_ + node * kWords; }
  // Point i of a node is point node * 16 + i of the tree.
  uint16_t index(int point) const { return order_[point]; }
  void Values(int point, float* v) const {
    const int32_t* from =
        points_ + point / kTrellisBlock * kWords + point % kTrellisBlock;
    for (int j = 0; j < kPairs; ++j) {
      const int32_t pair = from[j * kTrellisBlock];
      v[2 * j] = static_cast<float>(static_cast<int16_t>(pair)) *
                 (1.0f / kTrellisUnit);
      v[2 * j + 1] =
          static_cast<float>(pair >> 16) * (1.0f / kTrellisUnit);
    }
  }

 private:
  struct Point {
    int16_t at[kDim];
  };
  static constexpr int kIterations = 4;

  TrellisTree() noexcept {
    for (int i = 0; i < kPoints; ++i) order_[i] = static_cast<uint16_t>(i);
    Partition(order_, kPoints, kTop);
    constexpr int kNode = kPoints / kTop;
    for (int t = 0; t < kTop; ++t) {
      Partition(order_ + t * kNode, kNode, kMid);
      Put(Centre(order_ + t * kNode, kNode), t, top_);
      for (int m = 0; m < kMid; ++m) {
        const int node = t * kMid + m;
        const uint16_t* ids = order_ + node * kTrellisBlock;
        Put(Centre(ids, kTrellisBlock), node, mid_);
      }
    }
    for (int i = 0; i < kPoints; ++i) Put(Load(order_[i]), i, points_);
  }

  static Point Load(uint16_t id) {
    Point p;
    for (int j = 0; j < kDim; ++j) {
      p.at[j] = static_cast<int16_t>(kTrellisUnit *
                                     TrellisValue(id, j, kMagnitude));
    }
    return p;
  }
  static Point Centre(const uint16_t* ids, int count) {
    int sum[kDim] = {};
    for (int i = 0; i < count; ++i) {
      const Point p = Load(ids[i]);
      for (int j = 0; j < kDim; ++j) sum[j] += p.at[j];
    }
    Point centre;
    for (int j = 0; j < kDim; ++j) {
      centre.at[j] = static_cast<int16_t>(sum[j] / count);
    }
    return centre;
  }
  static void Put(const Point& p, int i, int32_t* table) {
    int32_t* to = table + i / kTrellisBlock * kWords + i % kTrellisBlock;
    for (int j = 0; j < kPairs; ++j) {
      const uint32_t low = static_cast<uint16_t>(p.at[2 * j]);
      const uint32_t high = static_cast<uint16_t>(p.at[2 * j + 1]);
      to[j * kTrellisBlock] = static_cast<int32_t>(low | (high << 16));
    }
  }
  static int Distance(const Point& a, const Point& b) {
    int sum = 0;
    for (int j = 0; j < kDim; ++j) {
      const int t = a.at[j] - b.at[j];
      sum += t * t;
    }
    return sum;
  }

  // Orders ids so that each of `parts` equal runs is a cell.
  void Partition(uint16_t* ids, int count, int parts) {
    const int size = count / parts;
    Point centre[64];
    for (int p = 0; p < parts; ++p) centre[p] = Load(ids[p * size]);
    for (int k = 0; k < kIterations; ++k) {
      for (int i = 0; i < count; ++i) haste_[i] = Haste(ids, i, centre, parts);
      std::sort(haste_, haste_ + count);
      int filled[64] = {};
      for (int i = 0; i < count; ++i) {
        const uint16_t id = ids[haste_[i] & 0xFFFF];
        const int p = NearestFree(Load(id), centre, parts, filled, size);
        next_[p * size + filled[p]++] = id;
      }
      std::copy(next_, next_ + count, ids);
      for (int p = 0; p < parts; ++p) centre[p] = Centre(ids + p * size, size);
    }
  }
  // Sorts first what loses most by not going to its nearest centre.
  static uint64_t Haste(const uint16_t* ids, int i, const Point* centre,
                        int parts) {
    const Point p = Load(ids[i]);
    int64_t sum = 0, least = INT64_MAX;
    for (int c = 0; c < parts; ++c) {
      const int64_t d = Distance(p, centre[c]);
      sum += d;
      least = std::min(least, d);
    }
    const auto loss = static_cast<uint64_t>(sum / parts - least);
    return ((uint64_t{1} << 40) - loss) << 16 | static_cast<uint64_t>(i);
  }
  static int NearestFree(const Point& p, const Point* centre, int parts,
                         const int* filled, int size) {
    int best = -1, least = INT32_MAX;
    for (int c = 0; c < parts; ++c) {
      if (filled[c] == size) continue;
      const int d = Distance(p, centre[c]);
      if (d < least) {
        least = d;
        best = c;
      }
    }
    return best;
  }

  alignas(64) int32_t top_[kTop * kPairs] = {};
  alignas(64) int32_t mid_[kTop * kMid * kPairs] = {};
  alignas(64) int32_t points_[kPoints * kPairs] = {};
  uint16_t order_[kPoints] = {};
  uint64_t haste_[kPoints] = {};  // of use to Partition
  uint16_t next_[kPoints] = {};   // likewise
};

// Points of four coordinates under a grid of cells: every point is listed in the
// kCopies cells whose middles are nearest to it, and a search is one look-up and
// one scan of some 180 points. (Of as many points, those nearest to the middle of
// a cell: 1 % more error, since outer cells are large. A tree: 20 %, since four
// coordinates of unequal weight have no few nearest nodes.)
//
// One byte per coordinate, one word per point. 2.5 MB, 0.05 s to build.
template <int kFirst, int kPoints>
class TrellisCells {
 public:
  static constexpr int kDim = 4;
  static constexpr int kBins = 8, kWidth = 22;  // per coordinate; of a bin
  static constexpr int kCells = kBins * kBins * kBins * kBins;

  static const TrellisCells& Get() noexcept {
    static const TrellisCells cells;
    return cells;
  }

  // Bin 4 begins at 0.
  static int Bin(int v) {
    const int bin = (v + kBins / 2 * kWidth) / kWidth;
    return std::min(std::max(bin, 0), kBins - 1);
  }
  static int Cell(const int* bin) {
    return ((bin[3] * kBins + bin[2]) * kBins + bin[1]) * kBins + bin[0];
  }
  // Points begin(c) .. begin(c + 1) are those of cell c, in whole blocks.
  int begin(int cell) const { return begin_[cell]; }
  const int32_t* points() const { return points_; }
  uint16_t index(int i) const {
    return static_cast<uint16_t>(kFirst + index_[i]);
  }
  void Values(int i, float* v) const {
    const auto word = static_cast<uint32_t>(points_[i]);
    for (int j = 0; j < kDim; ++j) {
      v[j] = static_cast<float>(static_cast<int8_t>(word >> (8 * j)));
    }
  }

 private:
  static constexpr int kCopies = 8;  // 16: 1 % less error, twice the points
  // Padding included; cells that would have less than a block get one.
  static constexpr int kEntries = kCopies * kPoints + kCells * kTrellisBlock;

  struct Candidate {
    int distance, id;
    bool operator<(const Candidate& o) const {
      return distance != o.distance ? distance < o.distance : id < o.id;
    }
  };

  TrellisCells() noexcept {
    int count[kCells] = {};
    for (int id = 0; id < kPoints; ++id) {
      NearestCells(id, near_[id]);
      for (const uint16_t cell : near_[id]) ++count[cell];
    }
    int end = 0;
    for (int c = 0; c < kCells; ++c) {
      begin_[c] = end;
      const int blocks = (count[c] + kTrellisBlock - 1) / kTrellisBlock;
      end += std::max(blocks, 1) * kTrellisBlock;
    }
    begin_[kCells] = end;
    std::fill(count, count + kCells, 0);
    for (int id = 0; id < kPoints; ++id) {
      for (const uint16_t cell : near_[id]) {
        index_[begin_[cell] + count[cell]++] = static_cast<uint16_t>(id);
      }
    }
    for (int c = 0; c < kCells; ++c) {
      const int own = count[c] != 0 ? count[c] : Borrow(c, count);
      for (int i = begin_[c] + own; i < begin_[c + 1]; ++i) {
        index_[i] = index_[i - 1];
      }
    }
    for (int i = 0; i < end; ++i) {
      uint32_t word = 0;
      for (int j = kDim - 1; j >= 0; --j) {
        word = (word << 8) | static_cast<uint8_t>(Value(index_[i], j));
      }
      points_[i] = static_cast<int32_t>(word);
    }
  }

  static int Value(int id, int j) {
    return TrellisValue(static_cast<uint32_t>(kFirst + id),
                        static_cast<size_t>(j), false);
  }
  // The middle of a bin; of the outer ones, of what is in them.
  static int Middle(int bin) {
    constexpr int kOuter = 79;
    if (bin == 0) return -kOuter;
    if (bin == kBins - 1) return kOuter;
    return (2 * bin + 1 - kBins) * kWidth / 2;
  }

  // The cells of the nearest middles. All are neighbours of the point's own: two
  // bins away along one coordinate is further than one away along any two.
  static void NearestCells(int id, uint16_t* out) {
    int low[kDim], high[kDim], value[kDim], b[kDim];
    for (int j = 0; j < kDim; ++j) {
      value[j] = Value(id, j);
      const int bin = Bin(value[j]);
      low[j] = std::max(bin - 1, 0);
      high[j] = std::min(bin + 1, kBins - 1);
    }
    Candidate candidate[81];
    int count = 0;
    for (b[3] = low[3]; b[3] <= high[3]; ++b[3]) {
      for (b[2] = low[2]; b[2] <= high[2]; ++b[2]) {
        for (b[1] = low[1]; b[1] <= high[1]; ++b[1]) {
          for (b[0] = low[0]; b[0] <= high[0]; ++b[0]) {
            candidate[count++] = {Distance(value, b), Cell(b)};
          }
        }
      }
    }
    std::partial_sort(candidate, candidate + kCopies, candidate + count);
    for (int i = 0; i < kCopies; ++i) {
      out[i] = static_cast<uint16_t>(candidate[i].id);
    }
  }
  static int Distance(const int* value, const int* bin) {
    int sum = 0;
    for (int j = 0; j < kDim; ++j) {
      const int t = value[j] - Middle(bin[j]);
      sum += t * t;
    }
    return sum;
  }

  // A cell in a far corner, near to no point: borrows up to a block of the
  // next cell towards the origin that has points.
  int Borrow(int cell, const int* count) {
    int bin[kDim];
    for (int j = 0, rest = cell; j < kDim; ++j, rest /= kBins) {
      bin[j] = rest % kBins;
    }
    int from = cell;
    while (count[from] == 0) {
      int furthest = 0;
      for (int j = 1; j < kDim; ++j) {
        if (std::abs(Middle(bin[j])) > std::abs(Middle(bin[furthest]))) {
          furthest = j;
        }
      }
      bin[furthest] += bin[furthest] < kBins / 2 ? 1 : -1;
      from = Cell(bin);
    }
    const int lent = std::min(count[from], kTrellisBlock);
    std::copy_n(index_ + begin_[from], lent, index_ + begin_[cell]);
    return lent;
  }

  alignas(64) int32_t points_[kEntries] = {};
  uint16_t index_[kEntries] = {};
  int begin_[kCells + 1] = {};
  uint16_t near_[kPoints][kCopies] = {};  // of use to the constructor
};

}  // namespace nibble

#endif  // NIBBLE_SEARCH_TRELLIS_TABLES_H_
