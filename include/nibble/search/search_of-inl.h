// SPDX-License-Identifier: MIT
// Which search a format takes, from its description.
#if defined(NIBBLE_SEARCH_SEARCH_OF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_SEARCH_SEARCH_OF_INL_H_
#undef NIBBLE_SEARCH_SEARCH_OF_INL_H_
#else
#define NIBBLE_SEARCH_SEARCH_OF_INL_H_
#endif

#include "nibble/search/affine_block_search-inl.h"
#include "nibble/search/affine_search-inl.h"
#include "nibble/search/block_search-inl.h"
#include "nibble/search/codebook_search-inl.h"
#include "nibble/search/coded_scale_search-inl.h"
#include "nibble/search/ternary_search-inl.h"
#include "nibble/search/trellis_search-inl.h"
#include "nibble/search/two_level_search-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {

template <class F, class L>
struct SearchOf {
  static constexpr bool kAffine = formats::kIsPresent<typename F::MinCodes>;
  static constexpr bool kTwoLevel = formats::kIsPresent<typename F::ScaleCodes>;
  static auto Pick() {
    if constexpr (F::kTernary) {
      return TernarySearch<F, L>();
    } else if constexpr (kAffine && !kTwoLevel) {
      return AffineBlockSearch<F, L>();
    } else if constexpr (kAffine) {
      return AffineSearch<F, L>();
    } else if constexpr (formats::TrellisOf<typename F::Codes>::kIsTrellis) {
      return TrellisSearch<F, L>();
    } else if constexpr (formats::GridOf<typename F::Codes>::kIsGrid) {
      return CodebookSearch<F, L>();
    } else if constexpr (kTwoLevel) {
      return TwoLevelSearch<F, L>();
    } else if constexpr (formats::ScaleOf<F>::type::kCoded) {
      return CodedScaleSearch<F, L>();
    } else {
      return BlockSearch<F, L>();
    }
  }
  using type = decltype(Pick());
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#endif  // NIBBLE_SEARCH_SEARCH_OF_INL_H_
