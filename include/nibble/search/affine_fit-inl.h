// SPDX-License-Identifier: MIT
// The free affine fit: for each sub-block the line scale * code + offset that,
// with the nearest codes 0 .. kMaxCode, minimises the weighted error. One
// sub-block per lane.
#if defined(NIBBLE_SEARCH_AFFINE_FIT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_AFFINE_FIT_INL_H_
#undef NIBBLE_SEARCH_AFFINE_FIT_INL_H_
#else
#define NIBBLE_SEARCH_AFFINE_FIT_INL_H_
#endif

#include "nibble/search/affine_plan.h"
#include "nibble/search/level_fit-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Weighted sums over a sub-block with codes q: sum w q, sum w q^2, sum w y q.
template <class L>
struct AffineSums {
  typename L::V q, qq, yq;

  AffineSums() = default;
  HWY_INLINE void Clear() { q = qq = yq = L::Zero(); }
  HWY_INLINE void Add(typename L::V w, typename L::V code, typename L::V y) {
    const auto t = L::Mul(w, code);
    q = L::Add(q, t);
    qq = L::AddMul(qq, t, code);
    yq = L::AddMul(yq, t, y);
  }
};

enum class Offset { kNotPositive, kFree };

// kOffset: Offset::kNotPositive for formats that subtract a non-negative min.
template <class L, size_t kSub, int kMaxCode, Offset kOffset>
class AffineFit {
 public:
  using V = typename L::V;
  using I = typename L::I;
  using M = typename L::M;
  using P = typename L::P;
  using Sums = AffineSums<L>;
  using Candidates = AffineCandidates<kMaxCode>;
  static constexpr size_t kTile = kSub * L::kLanes;
  static constexpr float kTop = kMaxCode;

  V scale;   // >= 0, in units of x
  V offset;  // in units of x

  AffineFit() = default;

  // x, w: [kSub][kLanes].
  HWY_INLINE void Run(const float* HWY_RESTRICT x, const float* HWY_RESTRICT w,
                      const AffinePlan& plan, const Candidates& candidates) {
    alignas(64) float y[kTile];
    Normalise(x, w, y);
    Scan(y, w, candidates);
    score_ = L::Set(-1e30f);
    for (int i = 0; i < plan.refits; ++i) Refit(y, w);
    if (plan.greedy) Greedy(y, w);
    scale = L::Mul(range_, s_);
    offset = L::AddMul(lowest_, range_, o_);
    if constexpr (kOffset == Offset::kNotPositive) {
      offset = L::Min(offset, L::Zero());
    }
  }

  // sum w; weighted means of the codes and of x.
  V weight() const { return frame_.weight; }
  V mean_code() const { return L::Mul(q_, frame_.inverse_weight); }
  V mean() const {
    return L::AddMul(lowest_, range_,
                     L::Mul(frame_.y, frame_.inverse_weight));
  }
  // What an error of the scale costs: the variance of the codes times the weight
  // if the offset follows, their squares if it is at its bound.
  V curvature() const {
    const V follows = L::Max(L::SubMul(qq_, q_, mean_code()), L::Zero());
    if constexpr (kOffset == Offset::kFree) return follows;
    return L::If(L::Lt(offset, L::Zero()), follows, qq_);
  }

 private:
  // What all lines through a block share: sum w, its inverse, sum w y, and
  // where a positive offset would start.
  struct Frame {
    V weight, inverse_weight, y, limit;

    Frame() = default;
  };

  // The scan works on 16-bit y and w: y in 1 / kOne, w in shares of the largest
  // that leave room for w * code. No sum exceeds 31 bits.
  static constexpr int kOne = Candidates::kOne;
  static constexpr int kMostWeight = 32767 / kMaxCode;
  static_assert(static_cast<int64_t>(kSub) * kMostWeight * kMaxCode * kOne <=
                    0x7FFFFFFF,
                "sum of w y code");
  static constexpr int kAtOnce = Candidates::kAtOnce;

  // y = (x - lowest) / range in [0, 1]: candidates are the same constants in
  // every lane, and sums do not cancel however far from 0 the block is.
  HWY_NOINLINE void Normalise(const float* HWY_RESTRICT x,
                            const float* HWY_RESTRICT w,
                            float* HWY_RESTRICT y) {
    // Members would be kept in memory inside the loops: 15 % of a fast fit.
    V low = L::Load(x), high = low;
    V weight = L::Zero(), sy = L::Zero(), heaviest = L::Zero();
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V v = L::Load(x + i), wi = L::Load(w + i);
      low = L::Min(low, v);
      high = L::Max(high, v);
      heaviest = L::Max(heaviest, wi);
      weight = L::Add(weight, wi);
    }
    if constexpr (kOffset == Offset::kNotPositive) {
      low = L::Min(low, L::Zero());
    }
    const V width = L::Sub(high, low);
    range_ = L::IfElse0(L::Ge(width, L::Set(kNegligible)), width);
    const V inverse = InverseOrZero<L>(range_);
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V v = L::Mul(L::Sub(L::Load(x + i), low), inverse);
      sy = L::AddMul(sy, L::Load(w + i), v);
      L::Store(v, y + i);
    }
    lowest_ = low;
    heaviest_ = heaviest;
    frame_ = {weight, InverseOrZero<L>(weight), sy,
              L::Mul(L::Neg(low), inverse)};
  }

  // The best line of all candidates.
  HWY_INLINE void Scan(const float* HWY_RESTRICT y, const float* HWY_RESTRICT w,
                       const Candidates& candidates) {
    alignas(64) int32_t y16[kTile / 2], w16[kTile / 2];
    Frame frame;
    Narrow(y, w, y16, w16, frame);
    score_ = L::Set(-1e30f);
    s_ = o_ = L::Zero();
    for (int i = 0; i < candidates.cuts; ++i) {
      for (int k = 0; k < candidates.tops; k += kAtOnce) {
        P inverse[kAtOnce];
        for (int j = 0; j < kAtOnce; ++j) {
          inverse[j] = L::SetP(candidates.inverse[i][k + j]);
        }
        Try<kAtOnce>(y16, w16, frame, candidates.from[i], inverse);
      }
    }
    s_ = L::Mul(s_, L::Set(1.0f / kOne));
    o_ = L::Mul(o_, L::Set(1.0f / kOne));
  }

  // Pairs of neighbouring y and w.
  HWY_NOINLINE void Narrow(const float* HWY_RESTRICT y,
                         const float* HWY_RESTRICT w, int32_t* HWY_RESTRICT y16,
                         int32_t* HWY_RESTRICT w16, Frame& frame) const {
    const V one = L::Set(kOne);
    const V share = L::Mul(L::Set(kMostWeight), InverseOrZero<L>(heaviest_));
    I weight = L::SetI(0), sy = L::SetI(0);
    for (size_t i = 0; i < kTile / 2; i += L::kLanes) {
      const float *y0 = y + 2 * i, *w0 = w + 2 * i;
      const P yi =
          L::Pair(L::RoundToInt(L::Mul(L::Load(y0), one)),
                  L::RoundToInt(L::Mul(L::Load(y0 + L::kLanes), one)));
      const P wi =
          L::Pair(L::RoundToInt(L::Mul(L::Load(w0), share)),
                  L::RoundToInt(L::Mul(L::Load(w0 + L::kLanes), share)));
      weight = L::AddI(weight, L::DotP(wi, L::SetP(1)));
      sy = L::AddI(sy, L::DotP(wi, yi));
      L::StoreP(yi, y16 + i);
      L::StoreP(wi, w16 + i);
    }
    frame.weight = L::ToFloat(weight);
    frame.inverse_weight = InverseOrZero<L>(frame.weight);
    frame.y = L::ToFloat(sy);
    frame.limit = L::Mul(frame_.limit, one);
  }

  // Codes round((y - from) * inverse[k]).
  template <int kN>
  HWY_NOINLINE void Try(const int32_t* HWY_RESTRICT y,
                      const int32_t* HWY_RESTRICT w, const Frame& frame,
                      int from, const P* inverse) {
    I q[kN], qq[kN], yq[kN];
    for (int k = 0; k < kN; ++k) q[k] = qq[k] = yq[k] = L::SetI(0);
    const P start = L::SetP(from), top = L::SetP(kMaxCode);
    for (size_t i = 0; i < kTile / 2; i += L::kLanes) {
      const P yi = L::LoadP(y + i), wi = L::LoadP(w + i);
      const P above = L::SubOrZeroP(yi, start);
      HWY_UNROLL(4)
      for (int k = 0; k < kN; ++k) {
        const P code = L::MinP(L::MulRoundP(above, inverse[k]), top);
        const P t = L::MulP(wi, code);
        q[k] = L::AddI(q[k], L::DotP(wi, code));
        qq[k] = L::AddI(qq[k], L::DotP(t, code));
        yq[k] = L::AddI(yq[k], L::DotP(t, yi));
      }
    }
    const V held = L::Set(static_cast<float>(from));
    for (int k = 0; k < kN; ++k) {
      Offer(frame, {L::ToFloat(q[k]), L::ToFloat(qq[k]), L::ToFloat(yq[k])},
            held);
    }
  }

  // Nearest codes to the best line, and their best line.
  HWY_NOINLINE void Refit(const float* HWY_RESTRICT y,
                        const float* HWY_RESTRICT w) {
    const V inverse = InverseOrZero<L>(s_), from = o_;
    Sums sums;
    sums.Clear();
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V yi = L::Load(y + i);
      const V above = L::Sub(yi, from);
      sums.Add(L::Load(w + i), L::RoundWithin(L::Mul(above, inverse), kMaxCode),
               yi);
    }
    const M better = Offer(frame_, sums, from);
    q_ = L::If(better, sums.q, q_);
    qq_ = L::If(better, sums.qq, qq_);
  }

  // The best line for given codes; kept if it beats the best so far.
  HWY_INLINE M Offer(const Frame& frame, const Sums& sums, V from) {
    V s, o;
    const V score = Solve(frame, sums, from, s, o);
    const M better = L::Gt(score, score_);
    score_ = L::If(better, score, score_);
    s_ = L::If(better, s, s_);
    o_ = L::If(better, o, o_);
    return better;
  }

  // Least squares of y ~ s q + o. Where the codes are (nearly) all equal, only s
  // is fitted and o stays at `from`; where o would leave its bound, at the
  // bound. Returns how much the error falls compared with the best constant.
  static HWY_INLINE V Solve(const Frame& f, const Sums& sums, V from, V& s,
                            V& o) {
    const V wqq = L::Mul(f.weight, sums.qq);
    const V det = L::SubMul(wqq, sums.q, sums.q);
    const V cov = L::Sub(L::Mul(f.weight, sums.yq), L::Mul(f.y, sums.q));
    M held = L::Not(L::Gt(det, L::Mul(wqq, L::Set(1e-6f))));
    V at = from;
    if constexpr (kOffset == Offset::kNotPositive) {
      const V o_det = L::Sub(L::Mul(sums.qq, f.y), L::Mul(sums.q, sums.yq));
      const M beyond = L::Gt(o_det, L::Mul(f.limit, det));
      at = L::If(beyond, f.limit, L::Min(from, f.limit));
      held = L::Or(held, beyond);
    }
    const V rest = L::SubMul(sums.yq, at, sums.q);
    const V numerator = L::If(held, rest, cov);
    const V denominator = L::If(held, L::Max(sums.qq, L::Set(1e-30f)), det);
    s = L::Max(L::Div(numerator, denominator), L::Zero());
    o = L::If(held, at,
              L::Mul(L::SubMul(f.y, s, sums.q), f.inverse_weight));
    // Held: relative to the constant `at`, which is this much worse.
    const V away = L::SubMul(f.y, at, f.weight);
    const V loss = L::Mul(L::Mul(away, away), f.inverse_weight);
    const V gain = L::Mul(s, L::If(held, rest, L::Mul(cov, f.inverse_weight)));
    return L::Sub(gain, L::IfElse0(held, loss));
  }

  // The greedy stage of make_qkx3 (ik_llama.cpp): again and again the weight of
  // largest residual moves one code towards its value, as long as the refitted
  // line is better. Lanes that are done keep still.
  HWY_INLINE void Greedy(const float* HWY_RESTRICT y,
                         const float* HWY_RESTRICT w) {
    alignas(64) float codes[kTile];
    Sums sums = Round(y, w, codes);
    Offer(frame_, sums, o_);
    // A line better than the one of these codes stays: nothing to move there.
    V s, o;
    M active = L::Not(L::Gt(score_, Solve(frame_, sums, o_, s, o)));
    V last = L::Set(-1.0f), last_step = L::Zero();
    for (size_t n = 0; n < kMaxCode * kSub; ++n) {
      const Move move = LargestResidual(y, w, codes);
      const M back =
          L::And(L::Not(L::Ne(move.at, last)),
                 L::Lt(L::Mul(move.step, last_step), L::Zero()));
      active = L::And(active, L::Ne(move.step, L::Zero()));
      active = L::And(active, L::Not(back));
      if (L::AllFalse(active)) break;
      Sums moved = sums;
      const V t = L::Mul(move.w, move.step);
      moved.q = L::Add(moved.q, t);
      moved.qq = L::Add(moved.qq, L::AddMul(move.w, L::Add(t, t), move.code));
      moved.yq = L::AddMul(moved.yq, t, move.y);
      const V score = Solve(frame_, moved, o_, s, o);
      active = L::And(active, L::Gt(score, score_));
      score_ = L::If(active, score, score_);
      s_ = L::If(active, s, s_);
      o_ = L::If(active, o, o_);
      sums.q = q_ = L::If(active, moved.q, q_);
      sums.qq = qq_ = L::If(active, moved.qq, qq_);
      sums.yq = L::If(active, moved.yq, sums.yq);
      last = move.at;
      last_step = move.step;
      for (size_t i = 0; i < kSub; ++i) {
        float* code = codes + i * L::kLanes;
        const M here = L::Not(L::Ne(move.at, L::Set(static_cast<float>(i))));
        const V step = L::IfElse0(L::And(active, here), move.step);
        L::Store(L::Add(L::Load(code), step), code);
      }
    }
  }

  struct Move {
    V at, step, w, y, code;  // element, +1 or -1 or 0 for none; its numbers

    Move() = default;
  };
  // The unweighted residual decides, the first of the largest.
  HWY_INLINE Move LargestResidual(const float* HWY_RESTRICT y,
                                  const float* HWY_RESTRICT w,
                                  const float* HWY_RESTRICT codes) const {
    Move move;
    move.at = move.step = move.w = move.y = move.code = L::Zero();
    V largest = L::Zero();
    for (size_t i = 0; i < kSub; ++i) {
      const V yi = L::Load(y + i * L::kLanes);
      const V code = L::Load(codes + i * L::kLanes);
      const V r = L::Sub(L::SubMul(yi, s_, code), o_);
      const M up = L::And(L::Gt(r, L::Zero()), L::Lt(code, L::Set(kTop)));
      const M down = L::And(L::Lt(r, L::Zero()), L::Gt(code, L::Zero()));
      const V size = L::IfElse0(L::Or(up, down), L::Abs(r));
      const M more = L::Gt(size, largest);
      largest = L::If(more, size, largest);
      move.at = L::If(more, L::Set(static_cast<float>(i)), move.at);
      move.step = L::If(more, L::If(up, L::Set(1.0f), L::Set(-1.0f)),
                        move.step);
      move.w = L::If(more, L::Load(w + i * L::kLanes), move.w);
      move.y = L::If(more, yi, move.y);
      move.code = L::If(more, code, move.code);
    }
    return move;
  }

  // Codes nearest to the best line, and their sums.
  HWY_INLINE Sums Round(const float* HWY_RESTRICT y,
                        const float* HWY_RESTRICT w,
                        float* HWY_RESTRICT codes) const {
    const V inverse = InverseOrZero<L>(s_);
    Sums sums;
    sums.Clear();
    for (size_t i = 0; i < kTile; i += L::kLanes) {
      const V yi = L::Load(y + i);
      const V above = L::Sub(yi, o_);
      const V code = L::RoundWithin(L::Mul(above, inverse), kMaxCode);
      sums.Add(L::Load(w + i), code, yi);
      L::Store(code, codes + i);
    }
    return sums;
  }

  V lowest_, range_, heaviest_;
  Frame frame_;
  V score_, s_, o_, q_, qq_;  // the best so far, in units of y
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_AFFINE_FIT_INL_H_
