// SPDX-License-Identifier: MIT
// Quantizer of trellis formats: groups of weights from a pseudo-random
// codebook, multipliers per 32 under one scale per row.
//
//   1  the scale of every sub-block at which a codebook as dense as ours would
//      lose least, by a formula, without looking at the codebook
//   2  the row's scale: the best of a few by the same formula
//   3  per sub-block several "shots": multipliers (and codebooks) that look
//   good
//      to the formula, each with the nearest points, compared by exact error
//   4  least-squares refit of the row's scale
//
// Shots pay because the codebook is random: at another scale or with the other
// sign the same weights meet other points, and the best of n tries is better
// than one try (IQ2_KT in a prototype, 450 points each: 1, 2, 4 shots 0.250,
// 0.239, 0.228).
//
// The formula: around z = x / a the codebook has p(z) points per volume, so its
// nearest is at a squared distance ~ p(z)^(-2/dim), and p is normal:
//
//   loss(a) ~ sum over groups g of m_g a^2 exp(|x_g|^2 / (a^2 sigma^2 dim))
//
// with m_g the geometric mean of the weights (the volume of an ellipsoid).
#if defined(NIBBLE_SEARCH_TRELLIS_SEARCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_TRELLIS_SEARCH_INL_H_
#undef NIBBLE_SEARCH_TRELLIS_SEARCH_INL_H_
#else
#define NIBBLE_SEARCH_TRELLIS_SEARCH_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "nibble/search/common_scale-inl.h"
#include "nibble/search/pack.h"
#include "nibble/search/slice-inl.h"
#include "nibble/search/trellis_scan-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

struct TrellisPlan {
  int shots;
  int again;  // repeated at the multiplier that suits the points found
  // A shot is given up when groups that should lose part p of the whole have
  // lost more than p + slack sqrt(p (1 - p)) of the best shot's loss: the walk
  // of a sum that ends where the best one did.
  float slack;
  TrellisBeam beam;
};

// The loss of a sub-block per lane, from the energies of its groups.
template <class L, int kGroups, bool kMagnitude>
struct TrellisLoss {
  // A little less than that of the codebook, 36.95: scales a little larger
  // (1 % less error where the largest weights count most).
  static constexpr float kSigma = kMagnitude ? 34.5f : 36.5f;
  using V = typename L::V;
  // |x_g|^2 / (sigma^2 dim) and m_g.
  V energy[kGroups], share[kGroups];

  TrellisLoss() = default;

  // x, w: [32][lane].
  HWY_INLINE void Load(const float* x, const float* w) {
    constexpr int kDim = 32 / kGroups;
    constexpr float kSigma2 = kSigma * kSigma;  // 4 (64^2 - 1) / 12
    constexpr int kLog = kDim == 8 ? 3 : 2;
    for (int g = 0; g < kGroups; ++g) {
      V sum = L::Zero();
      auto log = L::SetI(0);  // floats' bits are nearly logarithms
      for (int j = 0; j < kDim; ++j) {
        const size_t at = static_cast<size_t>(g * kDim + j) * L::kLanes;
        const V xj = L::Load(x + at);
        sum = L::AddMul(sum, xj, xj);
        log = L::AddI(log, L::template ShrI<kLog>(L::Bits(L::Load(w + at))));
      }
      energy[g] = L::Mul(sum, L::Set(1.0f / (kSigma2 * kDim)));
      // Weights of zero: the smallest scale shall still win.
      share[g] = L::Max(L::FromBits(log), L::Set(1e-30f));
    }
  }
  HWY_INLINE V Of(V a) const {
    const V a2 = L::Mul(a, a);
    const V inverse = L::Mul(InverseOrZero<L>(a2), L::Set(1.4426950f));
    V sum = L::Zero();
    for (int g = 0; g < kGroups; ++g) {
      const V power = L::Min(L::Mul(energy[g], inverse), L::Set(60.0f));
      sum = L::AddMul(sum, share[g], Exp2(power));
    }
    return L::Mul(a2, sum);
  }
  // What each group loses, up to a common factor.
  HWY_INLINE void Share(V a, float (*out)[L::kLanes]) const {
    const V inverse =
        L::Mul(InverseOrZero<L>(L::Mul(a, a)), L::Set(1.4426950f));
    for (int g = 0; g < kGroups; ++g) {
      const V power = L::Min(L::Mul(energy[g], inverse), L::Set(60.0f));
      L::Store(L::Mul(share[g], Exp2(power)), out[g]);
    }
  }
  // The scale that loses least: between those of the mean and of the loudest
  // group. 0 for a sub-block of zeros.
  HWY_INLINE V BestScale() const {
    V mean = L::Zero(), most = L::Zero();
    for (int g = 0; g < kGroups; ++g) {
      mean = L::Add(mean, energy[g]);
      most = L::Max(most, energy[g]);
    }
    constexpr int kSteps = 8;
    const V low =
        L::Mul(L::Sqrt(L::Mul(mean, L::Set(1.0f / kGroups))), L::Set(0.9f));
    const V step =
        L::Mul(L::Sub(L::Sqrt(most), low), L::Set(1.0f / (kSteps - 1)));
    V best = L::Set(3e38f), scale = L::Zero();
    for (int k = 0; k < kSteps; ++k) {
      const V a = L::AddMul(low, step, L::Set(static_cast<float>(k)));
      const V loss = Of(a);
      const auto better = L::Lt(loss, best);
      best = L::If(better, loss, best);
      scale = L::If(better, a, scale);
    }
    return scale;
  }

 private:
  // Within 0.6 %, for 0 <= v < 100.
  static HWY_INLINE V Exp2(V v) {
    const V whole = L::Round(v), part = L::Sub(v, whole);
    const V factor = L::AddMul(
        L::Set(1.0f), part, L::AddMul(L::Set(0.6931f), part, L::Set(0.2402f)));
    return L::FromBits(
        L::AddI(L::Bits(factor), L::template ShlI<23>(L::ToInt(whole))));
  }
};

// Weights and values of one sub-block as the scans take them: pairs of
// coordinates (0, 1), (2, 3) ... of a group of 8, (0, 2) and (1, 3) of a group
// of 4.
template <class C, int kDim>
struct TrellisQuery {
  static constexpr int kSize = 32, kPairs = kSize / 2;
  // Centres have a radius of their own, which unequal weights do not stretch:
  // theirs are w / (w + soft * mean w). (Twice or half as soft: 0.3 % worse.)
  static constexpr float kSoft[2] = {0.1f, 0.3f};
  static constexpr int kLevels = kDim == 8 ? 3 : 1;

  alignas(64) float x[kSize], w[kSize];
  alignas(64) int32_t z[kPairs], weight[kLevels][kPairs];
  alignas(64) int32_t bins[kPairs];  // of a pair, 3 bits at 0 and at 6

  template <bool kMagnitude>
  HWY_INLINE void Load(const float* from_x, const float* from_w,
                       size_t stride) {
    for (size_t i = 0; i < kSize; ++i) {
      const float v = from_x[i * stride];
      x[i] = kMagnitude && v < 0.0f ? -v : v;
      w[i] = from_w[i * stride];
    }
    for (int p = 0; p < kPairs; ++p) {
      first_[p] = x[First(p)];
      second_[p] = x[Second(p)];
    }
    float level[kLevels][kSize];
    for (int g = 0; g < kSize; g += kDim) {
      float sum = 0.0f;
      for (int j = g; j < g + kDim; ++j) sum = sum + w[j];
      const float mean = sum * (1.0f / kDim);
      for (int j = g; j < g + kDim; ++j) {
        const float own = mean > 0.0f ? w[j] / mean : 1.0f;
        level[kLevels - 1][j] = own;
        for (int k = 0; k + 1 < kLevels; ++k) {
          level[k][j] = own / (own + kSoft[k]);
        }
      }
    }
    for (int k = 0; k < kLevels; ++k) ToWeights(level[k], weight[k]);
  }

  // z = x / a, `inverse` being kTrellisUnit / a.
  HWY_INLINE void Scale(float inverse) {
    const auto scale = C::Set(inverse);
    for (size_t p = 0; p < kPairs; p += C::kLanes) {
      const auto first = Coordinate(C::Load(first_ + p), scale);
      const auto second = Coordinate(C::Load(second_ + p), scale);
      C::StoreI(C::OrI(C::AndI(ToInt(first), C::SetI(0xFFFF)),
                       C::template ShlI<16>(ToInt(second))),
                z + p);
      if constexpr (kDim == 4) {
        C::StoreI(C::AddI(Bin(first), C::template ShlI<6>(Bin(second))),
                  bins + p);
      }
    }
  }
  // The cell of group g of four.
  HWY_INLINE int Cell(int g) const { return bins[2 * g] + 8 * bins[2 * g + 1]; }

 private:
  using V = typename C::V;

  static constexpr int First(int p) {
    return kDim == 8 ? 2 * p : p / 2 * 4 + p % 2;
  }
  static constexpr int Second(int p) {
    return kDim == 8 ? 2 * p + 1 : First(p) + 2;
  }
  // 312 steps of the codebook are far outside.
  static HWY_INLINE V Coordinate(V x, V scale) {
    const V far = C::Set(2500.0f);
    return C::Round(C::Max(C::Neg(far), C::Min(far, C::Mul(x, scale))));
  }
  static HWY_INLINE typename C::I ToInt(V v) {
    return C::AddI(C::ToInt(C::Add(v, C::Set(4096.0f))), C::SetI(-4096));
  }
  static HWY_INLINE typename C::I Bin(V v) {
    constexpr float kWidth = TrellisCells<0, 32768>::kWidth * kTrellisUnit;
    return C::ToInt(C::RoundWithin(
        C::Add(C::Mul(v, C::Set(1.0f / kWidth)), C::Set(3.5f)), 7));
  }
  // 15 bits, the largest of a group as large as can be.
  static HWY_INLINE void ToWeights(const float* from, int32_t* to) {
    int v[kSize];
    for (int g = 0; g < kSize; g += kDim) {
      float most = from[g];
      for (int j = g; j < g + kDim; ++j) most = from[j] > most ? from[j] : most;
      const float unit = 32766.0f / most;
      for (int j = g; j < g + kDim; ++j) {
        v[j] = static_cast<int>(from[j] * unit + 0.5f);
      }
    }
    for (int p = 0; p < kPairs; ++p) to[p] = v[First(p)] | (v[Second(p)] << 16);
  }

  alignas(64) float first_[kPairs], second_[kPairs];
};

template <class F, class L>
class TrellisSearch {
 public:
  using V = typename L::V;
  using Codes = formats::TrellisOf<typename F::Codes>;
  using Rule = ScaleRule<F, L>;
  using OneRule = ScaleRule<F, OneLane>;
  static constexpr int kDim = Codes::kGroup;
  static constexpr bool kMagnitude = Codes::kMagnitude;
  static constexpr int kGroups = 32 / kDim;
  static constexpr size_t kSub = F::kSub, kSubs = F::kBlock / kSub;
  static constexpr int kPoints = 1 << Codes::kBits;
  static constexpr int kMaxShots = 40;
  // Few multipliers: all are rated. Many: a fan around the best scale.
  static constexpr bool kRated = Rule::kCount <= 16;
  static_assert(kSub == 32 && F::kRowHeader != 0, "trellis formats");
  using Loss = TrellisLoss<L, kGroups, kMagnitude>;
  using Query = TrellisQuery<L, kDim>;
  using One = typename TrellisGroupLanes<L, kDim>::type;

  void Allocate(Arena& arena, size_t cols) {
    const size_t subs = Slice<F, L>::Padded(cols) / kSub;
    scale_ = arena.Take<float>(subs);
    multiplier_ = arena.Take<float>(subs);
    sxm_ = arena.Take<float>(subs);
    sqm_ = arena.Take<float>(subs);
    index_ = arena.Take<uint16_t>(subs * kGroups);
    sign_ = arena.Take<uint8_t>(subs * 4);
  }

  // There is no gradient rule for codebooks: kGradient is kDefault.
  void Prepare(Search search) {
    if constexpr (kDim == 8) {
      tree_ = &Tree::Get();
    } else {
      low_ = &Low::Get();
      high_ = &High::Get();
    }
    const int level = search == Search::kFast         ? 0
                      : search == Search::kExhaustive ? 2
                                                      : 1;
    plan_ = Codes::kBits == 13 ? kPlans13[level]
            : kMagnitude       ? kPlansSigned[level]
            : kDim == 8        ? kPlans16[level]
                               : kPlans4[level];
  }

  bool Run(const Slice<F, L>& slice, uint8_t* row, uint8_t* blocks,
           size_t* col) {
    for (size_t t = 0; t < slice.tiles; ++t) FitTile(slice, t);
    d_ = RowScale(slice);
    for (size_t t = 0; t < slice.tiles; ++t) SearchTile(slice, t);
    common_.Set(d_);
    common_.Refit(slice, sxm_, sqm_);
    const size_t bad = common_.RoundAndStore(slice, row);
    if (bad != slice.subs) {
      *col = bad * kSub;
      return false;
    }
    for (size_t b = 0; b < slice.subs / kSubs; ++b) PackOne(b, blocks);
    return true;
  }

 private:
  // kFast, kDefault, kExhaustive. Of the default, Mw/s and weighted error on
  // one core of a Xeon with AVX-512 (speeds of 16 rows, errors of 64):
  //   IQ1_KT  15.3  0.2984  beam {4, 8}: 3 % slower, 0.2974
  //   IQ2_KT  11.5  0.2286  4 shots: 20 % slower, 0.2271
  //   IQ3_KT   7.0  0.1208
  //   IQ4_KT   5.0  0.0661  24, 36 shots: 5.4, 4.3  0.0664, 0.0657
  static constexpr TrellisPlan kPlans13[3] = {
      {2, 0, 0.2f, {3, 6}}, {3, 0, 0.25f, {5, 7}}, {8, 1, 0.6f, {8, 16}}};
  static constexpr TrellisPlan kPlans16[3] = {
      {2, 0, 0.2f, {3, 8}}, {3, 0, 0.3f, {5, 8}}, {8, 1, 0.6f, {8, 24}}};
  static constexpr TrellisPlan kPlansSigned[3] = {
      {3, 0, 0.2f, {4, 8}}, {5, 1, 0.3f, {6, 16}}, {8, 2, 0.6f, {8, 24}}};
  static constexpr TrellisPlan kPlans4[3] = {
      {12, 0, 0.2f, {}}, {28, 1, 0.2f, {}}, {40, 3, 0.6f, {}}};

  struct Shots {
    alignas(64) float multiplier[kMaxShots][L::kLanes];
    alignas(64) float expected[kGroups][L::kLanes];
  };
  // The order of the groups, and the parts of the best shot's loss that the
  // groups so far may have lost.
  struct Patience {
    int group[kGroups];
    float limit[kGroups];
  };
  // The outcome of a shot.
  struct Choice {
    float loss, error;  // at the multiplier shot with; less sum w x^2, refitted
    float shot, multiplier, sx, sq;
    int book, point[kGroups];
  };

  void FitTile(const Slice<F, L>& slice, size_t t) {
    Loss loss;
    loss.Load(slice.X(t), slice.W(t));
    L::Store(loss.BestScale(), scale_ + t * L::kLanes);
  }

  // The best sub-block's scale goes near the largest multiplier.
  float RowScale(const Slice<F, L>& slice) const {
    float most = 0.0f;
    for (size_t b = 0; b < slice.subs; ++b) most = std::max(most, scale_[b]);
    constexpr float kTop = std::max(-Rule::kMin, Rule::kMax);
    if constexpr (!kRated) return most / (kTop - 1.0f);
    float best = 3e38f, d = 0.0f;
    constexpr int kCandidates = 6;
    for (int k = 0; k < kCandidates; ++k) {
      const float c = most / (kTop * (0.7f + 0.1f * static_cast<float>(k)));
      FixedSum<L> sum;
      for (size_t t = 0; t < slice.tiles; ++t) {
        Loss loss;
        loss.Load(slice.X(t), slice.W(t));
        V least = L::Set(3e38f);
        for (int i = 0; i < Rule::kCount; ++i) {
          if (Rule::Value(i) == 0.0f) continue;
          least = L::Min(least, loss.Of(L::Set(c * Rule::Value(i))));
        }
        sum.Add(t, least);
      }
      const float total = sum.Total();
      if (total < best) {
        best = total;
        d = c;
      }
    }
    return d;
  }

  void SearchTile(const Slice<F, L>& slice, size_t t) {
    Shots shots;
    Loss loss;
    loss.Load(slice.X(t), slice.W(t));
    loss.Share(L::Load(scale_ + t * L::kLanes), shots.expected);
    if constexpr (kRated) {
      RateMultipliers(loss, shots);
    } else {
      FanOut(t, shots);
    }
    for (size_t lane = 0; lane < L::kLanes; ++lane) {
      const size_t b = t * L::kLanes + lane;
      if (b >= slice.subs) {
        sxm_[b] = sqm_[b] = 0.0f;
        continue;
      }
      Match(slice.X(t) + lane, slice.W(t) + lane, shots, lane, b);
    }
  }

  // The multipliers of least loss, the best first.
  void RateMultipliers(const Loss& loss, Shots& shots) const {
    alignas(64) float rate[Rule::kCount][L::kLanes];
    for (int i = 0; i < Rule::kCount; ++i) {
      const float m = Rule::Value(i);
      const V of = loss.Of(L::Set(d_ * m));
      L::Store(m == 0.0f ? L::Set(2e38f) : of, rate[i]);
    }
    for (int s = 0; s < plan_.shots; ++s) {
      V best = L::Set(3e38f), which = L::Zero();
      for (int i = 0; i < Rule::kCount; ++i) {
        const V r = L::Load(rate[i]);
        const auto better = L::Lt(r, best);
        best = L::If(better, r, best);
        which = L::If(better, L::Set(static_cast<float>(i)), which);
      }
      V multiplier = L::Zero();
      for (int i = 0; i < Rule::kCount; ++i) {
        const auto other = L::Ne(which, L::Set(static_cast<float>(i)));
        multiplier = L::If(other, multiplier, L::Set(Rule::Value(i)));
        L::Store(L::If(other, L::Load(rate[i]), L::Set(3e38f)), rate[i]);
      }
      L::Store(multiplier, shots.multiplier[s]);
    }
  }

  // Both signs, then 6 % more, less, 12 % more ... (steps of 3 %: 2 % worse).
  // Each is for both codebooks.
  void FanOut(size_t t, Shots& shots) const {
    const V ideal =
        L::Mul(L::Load(scale_ + t * L::kLanes), InverseOrZero<L>(L::Set(d_)));
    for (int s = 0; s < plan_.shots; s += 4) {
      const int step = (s / 4 + 1) / 2 * (s / 4 % 2 != 0 ? 1 : -1);
      const V m = L::Round(
          L::Mul(ideal, L::Set(0.96f + 0.06f * static_cast<float>(step))));
      const V least = L::If(L::Gt(ideal, L::Zero()), L::Set(1.0f), L::Zero());
      const V up = L::Max(least, L::Min(m, L::Set(Rule::kMax)));
      for (int k = 0; k < 4; ++k) {
        L::Store(k < 2 ? up : L::Neg(up), shots.multiplier[s + k]);
      }
    }
  }

  // All shots at one sub-block.
  void Match(const float* x, const float* w, const Shots& shots, size_t lane,
             size_t b) {
    Query query;
    query.template Load<kMagnitude>(x, w, L::kLanes);
    Patience patience;
    Order(shots, lane, patience);
    Choice best{};
    best.loss = 1e37f;
    best.error = 3e38f;
    for (int s = 0; s < plan_.shots; ++s) {
      Shoot(query, shots.multiplier[s][lane], kBooks == 2 ? s % 2 : 0, patience,
            best);
    }
    // The best points may like another multiplier, and that other points.
    for (int k = 0; k < plan_.again && best.multiplier != best.shot; ++k) {
      Shoot(query, best.multiplier, best.book, patience, best);
    }
    if (HasZero() && best.error > 0.0f) best.multiplier = 0.0f;
    multiplier_[b] = best.multiplier;
    sxm_[b] = best.multiplier * best.sx;
    sqm_[b] = best.multiplier * best.multiplier * best.sq;
    for (int g = 0; g < kGroups; ++g) {
      index_[b * kGroups + static_cast<size_t>(g)] =
          IndexOf(best.point[g], best.book);
    }
    if constexpr (kMagnitude) {
      for (size_t k = 0; k < 4; ++k) {
        int mask = 0;
        for (size_t j = 0; j < 8; ++j) {
          mask |= (x[(8 * k + j) * L::kLanes] < 0.0f) << j;
        }
        sign_[4 * b + k] = static_cast<uint8_t>(mask);
      }
    }
  }

  // The groups that will lose most come first, and are trusted with what the
  // formula expects of them. (Shares of 1 / kGroups in the order they come,
  // times 1.6: IQ4_KT at half the speed and 0.5 % more error, for as many
  // shots.)
  HWY_INLINE void Order(const Shots& shots, size_t lane,
                        Patience& patience) const {
    float lost[kGroups], total = 0.0f;
    for (int g = 0; g < kGroups; ++g) {
      const float own = shots.expected[g][lane];
      total = total + own;
      int k = g;
      for (; k > 0 && lost[k - 1] < own; --k) {
        lost[k] = lost[k - 1];
        patience.group[k] = patience.group[k - 1];
      }
      lost[k] = own;
      patience.group[k] = g;
    }
    float sum = 0.0f;
    for (int k = 0; k < kGroups; ++k) {
      sum = sum + lost[k];
      const float part = total > 0.0f ? std::min(sum / total, 1.0f) : 1.0f;
      patience.limit[k] = part + plan_.slack * std::sqrt(part * (1.0f - part));
    }
  }

  // The points at one multiplier; replaces `best` if they are better.
  HWY_INLINE void Shoot(Query& query, float multiplier, int book,
                        const Patience& patience, Choice& best) const {
    const float a = d_ * multiplier;
    query.Scale(a != 0.0f ? kTrellisUnit / a : 0.0f);
    Choice choice;
    choice.shot = choice.multiplier = multiplier;
    choice.book = book;
    alignas(64) float sx[kDim] = {}, sq[kDim] = {}, lost[kDim], v[kDim];
    float loss = 0.0f;
    const auto va = One::Set(a);
    for (int k = 0; k < kGroups; ++k) {
      const int g = patience.group[k];
      choice.point[g] = Find(query, g, book, v);
      for (size_t j = 0; j < kDim; j += One::kLanes) {
        const size_t at = static_cast<size_t>(g) * kDim + j;
        const auto q = One::Load(v + j), x = One::Load(query.x + at);
        const auto w = One::Load(query.w + at), wq = One::Mul(w, q);
        const auto t = One::SubMul(x, va, q);
        One::Store(One::AddMul(One::Load(sx + j), wq, x), sx + j);
        One::Store(One::AddMul(One::Load(sq + j), wq, q), sq + j);
        One::Store(One::Mul(One::Mul(w, t), t), lost + j);
      }
      loss = loss + TreeSum(lost);
      if (loss > best.loss * patience.limit[k]) return;
    }
    choice.loss = loss;
    choice.sx = TreeSum(sx);
    choice.sq = TreeSum(sq);
    choice.error = Error(choice, multiplier);
    const float unit = choice.sq * d_;
    if (unit != 0.0f) {  // do these points like another multiplier better?
      const float m = OneRule::Near(choice.sx / unit);
      const float error = Error(choice, m);
      if (error < choice.error) {
        choice.error = error;
        choice.multiplier = m;
      }
    }
    if (choice.error < best.error) best = choice;
  }
  static HWY_INLINE float TreeSum(float* v) {
    for (int n = kDim / 2; n != 0; n /= 2) {
      for (int j = 0; j < n; ++j) v[j] = v[j] + v[j + n];
    }
    return v[0];
  }
  // Less sum w x^2.
  HWY_INLINE float Error(const Choice& c, float multiplier) const {
    const float a = d_ * multiplier;
    return a * (a * c.sq - (c.sx + c.sx));
  }

  // The point for group g, and its values.
  HWY_INLINE int Find(const Query& query, int g, int book, float* v) const {
    const int at = g * kDim / 2;
    if constexpr (kDim == 8) {
      const int32_t* w[3];
      for (int k = 0; k < 3; ++k) w[k] = query.weight[k] + at;
      const int point = FindInTree<L>(*tree_, query.z + at, w, plan_.beam);
      tree_->Values(point, v);
      return point;
    } else {
      return book == 0 ? FindIn(*low_, query, g, v)
                       : FindIn(*high_, query, g, v);
    }
  }
  template <class Cells>
  static HWY_INLINE int FindIn(const Cells& cells, const Query& query, int g,
                               float* v) {
    const int at = g * kDim / 2;
    const int point = FindInCells<L>(cells, query.Cell(g), query.z + at,
                                     query.weight[0] + at);
    cells.Values(point, v);
    return point;
  }
  uint16_t IndexOf(int point, int book) const {
    if constexpr (kDim == 8) {
      return tree_->index(point);
    } else {
      return book == 0 ? low_->index(point) : high_->index(point);
    }
  }

  void PackOne(size_t block, uint8_t* blocks) const {
    uint8_t scales[kSubs];
    for (size_t s = 0; s < kSubs; ++s) {
      scales[s] = Rule::Code(multiplier_[block * kSubs + s]);
    }
    BlockNumbers n;
    n.scales = scales;
    n.points = index_ + block * kSubs * kGroups;
    n.signs = sign_ + block * kSubs * 4;
    PackGridBlock<F>(n, blocks + block * sizeof(typename F::Block));
  }

  static constexpr int kBooks = kDim == 4 ? 2 : 1;
  static constexpr bool HasZero() {
    for (int i = 0; i < Rule::kCount; ++i) {
      if (Rule::Value(i) == 0.0f) return true;
    }
    return false;
  }

  using Tree = TrellisTree<kPoints, kMagnitude>;
  using Low = TrellisCells<0, 32768>;
  using High = TrellisCells<32768, 32768>;

  const Tree* tree_ = nullptr;  // of groups of 8
  const Low* low_ = nullptr;    // of groups of 4
  const High* high_ = nullptr;
  TrellisPlan plan_{};
  float d_ = 0.0f;
  float *scale_ = nullptr, *multiplier_ = nullptr;
  float *sxm_ = nullptr, *sqm_ = nullptr;
  uint16_t* index_ = nullptr;
  uint8_t* sign_ = nullptr;
  CommonScale<F, L> common_;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_TRELLIS_SEARCH_INL_H_
