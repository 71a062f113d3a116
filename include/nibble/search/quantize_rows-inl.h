// SPDX-License-Identifier: MIT
// The row driver of quantization: reads, checks, slices, searches, packs.
#if defined(NIBBLE_SEARCH_QUANTIZE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_QUANTIZE_ROWS_INL_H_
#undef NIBBLE_SEARCH_QUANTIZE_ROWS_INL_H_
#else
#define NIBBLE_SEARCH_QUANTIZE_ROWS_INL_H_
#endif

#include <algorithm>
#include <type_traits>
#include <utility>

#include "nibble/row_floats.h"
#include "nibble/search/arena.h"
#include "nibble/search/importance.h"
#include "nibble/search/job.h"
#include "nibble/search/row_rounding-inl.h"
#include "nibble/search/search_of-inl.h"
#include "nibble/search/slice-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

// Does the search say whether it needs weights?
template <class S, class = void>
inline constexpr bool kMayIgnoreWeights = false;
template <class S>
inline constexpr bool kMayIgnoreWeights<
    S, std::void_t<decltype(std::declval<S>().NeedsWeights())>> = true;

template <class F, class L>
struct RowQuantizer {
  using SearchType = typename SearchOf<F, L>::type;

  float* row = nullptr;         // one row as f32, zero-padded
  float* importance = nullptr;  // prepared and transposed
  float* plain = nullptr;       // prepared, in element order
  uint8_t* packed = nullptr;    // the row's bytes: written whole or not at all
  size_t slice_cols = 0;
  Slice<F, L> slice;
  SearchType search;

  void Allocate(Arena& arena, size_t cols) {
    const size_t padded = Slice<F, L>::Padded(cols);
    slice_cols = std::min(padded, F::kRowHeader != 0 ? padded
                                                     : Slice<F, L>::kCols);
    row = arena.Take<float>(padded);
    plain = arena.Take<float>(padded);
    importance = arena.Take<float>(padded);
    packed = arena.Take<uint8_t>(F::kRowHeader +
                                 cols / F::kBlock * sizeof(typename F::Block));
    slice.Allocate(arena, slice_cols);
    search.Allocate(arena, slice_cols);
  }

  void Prepare(const QuantizeJob& job) {
    const size_t cols = job.source.cols, padded = Slice<F, L>::Padded(cols);
    search.Prepare(job.search);
    std::fill(row + cols, row + padded, 0.0f);
    if (!NeedsWeights()) return;
    PrepareImportance(job.importance, cols, plain);
    std::fill(plain + cols, plain + padded, 1.0f);
    Slice<F, L>::TransposeRow(plain, padded, importance);
  }

  // Row r as floats: in place if it needs neither conversion nor padding.
  const float* ReadRow(const QuantizeJob& job, size_t r, bool pad) {
    const size_t cols = job.source.cols;
    const uint8_t* source = job.source.row(r);
    if (job.source.type == Type::kF32 &&
        (!pad || cols == Slice<F, L>::Padded(cols))) {
      return reinterpret_cast<const float*>(source);
    }
    WidenFloats(job.source.type, source, cols, row);
    return row;
  }

  // Packs row r without a search. False if there is one for it, or if something
  // is wrong with the row: the search will say what.
  bool RoundRow(const QuantizeJob& job, size_t r) {
    using Rounding = RowRounding<F, L>;
    if constexpr (Rounding::kApplies) {
      return !NeedsWeights() &&
             Rounding::Run(ReadRow(job, r, false), job.source.cols, packed);
    } else {
      return false;
    }
  }

  // Packs row r.
  QuantizeResult PackRow(const QuantizeJob& job, size_t r) {
    if (RoundRow(job, r)) return {};
    const float* values = ReadRow(job, r, true);
    const size_t cols = job.source.cols;
    size_t col = FirstNotFinite(values, cols);
    if (col != cols) return {QuantizeResult::kNotFinite, r, col};
    if (!SearchRow(job, values, &col)) {
      return {QuantizeResult::kScaleOverflow, r, col};
    }
    return {};
  }

 private:
  bool NeedsWeights() const {
    if constexpr (kMayIgnoreWeights<SearchType>) {
      return search.NeedsWeights();
    } else {
      return true;
    }
  }

  // Prepared importance from column c on, null if the search has no use for it.
  const float* Importance(size_t c) const {
    return NeedsWeights() ? importance + c : nullptr;
  }

  // False if a scale does not fit; `col` is then the first of its block.
  bool SearchRow(const QuantizeJob& job, const float* values, size_t* col) {
    const size_t cols = job.source.cols;
    for (size_t c = 0; c < cols; c += slice_cols) {
      const size_t n = std::min(slice_cols, cols - c);
      slice.Load(values + c, n, Importance(c), job.weights);
      uint8_t* blocks = packed + F::kRowHeader +
                        c / F::kBlock * sizeof(typename F::Block);
      if (!search.Run(slice, packed, blocks, col)) {
        *col += c;
        return false;
      }
    }
    return true;
  }
};

// Bytes of scratch for rows of `cols` columns.
template <class F, class L>
size_t QuantizeRowsScratch(size_t cols) {
  Arena arena(nullptr);
  RowQuantizer<F, L> quantizer;
  quantizer.Allocate(arena, cols);
  return arena.used();
}

template <class F, class L>
HWY_NOINLINE QuantizeResult QuantizeRows(const QuantizeJob& job) {
  const size_t cols = job.source.cols;
  Arena arena(job.scratch);
  RowQuantizer<F, L> quantizer;
  quantizer.Allocate(arena, cols);
  quantizer.Prepare(job);
  const size_t bytes =
      F::kRowHeader + cols / F::kBlock * sizeof(typename F::Block);
  for (size_t r = job.rows.begin; r < job.rows.end; ++r) {
    const QuantizeResult result = quantizer.PackRow(job, r);
    if (result.problem != QuantizeResult::kNone) return result;
    memcpy(job.packed.row(r), quantizer.packed, bytes);
  }
  return {};
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_QUANTIZE_ROWS_INL_H_
