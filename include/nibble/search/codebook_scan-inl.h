// SPDX-License-Identifier: MIT
// The exact search of a grid: for one group of weights per lane, the point (and
// the signs, where their number is even) of least weighted error at a given
// scale.
//
// With z = |x| / scale the error of level q is w (z - q)^2; relative to the
// lowest level q0 it is the score w (q^2 - q0^2 - 2 z (q - q0)). Turning a sign
// against x adds the flip w 4 z q. Scores are 18-bit fixed-point numbers above
// 14 bits that name the point: every level brings its digit, so sums of scores
// are also sums of digits, and the minimum says whose it is at no cost. Integer
// minima also are the same in any order.
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

// kParity: an even number of minus signs per group; else signs are free.
template <class Grid, class L, bool kParity>
class CodebookScan {
 public:
  using V = typename L::V;
  using I = typename L::I;
  using M = typename L::M;
  using Book = Codebook<Grid>;
  static constexpr int kDim = Book::kDim;

  // What a group brings to every scale.
  struct Group {
    const float* y;  // [kDim][kLanes] magnitudes |x|
    const float* w;  // [kDim][kLanes] weights
    V sum_w, sum_wy;
    M odd;  // has an odd number of minus signs

    // Puts the magnitudes of x into `magnitudes`.
    HWY_INLINE void Load(const float* x, const float* weights,
                         float* magnitudes) {
      y = magnitudes;
      w = weights;
      sum_w = sum_wy = L::Zero();
      odd = L::False();
      for (size_t i = 0; i < kDim * L::kLanes; i += L::kLanes) {
        const V xi = L::Load(x + i), yi = L::Abs(xi), wi = L::Load(w + i);
        odd = L::Xor(odd, L::Lt(xi, L::Zero()));
        sum_w = L::Add(sum_w, wi);
        sum_wy = L::AddMul(sum_wy, wi, yi);
        L::Store(yi, magnitudes + i);
      }
    }
  };
  struct Found {
    V score;  // sum w (q^2 - 2 z q): the error at unit scale, less sum w z^2
    I code;   // names the point: see Codebook
  };

  void Allocate(Arena& arena) {
    part_ = arena.Take<int32_t>(4 * kPartCodes * 2 * L::kLanes);
    node_ = arena.Take<int32_t>(Book::kMaxNodes * 2 * L::kLanes);
    book_ = &Book::Get();
  }

  // `inverse`: 1 / scale.
  HWY_INLINE Found Find(const Group& g, V inverse) {
    // No sum of levels and one flip exceeds this bound.
    const V reach = L::Mul(inverse, g.sum_wy);
    const V bound = L::AddMul(
        L::Mul(g.sum_w, L::Set(Square(kTop) - Square(kLow))), reach,
        L::Set(kParity ? 4.0f * kTop : 2.0f * (kTop - kLow)));
    const V safe = L::Max(bound, L::Set(1e-30f));
    const V unit = L::Div(L::Set(kLargest), safe);
    for (int part = 0; part < 4; ++part) BuildPart(g, part, inverse, unit);
    BuildNodes();
    const I best = Scan();
    Found found;
    found.code = L::AndI(best, L::SetI((1 << Book::kCodeBits) - 1));
    const V lowest = L::Mul(
        L::Set(kLow), L::Sub(L::Mul(L::Set(kLow), g.sum_w),
                             L::Add(reach, reach)));
    const V fixed = L::ToFloat(L::template ShrI<Book::kCodeBits>(best));
    found.score = L::AddMul(lowest, fixed,
                            L::Mul(safe, L::Set(1.0f / kLargest)));
    return found;
  }

 private:
  static constexpr GridLevels kLevels = Book::kLevels;
  static constexpr int kCount = kLevels.count;
  static constexpr int kPartCodes = Book::kPartCodes;
  static constexpr float kLow = static_cast<float>(kLevels.value[0]);
  static constexpr float kTop = static_cast<float>(kLevels.value[kCount - 1]);
  // 18 bits with a sign, less the roundings of a sum.
  static constexpr float kLargest =
      static_cast<float>((1 << (31 - Book::kCodeBits)) - 16);

  static constexpr float Square(float v) { return v * v; }

  // Scores and flips of nodes and part codes lie side by side.
  static HWY_INLINE I Score(const int32_t* table, int i) {
    return L::LoadI(table + (2 * i) * L::kLanes);
  }
  static HWY_INLINE I Flip(const int32_t* table, int i) {
    if constexpr (!kParity) return L::SetI(0);
    return L::LoadI(table + (2 * i + 1) * L::kLanes);
  }
  static HWY_INLINE void Put(I score, I flip, int32_t* table, int i) {
    L::StoreI(score, table + (2 * i) * L::kLanes);
    if constexpr (kParity) L::StoreI(flip, table + (2 * i + 1) * L::kLanes);
  }
  int32_t* Part(int part) const {
    return part_ + part * kPartCodes * 2 * L::kLanes;
  }

  // |v| < 2^17 to fixed point; the exponent of the sum is shifted out.
  static HWY_INLINE I Fixed(V v) {
    return L::template ShlI<Book::kCodeBits>(
        L::Bits(L::Add(v, L::Set(12582912.0f))));
  }

  // Scores and flips of the levels of one weight; `digit` is level 1's share of
  // the code.
  static HWY_INLINE void Levels(const Group& g, int k, V inverse, V unit,
                                int digit, I* score, I* flip) {
    const size_t at = static_cast<size_t>(k) * L::kLanes;
    const V w = L::Mul(L::Load(g.w + at), unit);
    const V p = L::Mul(w, L::Mul(L::Load(g.y + at), inverse));
    score[0] = L::SetI(0);
    HWY_UNROLL(8)
    for (int l = 1; l < kCount; ++l) {
      const float q = static_cast<float>(kLevels.value[l]);
      const V s = L::Sub(L::Mul(w, L::Set(Square(q) - Square(kLow))),
                         L::Mul(p, L::Set(2.0f * (q - kLow))));
      score[l] = L::OrI(Fixed(s), L::SetI(l * digit));
    }
    // Where no sign needs to turn, flips in the second half are free: then the
    // sums of the two below contain the one without any flip.
    const V f = k < kDim / 2 ? p : L::IfElse0(g.odd, p);
    HWY_UNROLL(8)
    for (int l = 0; l < kCount; ++l) {
      const float q = static_cast<float>(kLevels.value[l]);
      flip[l] = kParity ? Fixed(L::Mul(f, L::Set(4.0f * q))) : L::SetI(0);
    }
  }

  HWY_INLINE void BuildPart(const Group& g, int part, V inverse, V unit) {
    const int digit = (part % 2 != 0 ? kPartCodes : 1)
                      << (part < 2 ? 0 : Book::kHalfBits);
    I s0[kCount], f0[kCount];
    Levels(g, part * Book::kPart, inverse, unit, digit, s0, f0);
    int32_t* out = Part(part);
    if constexpr (Book::kPart == 1) {
      for (int i = 0; i < kCount; ++i) Put(s0[i], f0[i], out, i);
    } else {
      I s1[kCount], f1[kCount];
      Levels(g, part * Book::kPart + 1, inverse, unit, digit * kCount, s1, f1);
      for (int j = 0; j < kCount; ++j) {
        for (int i = 0; i < kCount; ++i) {
          Put(L::AddI(s0[i], s1[j]), L::MinI(f0[i], f1[j]), out,
              j * kCount + i);
        }
      }
    }
  }

  // Half 1: a node's score, and its score with one sign turned.
  HWY_INLINE void BuildNodes() {
    for (int j = 0; j < kPartCodes; ++j) {
      const I sj = Score(Part(1), j), fj = Flip(Part(1), j);
      for (int i = 0; i < kPartCodes; ++i) {
        const I s = L::AddI(Score(Part(0), i), sj);
        const I f = L::MinI(Flip(Part(0), i), fj);
        Put(s, L::AddI(s, f), node_, j * kPartCodes + i);
      }
    }
    for (int n = Book::kHalfCodes; n < book_->nodes(); ++n) {
      const auto pair = book_->node(n);
      Put(L::MinI(Score(node_, pair.a), Score(node_, pair.b)),
          L::MinI(Flip(node_, pair.a), Flip(node_, pair.b)), node_, n);
    }
  }

  HWY_INLINE I Scan() const {
    I best = L::SetI(INT32_MAX);
    const uint8_t* member = book_->members();
    for (int i = 0; i < book_->lists(); ++i) {
      const auto list = book_->list(i);
      I a = Score(node_, *member), u = Flip(node_, *member);
      ++member;
      for (int k = 1; k < list.count; ++k, ++member) {
        a = L::MinI(a, Score(node_, *member));
        if constexpr (kParity) u = L::MinI(u, Flip(node_, *member));
      }
      const I s2 = L::AddI(Score(Part(2), list.part2),
                           Score(Part(3), list.part3));
      if constexpr (kParity) {  // the turned sign is in half 2 or in half 1
        const I f2 = L::MinI(Flip(Part(2), list.part2),
                             Flip(Part(3), list.part3));
        a = L::MinI(L::AddI(a, f2), u);
      }
      best = L::MinI(best, L::AddI(a, s2));
    }
    return best;
  }

  const Book* book_ = nullptr;
  int32_t* part_ = nullptr;  // [part][code][score, flip][lane]
  int32_t* node_ = nullptr;  // [node][score, score with a flip][lane]
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_CODEBOOK_SCAN_INL_H_
