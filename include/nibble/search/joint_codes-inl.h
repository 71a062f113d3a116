// SPDX-License-Identifier: MIT
// Codes that are tied together: the best of them at a given scale.
//
// Where every element has a code of its own that is the nearest level. A format
// that ties several codes has a specialisation here, and the searches use it
// wherever they would look for nearest levels.
#if defined(NIBBLE_SEARCH_JOINT_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_JOINT_CODES_INL_H_
#undef NIBBLE_SEARCH_JOINT_CODES_INL_H_
#else
#define NIBBLE_SEARCH_JOINT_CODES_INL_H_
#endif

#include "nibble/search/levels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L, class Codes = typename F::Codes>
struct JointCodes {
  static constexpr bool kJoint = false;
};

// The levels of the codes with an even (kOdd = 0) or odd number of ones, eight
// of them as the words of a table.
constexpr uint64_t LevelsOfParity(uint64_t lo, uint64_t hi, int odd) {
  uint64_t levels = 0;
  int count = 0;
  for (int code = 0; code < 16; ++code) {
    const int ones = (code & 1) + (code >> 1 & 1) + (code >> 2 & 1) + (code >> 3);
    const uint64_t word = code < 8 ? lo : hi;
    if (ones % 2 == odd) {
      levels |= ((word >> (8 * (code % 8))) & 255) << (8 * count++);
    }
  }
  return levels;
}

// Four codes that share a Gray word: together they have an even number of ones.
// An element takes the nearer of the nearest level with an even and the nearest
// with an odd code; if the odd ones are odd in number, the element to which that
// matters least takes the other: the least weighted error there is. The
// reference repairs codes only after it has chosen them; on an outlier among
// zeros, where only the scale can make room, its error is twice as large.
template <class F, class L, uint64_t kLo, uint64_t kHi, int kRun, auto kM>
struct JointCodes<
    F, L,
    formats::Lut16<kLo, kHi, formats::Gray<formats::Field<4, kRun, kM>>>> {
  using V = typename L::V;
  using M = typename L::M;
  using Levels = TableLevels<L, formats::LutEntries<kLo, kHi>>;
  using Even =
      TableLevels<L, formats::LutEntries<LevelsOfParity(kLo, kHi, 0)>>;
  using Odd =
      TableLevels<L, formats::LutEntries<LevelsOfParity(kLo, kHi, 1)>>;
  static constexpr bool kJoint = true;
  static constexpr size_t kWords = F::kSub / 4;
  static_assert(F::kSub == 2 * kRun, "two fields of every byte");

  // Where element j of a word is.
  static constexpr size_t At(size_t word, size_t j) {
    return (2 * word + j % 2 + j / 2 * kRun) * L::kLanes;
  }

  // An element's nearest level, that of the other parity, and what it costs to
  // take it.
  struct Element {
    V level, other, cost;
    M odd;

    HWY_INLINE Element(V z, V w) {
      const V a = Even::Near(z), b = Odd::Near(z);
      // w (z - b)^2 - w (z - a)^2
      cost = L::Mul(L::Mul(w, L::Sub(a, b)),
                    L::Add(L::Sub(z, a), L::Sub(z, b)));
      odd = L::Lt(cost, L::Zero());
      cost = L::Abs(cost);
      level = L::If(odd, b, a);
      other = L::If(odd, a, b);
    }
  };

  // sum w x q and sum w q^2, q the levels of x * inverse on the table line that
  // is `shift` higher. x, w: [kSub][kLanes].
  static HWY_INLINE void Sums(const float* x, const float* w, V inverse,
                              V shift, V& sx, V& sq) {
    sx = sq = L::Zero();
    for (size_t word = 0; word < kWords; ++word) {
      V least = L::Set(3e38f), change_sx = L::Zero(), change_sq = L::Zero();
      M odd = L::False();
      HWY_UNROLL(4)
      for (size_t j = 0; j < 4; ++j) {
        const V xi = L::Load(x + At(word, j)), wi = L::Load(w + At(word, j));
        const Element e(L::Sub(L::Mul(xi, inverse), shift), wi);
        const V q = L::Add(e.level, shift), other = L::Add(e.other, shift);
        const V t = L::Mul(wi, q), u = L::Mul(wi, other);
        sx = L::AddMul(sx, t, xi);
        sq = L::AddMul(sq, t, q);
        const M first = L::Lt(e.cost, least);
        least = L::If(first, e.cost, least);
        change_sx = L::If(first, L::Mul(L::Sub(u, t), xi), change_sx);
        change_sq =
            L::If(first, L::Sub(L::Mul(u, other), L::Mul(t, q)), change_sq);
        odd = L::Xor(odd, e.odd);
      }
      sx = L::Add(sx, L::IfElse0(odd, change_sx));
      sq = L::Add(sq, L::IfElse0(odd, change_sq));
    }
  }

  static HWY_INLINE void Encode(const float* x, const float* w, V inverse,
                                V shift, int32_t* codes) {
    for (size_t word = 0; word < kWords; ++word) {
      V level[4], other[4], least = L::Set(3e38f), at = L::Zero();
      M odd = L::False();
      for (size_t j = 0; j < 4; ++j) {
        const V z = L::Sub(L::Mul(L::Load(x + At(word, j)), inverse), shift);
        const Element e(z, L::Load(w + At(word, j)));
        level[j] = e.level;
        other[j] = e.other;
        const M first = L::Lt(e.cost, least);
        least = L::If(first, e.cost, least);
        at = L::If(first, L::Set(static_cast<float>(j)), at);
        odd = L::Xor(odd, e.odd);
      }
      for (size_t j = 0; j < 4; ++j) {
        const M keep = L::Ne(at, L::Set(static_cast<float>(j)));
        const V q = L::If(keep, level[j], L::If(odd, other[j], level[j]));
        L::StoreI(Levels::Code(q), codes + At(word, j));
      }
    }
  }
};

// A grid of pairs by rows: the points that share their first member, in the order
// of the second.
template <class Grid>
struct PairRows {
  struct Row {
    float first = 0;
    int count = 0;
    float second[8] = {}, middle[8] = {}, code[8] = {};
  };
  Row row[8] = {};

  constexpr PairRows() {
    for (int r = 0; r < 8; ++r) {
      row[r].first = static_cast<float>(Grid::kLevels[r]);
      for (const int8_t second : Grid::kLevels) {
        const int code = CodeOf(Grid::kLevels[r], second);
        if (code < 0) continue;
        const int n = row[r].count++;
        row[r].second[n] = static_cast<float>(second);
        row[r].code[n] = static_cast<float>(code);
        if (n != 0) {
          row[r].middle[n] =
              0.5f * (row[r].second[n - 1] + row[r].second[n]);
        }
      }
    }
  }

 private:
  static constexpr int CodeOf(int8_t first, int8_t second) {
    for (int i = 0; i < 32; ++i) {
      const uint16_t pair = Grid::kPairs[i];
      if (static_cast<int8_t>(pair & 255) == first &&
          static_cast<int8_t>(pair >> 8) == second) {
        return i;
      }
    }
    return -1;
  }
};

// Two neighbours that share a point of a grid: the nearest of all points. In a
// row of the grid that is the one with the nearest second member, whatever the
// weights; the rows are then compared.
template <class F, class L, class Grid, class Index>
struct JointCodes<F, L, formats::PairLut<Grid, Index>> {
  using V = typename L::V;
  static constexpr bool kJoint = true;
  static constexpr PairRows<Grid> kRows{};

  struct Point {
    V q0, q1, code;
  };
  template <bool kCode>
  static HWY_INLINE Point Nearest(V z0, V z1, V w0, V w1) {
    Point best = {L::Zero(), L::Zero(), L::Zero()};
    V least = L::Set(3e38f);
    HWY_UNROLL(8)
    for (int r = 0; r < 8; ++r) {
      const auto& row = kRows.row[r];
      V second = L::Set(row.second[0]), code = L::Set(row.code[0]);
      for (int k = 1; k < row.count; ++k) {
        const auto past = L::Ge(z1, L::Set(row.middle[k]));
        second = L::If(past, L::Set(row.second[k]), second);
        if constexpr (kCode) code = L::If(past, L::Set(row.code[k]), code);
      }
      const V first = L::Set(row.first);
      const V r0 = L::Sub(z0, first), r1 = L::Sub(z1, second);
      const V cost = L::AddMul(L::Mul(L::Mul(w0, r0), r0), L::Mul(w1, r1), r1);
      const auto better = L::Lt(cost, least);
      least = L::If(better, cost, least);
      best.q0 = L::If(better, first, best.q0);
      best.q1 = L::If(better, second, best.q1);
      if constexpr (kCode) best.code = L::If(better, code, best.code);
    }
    return best;
  }

  // There is no second table line to shift to.
  static HWY_INLINE void Sums(const float* x, const float* w, V inverse,
                              V /*shift*/, V& sx, V& sq) {
    sx = sq = L::Zero();
    for (size_t i = 0; i < F::kSub * L::kLanes; i += 2 * L::kLanes) {
      const V x0 = L::Load(x + i), x1 = L::Load(x + i + L::kLanes);
      const V w0 = L::Load(w + i), w1 = L::Load(w + i + L::kLanes);
      const Point p =
          Nearest<false>(L::Mul(x0, inverse), L::Mul(x1, inverse), w0, w1);
      const V t0 = L::Mul(w0, p.q0), t1 = L::Mul(w1, p.q1);
      sx = L::AddMul(L::AddMul(sx, t0, x0), t1, x1);
      sq = L::AddMul(L::AddMul(sq, t0, p.q0), t1, p.q1);
    }
  }
  // The index goes with the first of its pair.
  static HWY_INLINE void Encode(const float* x, const float* w, V inverse,
                                V /*shift*/, int32_t* codes) {
    for (size_t i = 0; i < F::kSub * L::kLanes; i += 2 * L::kLanes) {
      const size_t next = i + L::kLanes;
      const Point p = Nearest<true>(L::Mul(L::Load(x + i), inverse),
                                    L::Mul(L::Load(x + next), inverse),
                                    L::Load(w + i), L::Load(w + next));
      L::StoreI(L::ToInt(p.code), codes + i);
      L::StoreI(L::SetI(0), codes + next);
    }
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_JOINT_CODES_INL_H_
