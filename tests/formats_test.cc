// SPDX-License-Identifier: MIT
// Descriptions and the machines that need no SIMD target.
#include <cmath>
#include <random>

#include "tests/golden.h"

namespace nibble {
namespace {

using formats::Quad;
using formats::Reader;
using formats::Scalar;
using formats::Store;

// `count` blocks of random bytes.
template <class Block>
std::vector<Block> RandomBlocks(size_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<Block> blocks(count);
  auto* bytes = reinterpret_cast<uint8_t*>(blocks.data());
  for (size_t i = 0; i < count * sizeof(Block); ++i) {
    bytes[i] = static_cast<uint8_t>(rng());
  }
  return blocks;
}

uint8_t ByteOf(uint32_t quad, size_t i) {
  return static_cast<uint8_t>(quad >> (8 * i));
}

// Every element of `Node` in `block`: Quad's bytes are Scalar's numbers.
template <class Node, class Block>
void CheckQuad(const Block& block, size_t count) {
  for (size_t e = 0; e < count; e += 4) {
    const uint32_t quad = Quad::Eval(Node(), block, e);
    for (size_t i = 0; i < 4; ++i) {
      const int scalar = Scalar::Eval(Node(), block, e + i);
      REQUIRE(ByteOf(quad, i) == static_cast<uint8_t>(scalar));
    }
  }
}

// The stored code (before any table) of an element, by Scalar.
template <class E, class Block>
int StoredCode(E node, const Block& b, size_t e) {
  return Scalar::Eval(node, b, e);
}
template <class E, uint64_t... kWords, class Block>
int StoredCode(formats::Lut<E, kWords...>, const Block& b, size_t e) {
  return Scalar::Eval(E(), b, e);
}

template <class Grid, class Index, class Block>
int StoredCode(formats::PairLut<Grid, Index>, const Block& b, size_t e) {
  return Scalar::Eval(Index(), b, e / 2);
}

// Of the bytes of ternary digits, those that a block can have been stored as.
template <class Node, class Block>
void MakeCanonical(Node, Block&) {}
template <class Layout, auto kM, class Block>
void MakeCanonical(formats::Base3<Layout, kM>, Block& b) {
  uint32_t number[formats::MemberBytes(kM)] = {};
  for (size_t e = 0; e < Layout::kElements; ++e) {
    const uint32_t power = formats::PowerOf3(4 - Layout::Digit(e));
    const size_t byte = Layout::Byte(e);
    number[byte] += (b.*kM)[byte] / power % 3 * power;
  }
  for (size_t i = 0; i < formats::MemberBytes(kM); ++i) {
    (b.*kM)[i] = static_cast<uint8_t>((256 * number[i] + 242) / 243);
  }
}

template <class F>
constexpr bool kHasGrid = formats::GridOf<typename F::Codes>::kIsGrid ||
                          formats::TrellisOf<typename F::Codes>::kIsTrellis;

TEST_CASE("the scalar machine decodes the conformance vectors bit for bit") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const Golden golden = LoadGolden(format);
    const float row_scale = Reader<F>::RowScale(golden.packed.data());
    const auto* blocks = reinterpret_cast<const typename F::Block*>(
        golden.packed.data() + F::kRowHeader);
    for (size_t c = 0; c < golden.decoded.size(); ++c) {
      const float x = Reader<F>::Weight(blocks[c / F::kBlock], row_scale,
                                        c % F::kBlock);
      REQUIRE(BitsOf(x) == BitsOf(golden.decoded[c]));
    }
  });
}

TEST_CASE("the quad machine agrees with the scalar machine") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    constexpr size_t kSubs = F::kBlock / F::kSub;
    for (const auto& block : RandomBlocks<typename F::Block>(64, 1)) {
      CheckQuad<typename F::Codes>(block, F::kBlock);
      if constexpr (formats::kIsPresent<typename F::ScaleCodes>) {
        CheckQuad<typename F::ScaleCodes>(block, kSubs);
      }
      if constexpr (formats::kIsPresent<typename F::MinCodes>) {
        CheckQuad<typename F::MinCodes>(block, kSubs);
      }
      if constexpr (formats::kIsPresent<typename F::ShiftCodes>) {
        CheckQuad<typename F::ShiftCodes>(block, kSubs);
      }
    }
  });
}

TEST_CASE("the quad machine agrees with the scalar machine on signs") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    for (const auto& block : RandomBlocks<typename F::Block>(64, 2)) {
      for (size_t e = 0; e < F::kBlock; ++e) {
        const uint32_t quad =
            Quad::Negative(typename F::Signs(), block, e / 4 * 4);
        const bool negative =
            Scalar::Negative(typename F::Signs(), block, e);
        REQUIRE(ByteOf(quad, e % 4) == (negative ? 0xFF : 0));
      }
    }
  });
}

// Rebuilds `block` from what Scalar reads.
template <class F>
typename F::Block Repack(const typename F::Block& block) {
  typename F::Block copy{};
  const auto put_all = [&](auto node, size_t count) {
    for (size_t e = 0; e < count; ++e) {
      Store::Put(node, copy, e,
                 static_cast<uint32_t>(StoredCode(node, block, e)));
    }
  };
  constexpr size_t kSubs = F::kBlock / F::kSub;
  if constexpr (formats::kIsPresent<typename F::ScaleCodes>) {
    put_all(typename F::ScaleCodes(), kSubs);
  }
  if constexpr (formats::kIsPresent<typename F::MinCodes>) {
    put_all(typename F::MinCodes(), kSubs);
  }
  if constexpr (formats::kIsPresent<typename F::ShiftCodes>) {
    put_all(typename F::ShiftCodes(), kSubs);
  }
  if constexpr (!kHasGrid<F>) put_all(typename F::Codes(), F::kBlock);
  if constexpr (formats::ScaleOf<F>::type::kCoded) {
    copy.d = block.d;
  } else if constexpr (F::kRowHeader == 0) {
    formats::SetHalfBits<F>(copy, formats::HalfBits<F>(block));
  }
  if constexpr (formats::kIsPresent<typename F::MinCodes>) {
    copy.dmin = block.dmin;
  }
  return copy;
}

// Points, signs and shifts go in by groups.
template <class F>
void RepackGroups(const typename F::Block& block, typename F::Block& copy) {
  using Grid = formats::GridOf<typename F::Codes>;
  const auto put = [&](auto node, size_t g) {
    if constexpr (formats::kIsPresent<decltype(node)>) {
      Store::Put(node, copy, g,
                 static_cast<uint32_t>(Scalar::Eval(node, block, g)));
    }
  };
  for (size_t g = 0; g < F::kBlock / Grid::kDim; ++g) {
    put(typename Grid::Index(), g);
    put(typename Grid::Shifts(), g);
  }
  for (size_t e = 0; e < F::kBlock; e += 8) {
    uint32_t mask = 0;
    for (size_t k = 0; k < 8; ++k) {
      mask |= Scalar::Negative(typename F::Signs(), block, e + k) << k;
    }
    Store::PutSigns(typename F::Signs(), copy, e, mask);
  }
}

TEST_CASE("storing what was read gives the same bytes") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    for (auto block : RandomBlocks<typename F::Block>(64, 3)) {
      MakeCanonical(typename F::Codes(), block);
      auto copy = Repack<F>(block);
      if constexpr (kHasGrid<F>) RepackGroups<F>(block, copy);
      REQUIRE(memcmp(&copy, &block, sizeof(block)) == 0);
    }
  });
}

TEST_CASE("storing a block of codes at once equals storing one by one") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    if constexpr (!kHasGrid<F>) {
      for (const auto& block : RandomBlocks<typename F::Block>(64, 4)) {
        typename F::Block single{}, whole{};
        uint8_t codes[F::kBlock];
        for (size_t e = 0; e < F::kBlock; ++e) {
          codes[e] = static_cast<uint8_t>(
              StoredCode(typename F::Codes(), block, e));
          Store::Put(typename F::Codes(), single, e, codes[e]);
        }
        Store::PutAll(typename F::Codes(), whole, codes);
        REQUIRE(memcmp(&single, &whole, sizeof(single)) == 0);
      }
    }
  });
}

TEST_CASE("the trellis generator grows the published values") {
  struct Line {
    uint32_t index;
    int value[8];
  };
  // An index of 36864 - 4096 + i stands for index i of the second codebook.
  constexpr Line kLines[] = {
      {0, {-47, -36, -39, -86, -38, -38, -47, -35}},
      {1, {21, 1, 59, -23, 33, 8, 13, 43}},
      {2, {-37, -25, 29, -23, 105, -11, -53, -70}},
      {3, {-32, 14, 0, 40, -15, 36, 8, 7}},
      {255, {6, 18, 27, 4, 8, 5, 56, -5}},
      {256, {11, -7, -66, -59, -48, -12, -74, -53}},
      {1000, {-60, 0, -17, -35, -73, 45, 40, -7}},
      {4095, {-34, 15, 13, 18, -85, -58, 36, -23}},
      {4096, {-30, -9, -16, -45, -13, -12, -31, -7}},
      {8191, {-17, -22, -28, 59, -59, -33, 51, 5}},
      {12345, {-47, -24, 21, -50, 30, 42, 29, -26}},
      {16384, {-43, -58, -73, -50, -64, -64, -48, -52}},
      {32767, {-44, -54, -78, -15, 29, -9, 19, -21}},
      {32768, {-40, -79, -43, -79, -27, -90, -48, -69}},
      {40000, {4, -74, -40, -1, -18, -72, -27, -42}},
      {50000, {-63, 28, -72, 4, 20, -65, -38, -11}},
      {60000, {60, 5, 23, -55, 55, 7, 15, 20}},
      {65535, {26, -32, -16, -9, -25, -62, 17, 10}},
      {32768, {-40, -79, -43, -79, -27, -90, -48, -69}},
      {32769, {28, 23, -7, -15, 44, 18, -51, 9}},
      {34002, {28, -20, 23, 7, 14, 28, -52, 8}},
      {49152, {-37, -36, -11, -44, -54, -53, -48, -86}},
      {62768, {13, -27, -11, 0, 20, -5, -17, 86}},
      {65535, {26, -32, -16, -9, -25, -62, 17, 10}},
  };
  for (const Line& line : kLines) {
    for (size_t j = 0; j < 8; ++j) {
      REQUIRE(formats::TrellisGenerator::Value(line.index, j) ==
              line.value[j]);
    }
  }
}

TEST_CASE("parity signs always come in even numbers") {
  for (uint32_t seven = 0; seven < 128; ++seven) {
    const uint32_t all = Scalar::WithParity(seven);
    REQUIRE((all & 127) == seven);
    REQUIRE(__builtin_popcount(all) % 2 == 0);
  }
}

}  // namespace
}  // namespace nibble
