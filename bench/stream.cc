// SPDX-License-Identifier: MIT
#include "bench/stream.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/stream.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace nibble {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// As wide as possible, or the load buffers bound it (Emerald Rapids, GB/s: words
// 13.6, 16 bytes 15.8, 64 bytes 17.5), and fetched ahead in two stages, as matvec
// does (16 bytes: none 10.0, one 13.4, two 15.9).
uint64_t Read(const uint8_t* HWY_RESTRICT p, size_t bytes) {
  const hn::ScalableTag<uint64_t> d;
  constexpr size_t kVector = HWY_MAX_LANES_D(decltype(d)) * sizeof(uint64_t);
  constexpr size_t kStep = 4 * kVector;
  auto a = hn::Zero(d), b = hn::Zero(d);
  for (size_t i = 0; i + kStep <= bytes; i += kStep) {
    for (size_t line = 0; line < kStep; line += 64) {
      __builtin_prefetch(p + i + line + 2048, 0, 3);
      __builtin_prefetch(p + i + line + 8192, 0, 2);
    }
    const auto load = [&](size_t v) HWY_ATTR {
      return hn::LoadU(d, reinterpret_cast<const uint64_t*>(p + i) +
                              v * hn::Lanes(d));
    };
    a = hn::Xor(a, hn::Xor(load(0), load(1)));
    b = hn::Xor(b, hn::Xor(load(2), load(3)));
  }
  return hn::ReduceSum(d, hn::Xor(a, b));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nibble
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nibble {
HWY_EXPORT(Read);
uint64_t StreamRead(const uint8_t* p, size_t bytes) {
  return HWY_DYNAMIC_DISPATCH(Read)(p, bytes);
}
}  // namespace nibble
#endif  // HWY_ONCE
