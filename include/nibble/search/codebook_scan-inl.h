// SPDX-License-Identifier: MIT
// The exact search of a grid: for one group of weights per lane, the point (and
// the signs, where their number is even) of least weighted error at a given
// scale.
//
// With z = |x| / scale (x / scale less the shift of the levels, where levels
// have signs) the error of level q is w (z - q)^2; relative to the lowest level
// q0 it is the score w (q^2 - q0^2 - 2 z (q - q0)). Turning a sign against x
// adds the flip w 4 z q. Scores are 18-bit fixed-point numbers above 14 bits
// that name the point: every level brings its digit, so sums of scores are also
// sums of digits, and the minimum says whose it is at no cost. Integer minima
// also are the same in any order.
#if defined(NIBBLE_SEARCH_CODEBOOK_SCAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_CODEBOOK_SCAN_INL_H_
#undef NIBBLE_SEARCH_CODEBOOK_SCAN_INL_H_
#else
#define NIBBLE_SEARCH_CODEBOOK_SCAN_INL_H_
#endif

#include "nibble/search/arena.h"
#include "nibble/search/codebook_tables.h"
#include "nibble/search/lanes-inl.h"
#include "nibble/search/one_lane.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// How a format stores the signs of a group of weights.
enum class SignRule {
  kInLevels,   // not at all: the levels have signs
  kFree,       // one per weight
  kEven,       // an even number of minus signs in every group
  kEvenInTwo,  // ... in every two groups
};

// Levels are the bytes of the grid less kZero.
template <class Grid, class L, SignRule kRule, int kZero = 0>
class CodebookScan {
 public:
  using V = typename L::V;
  using I = typename L::I;
  using M = typename L::M;
  using Book = Codebook<Grid>;
  static constexpr int kDim = Book::kDim;
  static constexpr bool kInLevels = kRule == SignRule::kInLevels;
  static constexpr bool kInTwo = kRule == SignRule::kEvenInTwo;
  static constexpr bool kFlips = kRule == SignRule::kEven || kInTwo;
  // Groups searched at once share the walk through the program (IQ2_XS on AVX2:
  // 16 -> 26 Mweights/s); with 16 lanes the tables of two would not fit into
  // 32 KiB.
  static constexpr size_t kTogether = L::kLanes < 16 ? 2 : 1;

  // What a group brings to every scale.
  struct Group {
    const float* y;  // [kDim][kLanes] magnitudes |x|; x where levels have signs
    const float* w;  // [kDim][kLanes] weights
    V sum_w, sum_wy;
    V sum_wa;  // sum w |y|
    V shift;   // what all levels are raised by, where they have signs
    M odd;     // has an odd number of minus signs

    Group() = default;

    // Puts the magnitudes of x, if they are needed, into `magnitudes`.
    HWY_INLINE void Load(const float* x, const float* weights,
                         float* magnitudes) {
      y = kInLevels ? x : magnitudes;
      w = weights;
      sum_w = sum_wy = sum_wa = shift = L::Zero();
      odd = L::False();
      for (size_t i = 0; i < kDim * L::kLanes; i += L::kLanes) {
        const V xi = L::Load(x + i), yi = L::Abs(xi), wi = L::Load(w + i);
        sum_w = L::Add(sum_w, wi);
        sum_wa = L::AddMul(sum_wa, wi, yi);
        if constexpr (kInLevels) {
          sum_wy = L::AddMul(sum_wy, wi, xi);
        } else {
          odd = L::Xor(odd, L::Lt(xi, L::Zero()));
          L::Store(yi, magnitudes + i);
        }
      }
      if constexpr (!kInLevels) sum_wy = sum_wa;
    }
  };
  struct Found {
    V score;  // the error at unit scale, less sum w (y / scale)^2
    I code;   // names the point: see Codebook

    Found() = default;
  };

  void Allocate(Arena& arena) {
    book_ = &Book::Get();
    rows_ = arena.Take<int32_t>(static_cast<size_t>(book_->rows()) * kRow);
  }

  // The best points of kGroups groups; `inverse`: 1 / scale.
  template <size_t kGroups>
  HWY_INLINE void FindAll(const Group* groups, V inverse, Found* found) {
    static_assert(kGroups % kTogether == 0 && kGroups % 2 == 0, "whole pairs");
    for (size_t g = 0; g < kGroups; g += 2) {
      Found odd[2];
      for (size_t i = 0; i < 2; i += kTogether) {
        Find(groups + g + i, inverse, found + g + i, odd + i);
      }
      if constexpr (kInTwo) TurnOne(groups + g, odd, found + g);
    }
  }

  // The best points of kTogether groups; `odd`: those with one turned sign,
  // only where signs are even in two groups.
  HWY_INLINE void Find(const Group* groups, V inverse, Found* found,
                       Found* odd) {
    V safe[kTogether];
    for (size_t g = 0; g < kTogether; ++g) {
      const V bound = Bound(groups[g], inverse);
      safe[g] = L::Max(bound, L::Set(1e-30f));
      BuildParts(groups[g], inverse, L::Div(L::Set(kLargest), safe[g]),
                 rows_ + g * kEntry);
    }
    BuildNodes();
    I best[kTogether], best_odd[kTogether];
    Scan(best, best_odd);
    for (size_t g = 0; g < kTogether; ++g) {
      found[g] = FoundAt(groups[g], inverse, safe[g], best[g]);
      if constexpr (kInTwo) {
        odd[g] = FoundAt(groups[g], inverse, safe[g], best_odd[g]);
      }
    }
  }

 private:
  static constexpr GridLevels kLevels = Book::kLevels;
  static constexpr int kCount = kLevels.count;
  static constexpr int kPartCodes = Book::kPartCodes;
  static constexpr float Level(int l) {
    return static_cast<float>(kLevels.value[l] - kZero);
  }
  static constexpr float kLow = Level(0), kTop = Level(kCount - 1);
  // 18 bits with a sign, less the roundings of a sum.
  static constexpr float kLargest =
      static_cast<float>((1 << (31 - Book::kCodeBits)) - 16);

  static constexpr float Square(float v) { return v * v; }
  static constexpr float MostSquares() {
    float most = 0;
    for (int l = 1; l < kCount; ++l) {
      const float s = Square(Level(l)) - Square(kLow);
      most = s > most ? s : -s > most ? -s : most;
    }
    return most;
  }

  // y / scale less the shift of the levels.
  static HWY_INLINE V Z(const Group& g, V y_over_scale) {
    return kInLevels ? L::Sub(y_over_scale, g.shift) : y_over_scale;
  }
  // No sum of levels and one flip exceeds this.
  static HWY_INLINE V Bound(const Group& g, V inverse) {
    V reach = L::Mul(inverse, g.sum_wa);
    if constexpr (kInLevels) reach = L::AddMul(reach, g.sum_w, g.shift);
    return L::AddMul(L::Mul(g.sum_w, L::Set(MostSquares())), reach,
                     L::Set(kFlips ? 4.0f * kTop : 2.0f * (kTop - kLow)));
  }
  // From the minimum to a score and a code.
  static HWY_INLINE Found FoundAt(const Group& g, V inverse, V safe, I best) {
    const V wy = L::Mul(inverse, g.sum_wy);
    // sum w (q^2 - 2 (y / scale) q) for q = kLow + shift, the lowest level.
    const V low = kInLevels ? L::Add(g.shift, L::Set(kLow)) : L::Set(kLow);
    const V lowest = L::Mul(low, L::Sub(L::Mul(low, g.sum_w), L::Add(wy, wy)));
    const V fixed = L::ToFloat(L::template ShrI<Book::kCodeBits>(best));
    Found found;
    found.score =
        L::AddMul(lowest, fixed, L::Mul(safe, L::Set(1.0f / kLargest)));
    found.code = L::AndI(best, L::SetI((1 << Book::kCodeBits) - 1));
    return found;
  }
  // Two groups that have an odd number of minus signs: one sign turns, in the
  // group where that costs less.
  static HWY_INLINE void TurnOne(const Group* groups, const Found* odd,
                                 Found* found) {
    const M turn = L::Xor(groups[0].odd, groups[1].odd);
    const M first = L::And(turn, L::Lt(L::Add(odd[0].score, found[1].score),
                                       L::Add(found[0].score, odd[1].score)));
    const M second = L::And(turn, L::Not(first));
    found[0] = {L::If(first, odd[0].score, found[0].score),
                L::IfI(first, odd[0].code, found[0].code)};
    found[1] = {L::If(second, odd[1].score, found[1].score),
                L::IfI(second, odd[1].code, found[1].code)};
  }

  // An entry is a score, then a flip (or the score with a flip); a row has an
  // entry for each group.
  static constexpr size_t kEntry = (kFlips ? 2 : 1) * L::kLanes;
  static constexpr size_t kRow = kTogether * kEntry;
  template <class Int>
  static HWY_INLINE Int* Row(Int* rows, int i) {
    return rows + static_cast<size_t>(i) * kRow;
  }
  static HWY_INLINE I Score(const int32_t* row, size_t g) {
    return L::LoadI(row + g * kEntry);
  }
  static HWY_INLINE I Flip(const int32_t* row, size_t g) {
    return kFlips ? L::LoadI(row + g * kEntry + L::kLanes) : L::SetI(0);
  }
  static HWY_INLINE void Put(I score, I flip, int32_t* row, size_t g) {
    L::StoreI(score, row + g * kEntry);
    if constexpr (kFlips) L::StoreI(flip, row + g * kEntry + L::kLanes);
  }

  // |v| < 2^17 to fixed point; the exponent of the sum is shifted out.
  static HWY_INLINE I Fixed(V v) {
    return L::template ShlI<Book::kCodeBits>(
        L::Bits(L::Add(v, L::Set(12582912.0f))));
  }

  // Scores and flips of the levels of weight k.
  template <int k>
  static HWY_INLINE void Levels(const Group& g, V inverse, V unit, I* score,
                                I* flip) {
    constexpr size_t kAt = k * L::kLanes;
    const V w = L::Mul(L::Load(g.w + kAt), unit);
    const V p = L::Mul(w, Z(g, L::Mul(L::Load(g.y + kAt), inverse)));
    // Where no sign needs to turn, flips in the second half are free: then the
    // sums with a flip contain the one without any.
    const V f = kInTwo || k < kDim / 2 ? p : L::IfElse0(g.odd, p);
    score[0] = L::SetI(0);
    HWY_UNROLL(8)
    for (int l = 0; l < kCount; ++l) {
      const float q = Level(l);
      if (l != 0) {
        const V s = L::Sub(L::Mul(w, L::Set(Square(q) - Square(kLow))),
                           L::Mul(p, L::Set(2.0f * (q - kLow))));
        score[l] = L::OrI(Fixed(s), L::SetI(l * Book::Digit(k)));
      }
      flip[l] = kFlips ? Fixed(L::Mul(f, L::Set(4.0f * q))) : L::SetI(0);
    }
  }

  static HWY_INLINE void BuildParts(const Group& g, V inverse, V unit,
                                    int32_t* rows) {
    BuildPart<0>(g, inverse, unit, rows);
    BuildPart<1>(g, inverse, unit, rows);
    BuildPart<2>(g, inverse, unit, rows);
    BuildPart<3>(g, inverse, unit, rows);
  }
  template <int kPart>
  static HWY_INLINE void BuildPart(const Group& g, V inverse, V unit,
                                   int32_t* HWY_RESTRICT rows) {
    constexpr int k = kPart * Book::kPart;
    int32_t* HWY_RESTRICT out = Row(rows, Book::PartRow(kPart));
    I s0[kCount], f0[kCount];
    Levels<k>(g, inverse, unit, s0, f0);
    if constexpr (Book::kPart == 1) {
      for (int i = 0; i < kCount; ++i) Put(s0[i], f0[i], Row(out, i), 0);
    } else {
      I s1[kCount], f1[kCount];
      Levels<k + 1>(g, inverse, unit, s1, f1);
      HWY_UNROLL(3)
      for (int j = 0; j < kCount; ++j) {
        HWY_UNROLL(3)
        for (int i = 0; i < kCount; ++i) {
          Put(L::AddI(s0[i], s1[j]), L::MinI(f0[i], f1[j]),
              Row(out, j * kCount + i), 0);
        }
      }
    }
  }

  // Half 1: a node's score, and its score with one sign turned.
  HWY_INLINE void BuildNodes() {
    int32_t* HWY_RESTRICT rows = rows_;
    int32_t* HWY_RESTRICT out = Row(rows, Book::kFirstNode);
    for (int j = 0; j < kPartCodes; ++j) {
      const int32_t* HWY_RESTRICT one = Row(rows, Book::PartRow(1) + j);
      for (int i = 0; i < kPartCodes; ++i, out += kRow) {
        const int32_t* HWY_RESTRICT zero = Row(rows, Book::PartRow(0) + i);
        HWY_UNROLL(2)
        for (size_t g = 0; g < kTogether; ++g) {
          const I s = L::AddI(Score(zero, g), Score(one, g));
          const I f = L::MinI(Flip(zero, g), Flip(one, g));
          Put(s, L::AddI(s, f), out, g);
        }
      }
    }
    const auto* pair = book_->pairs();
    for (int n = book_->pair_count(); n != 0; --n, ++pair, out += kRow) {
      const int32_t* a = Row(rows, pair->a);
      const int32_t* b = Row(rows, pair->b);
      HWY_UNROLL(2)
      for (size_t g = 0; g < kTogether; ++g) {
        Put(L::MinI(Score(a, g), Score(b, g)), L::MinI(Flip(a, g), Flip(b, g)),
            out, g);
      }
    }
  }

  HWY_INLINE void Scan(I* best, I* odd) const {
    for (size_t g = 0; g < kTogether; ++g)
      best[g] = odd[g] = L::SetI(INT32_MAX);
    const uint16_t* HWY_RESTRICT list = book_->lists();
    ScanLists<1>(list, best, odd);
    ScanLists<2>(list, best, odd);
    ScanLists<3>(list, best, odd);
    ScanLists<4>(list, best, odd);
    while (*list != 0) ScanLists<0>(list, best, odd);
  }

  // A run of lists of kLength nodes, or with 0 of any length.
  template <int kLength>
  HWY_INLINE void ScanLists(const uint16_t* HWY_RESTRICT& list, I* best,
                            I* odd) const {
    const int32_t* HWY_RESTRICT rows = rows_;
    if (kLength != 0 && *list != kLength) return;
    const int length = kLength != 0 ? kLength : *list;
    int count = list[1];
    for (list += 2; count != 0; --count, list += 2 + length) {
      const int32_t* two = Row(rows, list[0]);
      const int32_t* three = Row(rows, list[1]);
      const int32_t* first = Row(rows, list[2]);
      I a[kTogether], u[kTogether];
      for (size_t g = 0; g < kTogether; ++g) {
        a[g] = Score(first, g);
        u[g] = Flip(first, g);
      }
      for (int k = 1; k < length; ++k) {
        const int32_t* next = Row(rows, list[2 + k]);
        for (size_t g = 0; g < kTogether; ++g) {
          a[g] = L::MinI(a[g], Score(next, g));
          if constexpr (kFlips) u[g] = L::MinI(u[g], Flip(next, g));
        }
      }
      for (size_t g = 0; g < kTogether; ++g) {
        const I half = L::AddI(Score(two, g), Score(three, g));
        if constexpr (kFlips) {  // the turned sign is in half 2 or in half 1
          const I f = L::MinI(Flip(two, g), Flip(three, g));
          u[g] = L::MinI(L::AddI(a[g], f), u[g]);
        }
        if constexpr (kInTwo) odd[g] = L::MinI(odd[g], L::AddI(u[g], half));
        const I least = kRule == SignRule::kEven ? u[g] : a[g];
        best[g] = L::MinI(best[g], L::AddI(least, half));
      }
    }
  }

  const Book* book_ = nullptr;
  int32_t* rows_ = nullptr;  // [row][group][score, flip][lane]
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_CODEBOOK_SCAN_INL_H_
