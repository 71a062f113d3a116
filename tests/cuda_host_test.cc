// SPDX-License-Identifier: MIT
// The per-thread code of the CUDA kernels, on the host: no device, no nvcc.
#include <limits>
#include <set>

#include "tests/cuda_reference.h"
#include "tests/golden.h"

namespace nibble {
namespace {

using cuda::kPart;
using cuda::kWarp;
using cuda::NaturalAlign;
using cuda::Words16;
using formats::Reader;

template <class F>
std::vector<typename F::Block> RandomBlocks(size_t count, uint32_t seed) {
  std::vector<typename F::Block> blocks(count);
  FillRandom(reinterpret_cast<uint8_t*>(blocks.data()),
             count * sizeof(typename F::Block), seed);
  return blocks;
}

// ---- What AlignedQuad and Run assume about members.

template <class Block, class Member>
size_t OffsetOf(Member Block::*member) {
  static const Block kBlock{};
  return static_cast<size_t>(
      reinterpret_cast<const uint8_t*>(&(kBlock.*member)) -
      reinterpret_cast<const uint8_t*>(&kBlock));
}

// Calls check(offset, bytes) for the member of every node that machines read
// words of; `bytes` is what Quad reads at a time.
template <int kBits, int kRun, auto kM, class O, class Check>
void Members(formats::Field<kBits, kRun, kM, O>, const Check& check) {
  check(OffsetOf(kM), kRun >= 4 ? 4 : kBits == 4 ? 2 : 1);
}
template <int kBits, int kShift, auto kM, int kFirst, class Check>
void Members(formats::Bits<kBits, kShift, kM, kFirst>, const Check& check) {
  check(OffsetOf(kM) + kFirst, 4);
}
template <int kBits, int kFirst, int kPer, int kPitch, int kRecord, auto kM,
          class Check>
void Members(formats::RecordField<kBits, kFirst, kPer, kPitch, kRecord, kM>,
             const Check& check) {
  check(OffsetOf(kM), kRecord < 4 ? kRecord : 4);
}
template <int kCount, class A, class B, class Check>
void Members(formats::Halves<kCount, A, B>, const Check& check) {
  Members(A(), check);
  Members(B(), check);
}
template <class A, class B, class Check>
void Members(formats::Or<A, B>, const Check& check) {
  Members(A(), check);
  Members(B(), check);
}
template <int kShift, class E, class Check>
void Members(formats::Shl<kShift, E>, const Check& check) {
  Members(E(), check);
}
template <class E, class Check>
void Members(formats::Signed<E>, const Check& check) {
  Members(E(), check);
}
template <class E, uint64_t... kWords, class Check>
void Members(formats::Lut<E, kWords...>, const Check& check) {
  Members(E(), check);
}
template <class E, class Check>
void Members(formats::Gray<E>, const Check& check) {
  Members(E(), check);
}
template <int kBits, int kShift, auto kM, class Check>
void Members(formats::LowBits<kBits, kShift, kM>, const Check& check) {
  check(OffsetOf(kM), 8);
}
template <class E, class Sign, class Check>
void Members(formats::SignedBy<E, Sign>, const Check& check) {
  Members(E(), check);
  Members(Sign(), check);
}
template <int kBits, class E, class Check>
void Members(formats::Inverted<kBits, E>, const Check& check) {
  Members(E(), check);
}
template <int kGroup, class E, class Check>
void Members(formats::Each<kGroup, E>, const Check& check) {
  Members(E(), check);
}
template <class Grid, class Index, class Check>
void Members(formats::GridPoints<Grid, Index>, const Check& check) {
  Members(Index(), check);
}
template <class Grid, class Index, class Check>
void Members(formats::PairLut<Grid, Index>, const Check& check) {
  Members(Index(), check);
}
template <class Layout, auto kM, class Check>
void Members(formats::Base3<Layout, kM>, const Check&) {}  // single bytes
template <int kGroup, class Index, bool kMagnitude, class Check>
void Members(formats::Trellis<kGroup, Index, kMagnitude>, const Check& check) {
  Members(Index(), check);
}
template <class Check>
void Members(formats::NoCodes, const Check&) {}
template <int kValue, class Check>
void Members(formats::Constant<kValue>, const Check&) {}

TEST_CASE("what is read in words lies where the alignment of blocks says") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    constexpr size_t kAlign = NaturalAlign<F>();
    REQUIRE(sizeof(typename F::Block) % kAlign == 0);
    REQUIRE(F::kRowHeader % kAlign == 0);
    Members(typename F::Codes(), [&](size_t offset, size_t bytes) {
      // Run: loads of runs are as wide as that, of what is sequential 16 bits.
      REQUIRE(offset % (bytes < 4 ? std::min<size_t>(kAlign, 2) : kAlign) == 0);
    });
    const auto quad = [&](size_t offset, size_t bytes) {
      REQUIRE(offset % std::min(kAlign, bytes) == 0);
    };
    Members(typename F::ScaleCodes(), quad);
    Members(typename F::MinCodes(), quad);
    Members(typename F::ShiftCodes(), quad);
  });
}

template <class F, size_t kAlign>
void CheckRun(const typename F::Block& block, size_t e) {
  using Run = cuda::Run<kAlign>;
  const Words16 codes = Run::Eval(typename F::Codes(), block, e);
  const Words16 negative = Run::Negative(typename F::Signs(), block, e);
  for (size_t i = 0; i < 4; ++i) {
    REQUIRE(codes.word[i] ==
            formats::Quad::Eval(typename F::Codes(), block, e + 4 * i));
    REQUIRE(negative.word[i] ==
            formats::Quad::Negative(typename F::Signs(), block, e + 4 * i));
  }
}

TEST_CASE("the run machine agrees with the quad machine") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    // Neighbours in an array: at every address their alignment allows.
    for (const auto& block : RandomBlocks<F>(64, 1)) {
      for (size_t e = 0; e < F::kBlock; e += 16) {
        CheckRun<F, 1>(block, e);
        CheckRun<F, NaturalAlign<F>()>(block, e);
      }
    }
  });
}

TEST_CASE("sixteen bytes are read from any address, and no others") {
  // Exactly as long as what is read, so that a sanitizer sees one byte more.
  const auto check = [](size_t offset, auto load) {
    std::vector<uint8_t> bytes(offset + 16);
    FillRandom(bytes.data(), bytes.size(), 3);
    const Words16 words = load(bytes.data() + offset);
    REQUIRE(memcmp(&words, bytes.data() + offset, sizeof(words)) == 0);
  };
  for (size_t offset = 0; offset < 16; ++offset) {
    check(offset, cuda::LoadWords16<1>);
    if (offset % 2 == 0) check(offset, cuda::LoadWords16<2>);
    if (offset % 4 == 0) check(offset, cuda::LoadWords16<4>);
    if (offset % 8 == 0) check(offset, cuda::LoadWords16<8>);
  }
  check(0, cuda::LoadWords16<16>);
}

// ---- Dequantize.

template <class F, size_t kAlign>
void CheckDequantize(const uint8_t* row, size_t cols) {
  const float row_scale = Reader<F>::RowScale(row);
  for (uint32_t quad = 0; quad < cols / 4; ++quad) {
    float x[4];
    cuda::ThreadDequantize<F, kAlign>(row, quad, x);
    for (size_t i = 0; i < 4; ++i) {
      const size_t c = 4 * quad + i;
      const float want = Reader<F>::Weight(cuda::BlockAt<F>(row, c / F::kBlock),
                                           row_scale, c % F::kBlock);
      if (std::isnan(want)) {
        REQUIRE(std::isnan(x[i]));
      } else {
        REQUIRE(BitsOf(x[i]) == BitsOf(want));
      }
    }
  }
}

TEST_CASE("every thread decodes the conformance vectors bit for bit") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const Golden golden = LoadGolden(format);
    DeviceLikeBytes row(golden.packed.size());
    memcpy(row.data(), golden.packed.data(), golden.packed.size());
    for (uint32_t quad = 0; quad < golden.decoded.size() / 4; ++quad) {
      float x[4];
      cuda::ThreadDequantize<F, NaturalAlign<F>()>(row.data(), quad, x);
      for (size_t i = 0; i < 4; ++i) {
        REQUIRE(BitsOf(x[i]) == BitsOf(golden.decoded[4 * quad + i]));
      }
    }
  });
}

TEST_CASE("every thread decodes any bytes like the scalar machine") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const size_t cols = 4 * F::kBlock, bytes = RowBytes(format.type, cols);
    for (uint32_t seed = 0; seed < 8; ++seed) {
      DeviceLikeBytes aligned(bytes), odd(bytes, 1);
      FillRandom(aligned.data(), bytes, seed);
      FillRandom(odd.data(), bytes, seed);
      CheckDequantize<F, NaturalAlign<F>()>(aligned.data(), cols);
      CheckDequantize<F, 1>(odd.data(), cols);
    }
  });
}

TEST_CASE("four elements are stored like four single ones") {
  const float x[4] = {1.0f / 3, -70000.0f, 1e-7f, 3.0e38f};
  for (const Type type : {Type::kF32, Type::kF16, Type::kBF16}) {
    DeviceLikeBytes wide(16), narrow(16, 4), single(16);
    cuda::StoreQuad<true>(x, type, wide.data());
    cuda::StoreQuad<false>(x, type, narrow.data());
    for (size_t i = 0; i < 4; ++i) {
      cuda::StoreFloat(x[i], type, single.data(), i);
      const float back = cuda::LoadFloat(single.data(), type, i);
      const float want = type == Type::kF32   ? x[i]
                         : type == Type::kF16 ? F16ToF32(F32ToF16(x[i]))
                                              : BF16ToF32(F32ToBF16(x[i]));
      REQUIRE(BitsOf(back) == BitsOf(want));
    }
    const size_t bytes = 4 * cuda::FloatBytes(type);
    REQUIRE(memcmp(wide.data(), single.data(), bytes) == 0);
    REQUIRE(memcmp(narrow.data(), single.data(), bytes) == 0);
  }
}

// ---- Activations.

TEST_CASE("activations are packed as their definition says") {
  for (const size_t cols : {1u, 15u, 31u, 32u, 33u, 100u, 256u, 4096u}) {
    const auto x = RandomFloats(cols, 5);
    DeviceLikeBytes token(cuda::TokenBytes(cols));
    REQUIRE(token.size() % cuda::kTokenAlign == 0);
    HostPack(reinterpret_cast<const uint8_t*>(x.data()), Type::kF32, cols,
             token.data());
    const cuda::PackedToken packed(token.data(), cols);
    for (size_t block = 0; block < cuda::ActivationBlocks(cols); ++block) {
      const cuda::ActivationHead head = packed.Head(block);
      float max = 0;
      int sums[2] = {0, 0};
      for (size_t i = 0; i < 32; ++i) {
        const size_t c = 32 * block + i;
        const float v = c < cols ? x[c] : 0.0f;
        max = std::max(max, std::abs(v));
        const int code = static_cast<int8_t>(packed.codes[c]);
        REQUIRE(std::abs(code) <= 127);
        REQUIRE(std::abs(static_cast<float>(code) * head.scale - v) <=
                0.5001f * head.scale);
        sums[i / 16] += code;
      }
      REQUIRE(head.scale == max / 127.0f);
      REQUIRE(cuda::HalfSum(head, 0) == sums[0]);
      REQUIRE(cuda::HalfSum(head, 1) == sums[1]);
    }
  }
}

TEST_CASE("extreme activations keep their codes in range") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  const auto pack = [](std::vector<float> x, Words16(&codes)[2]) {
    x.resize(32);
    DeviceLikeBytes token(cuda::TokenBytes(32));
    HostPack(reinterpret_cast<const uint8_t*>(x.data()), Type::kF32, 32,
             token.data());
    const cuda::PackedToken packed(token.data(), 32);
    codes[0] = packed.Codes(0);
    codes[1] = packed.Codes(16);
    return packed.Head(0);
  };
  Words16 codes[2];
  REQUIRE(pack({}, codes).scale == 0.0f);
  REQUIRE(codes[0].word[0] == 0);
  // Subnormal scales: 200 / 127 of the smallest number rounds to 2 of it.
  REQUIRE(pack({200 * kTiny, -200 * kTiny}, codes).scale == 2 * kTiny);
  REQUIRE((codes[0].word[0] & 0xFFFF) == 0x9C64);  // 100, -100
  REQUIRE(pack({180 * kTiny, -180 * kTiny}, codes).scale == kTiny);
  REQUIRE((codes[0].word[0] & 0xFFFF) == 0x817F);  // not 180, but 127
  REQUIRE(pack({3e38f, -3e38f}, codes).scale == 3e38f / 127.0f);
  REQUIRE((codes[0].word[0] & 0xFFFF) == 0x817F);
  // Not finite: the scale tells every product, and the codes are harmless.
  for (const float bad : {kInf, -kInf, std::nanf("")}) {
    REQUIRE(std::isnan(pack({1.0f, bad, 2.0f}, codes).scale));
    REQUIRE(codes[0].word[0] == 0);
  }
}

TEST_CASE("half-precision activations pack like their values") {
  const size_t cols = 96;
  const auto x = RandomFloats(cols, 9);
  for (const Type type : {Type::kF16, Type::kBF16}) {
    std::vector<uint16_t> narrow(cols);
    std::vector<float> wide(cols);
    for (size_t c = 0; c < cols; ++c) {
      narrow[c] = cuda::Narrow(x[c], type);
      wide[c] = type == Type::kF16 ? F16ToF32(narrow[c]) : BF16ToF32(narrow[c]);
    }
    DeviceLikeBytes from_narrow(cuda::TokenBytes(cols));
    DeviceLikeBytes from_wide(cuda::TokenBytes(cols));
    HostPack(reinterpret_cast<const uint8_t*>(narrow.data()), type, cols,
             from_narrow.data());
    HostPack(reinterpret_cast<const uint8_t*>(wide.data()), Type::kF32, cols,
             from_wide.data());
    REQUIRE(memcmp(from_narrow.data(), from_wide.data(), from_wide.size()) ==
            0);
  }
}

// ---- Matvec.

TEST_CASE("the lanes' runs cover every weight of a row once") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    using P = cuda::Parts<F>;
    std::multiset<size_t> seen;
    for (uint32_t p = 0; p < P::kPerBlock; ++p) {
      for (size_t run = 0; run < 2; ++run) {
        const size_t first = P::First(p) | (run * P::kStride);
        REQUIRE(first % 16 == 0);
        REQUIRE(first == P::First(p) + run * P::kStride);
        REQUIRE(first / F::kSub == (first + 15) / F::kSub);
        seen.insert(first / 16);
      }
    }
    REQUIRE(seen.size() == F::kBlock / 16);
    REQUIRE(std::set<size_t>(seen.begin(), seen.end()).size() == seen.size());
    REQUIRE(*seen.rbegin() == F::kBlock / 16 - 1);
  });
}

// A run's dot by loops over the definition.
template <class F>
int64_t ExactDot(const typename F::Block& b, size_t e, const int8_t (&a)[16]) {
  int64_t dot = 0;
  for (size_t i = 0; i < 16; ++i) {
    dot += int64_t{Reader<F>::Level(b, e + i)} * a[i];
  }
  return dot;
}

template <class F>
void CheckRunDots(const typename F::Block& block, const int8_t (&a)[16]) {
  Words16 words;
  memcpy(&words, a, sizeof(words));
  int sum = 0;
  for (const int8_t v : a) sum += v;
  for (size_t e = 0; e < F::kBlock; e += 16) {
    const auto run = cuda::RunWeights<F>::template Load<1>(block, e);
    REQUIRE(cuda::RunDot<F>(run.codes, run.negative, run.offset, words, sum) ==
            ExactDot<F>(block, e, a));
    REQUIRE(run.multiplier == Reader<F>::Multiplier(block, e / F::kSub));
    if constexpr (formats::kIsPresent<typename F::MinCodes>) {
      REQUIRE(run.min == formats::Scalar::Eval(typename F::MinCodes(), block,
                                               e / F::kSub));
    }
  }
}

TEST_CASE("the integers of a run are exact, at the corners too") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    auto blocks = RandomBlocks<F>(32, 11);
    typename F::Block extreme;
    memset(&extreme, 0x00, sizeof(extreme));
    blocks.push_back(extreme);
    memset(&extreme, 0xFF, sizeof(extreme));
    blocks.push_back(extreme);
    memset(&extreme, 0x80, sizeof(extreme));  // -128 in Q8_0
    blocks.push_back(extreme);
    std::mt19937 rng(12);
    for (const auto& block : blocks) {
      int8_t random[16], high[16], low[16], mixed[16];
      for (int i = 0; i < 16; ++i) {
        random[i] = static_cast<int8_t>(static_cast<int>(rng() % 255) - 127);
        high[i] = 127;
        low[i] = -127;
        mixed[i] = i % 2 == 0 ? 127 : -127;
      }
      CheckRunDots<F>(block, random);
      CheckRunDots<F>(block, high);
      CheckRunDots<F>(block, low);
      CheckRunDots<F>(block, mixed);
    }
  });
}

// The sum of a lane in the order that matvec.cuh documents, by plain loops.
template <class F>
float OrderedLaneSum(const uint8_t* row, const uint8_t* token, size_t cols,
                     size_t lane) {
  using R = Reader<F>;
  using P = cuda::Parts<F>;
  const cuda::PackedToken x(token, cols);
  const float row_scale = R::RowScale(row);
  float sum = 0;
  for (size_t part = lane; part < cols / kPart; part += kWarp) {
    const size_t block = part / P::kPerBlock;
    const auto& b = cuda::BlockAt<F>(row, block);
    for (size_t run = 0; run < 2; ++run) {
      const size_t e = P::First(static_cast<uint32_t>(part % P::kPerBlock)) +
                       run * P::kStride;
      const size_t c = block * F::kBlock + e, s = e / F::kSub;
      const float x_scale = x.Head(c / 32).scale;
      int8_t a[16];
      memcpy(a, x.codes + c, sizeof(a));
      const int64_t term = R::Multiplier(b, s) * ExactDot<F>(b, e, a);
      sum = std::fma(R::BlockScale(b, row_scale, s) * x_scale,
                     static_cast<float>(term), sum);
      if constexpr (formats::kIsPresent<typename F::MinCodes>) {
        int64_t sum_a = 0;
        for (const int8_t v : a) sum_a += v;
        const int64_t min = formats::Scalar::Eval(typename F::MinCodes(), b, s);
        const float dmin =
            F::kMinFactor * F16ToF32(formats::Load16(b.dmin.bytes));
        sum = std::fma(-dmin * x_scale, static_cast<float>(min * sum_a), sum);
      }
    }
  }
  return sum;
}

// `tokens` packed tokens of random activations.
DeviceLikeBytes PackedTokens(size_t tokens, size_t cols, uint32_t seed) {
  DeviceLikeBytes packed(tokens * cuda::TokenBytes(cols));
  for (size_t t = 0; t < tokens; ++t) {
    const auto x = RandomFloats(cols, seed + static_cast<uint32_t>(t));
    HostPack(reinterpret_cast<const uint8_t*>(x.data()), Type::kF32, cols,
             packed.data() + t * cuda::TokenBytes(cols));
  }
  return packed;
}

// Columns around what a lane, a warp and its second round take.
template <class F>
std::vector<size_t> TestColumns() {
  return {F::kBlock,        2 * F::kBlock,    1024,
          1024 + F::kBlock, 2048 + F::kBlock, 4096};
}

TEST_CASE("the inference factor of the rows is that of the lanes' sums") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    if constexpr (F::kInferenceFactor != 1.0f) {
      const size_t cols = 1024, bytes = RowBytes(format.type, cols);
      DeviceLikeBytes row(bytes), x = PackedTokens(1, cols, 32);
      FillRows<F>(row.data(), 1, bytes, cols, 31);
      const auto results = [&] {
        std::vector<float> all;
        for (uint32_t lane = 0; lane < kWarp; ++lane) {
          float v[4];
          cuda::ThreadDequantize<F, 1>(row.data(), lane, v);
          all.insert(all.end(), v, v + 4);
          all.push_back(OrderedLaneSum<F>(row.data(), x.data(), cols, lane));
        }
        return all;
      };
      const std::vector<float> stored = results();
      const float d = F::kInferenceFactor * Reader<F>::RowScale(row.data());
      memcpy(row.data(), &d, sizeof(d));
      const std::vector<float> scaled = results();
      for (size_t i = 0; i < stored.size(); ++i) {
        const double want = double{F::kInferenceFactor} * double{stored[i]};
        REQUIRE(std::fabs(scaled[i] - want) <= 1e-5 * std::fabs(want) + 1e-37);
      }
    }
  });
}

TEST_CASE("every lane's sum is the documented one, bit for bit") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    for (const size_t cols : TestColumns<F>()) {
      const size_t bytes = RowBytes(format.type, cols);
      DeviceLikeBytes row(bytes), odd(bytes, 1);
      FillRows<F>(row.data(), 1, bytes, cols, 21);
      memcpy(odd.data(), row.data(), bytes);
      DeviceLikeBytes x = PackedTokens(1, cols, 22);
      for (uint32_t lane = 0; lane < kWarp; ++lane) {
        const float want = OrderedLaneSum<F>(row.data(), x.data(), cols, lane);
        float sum[1];
        cuda::LaneMatvec<F, 1, NaturalAlign<F>()>(
            row.data(), x.data(), 1, static_cast<uint32_t>(cols), lane, sum);
        REQUIRE(BitsOf(sum[0]) == BitsOf(want));
        cuda::LaneMatvec<F, 1, 1>(odd.data(), x.data(), 1,
                                  static_cast<uint32_t>(cols), lane, sum);
        REQUIRE(BitsOf(sum[0]) == BitsOf(want));
      }
    }
  });
}

template <class F, uint32_t kTokens>
void CheckTokens(Type type, uint32_t tokens) {
  const size_t cols = 1024 + F::kBlock, bytes = RowBytes(type, cols);
  DeviceLikeBytes row(bytes);
  FillRows<F>(row.data(), 1, bytes, cols, 31);
  DeviceLikeBytes x = PackedTokens(tokens, cols, 32);
  float y[kTokens];
  HostMatvec<F, kTokens, NaturalAlign<F>()>(row.data(), x.data(), tokens,
                                            static_cast<uint32_t>(cols), y);
  for (uint32_t t = 0; t < tokens; ++t) {
    float alone[1];
    HostMatvec<F, 1, NaturalAlign<F>()>(row.data(),
                                        x.data() + t * cuda::TokenBytes(cols),
                                        1, static_cast<uint32_t>(cols), alone);
    REQUIRE(BitsOf(y[t]) == BitsOf(alone[0]));
  }
}

TEST_CASE("a token's result does not depend on its company") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    CheckTokens<F, 2>(format.type, 2);
    for (const uint32_t tokens : {3u, 4u}) {
      CheckTokens<F, 4>(format.type, tokens);
    }
    for (const uint32_t tokens : {1u, 5u, 7u, 8u}) {
      CheckTokens<F, 8>(format.type, tokens);
    }
  });
}

TEST_CASE("the warp's sum is within the derived bound of the product") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    for (const size_t cols : TestColumns<F>()) {
      const size_t bytes = RowBytes(format.type, cols);
      DeviceLikeBytes row(bytes);
      FillRows<F>(row.data(), 1, bytes, cols, 41);
      DeviceLikeBytes x = PackedTokens(1, cols, 42);
      float y[1];
      HostMatvec<F, 1, NaturalAlign<F>()>(row.data(), x.data(), 1,
                                          static_cast<uint32_t>(cols), y);
      const Reference want = ReferenceDot<F>(row.data(), x.data(), cols);
      REQUIRE(std::abs(static_cast<double>(y[0]) - want.value) <= want.bound);
    }
  });
}

TEST_CASE("an activation that is not finite spoils its whole token") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const size_t cols = 2 * F::kBlock, bytes = RowBytes(format.type, cols);
    DeviceLikeBytes row(bytes);
    FillRows<F>(row.data(), 1, bytes, cols, 51);
    auto floats = RandomFloats(cols, 52);
    floats[F::kBlock + 3] = std::numeric_limits<float>::infinity();
    DeviceLikeBytes x(cuda::TokenBytes(cols));
    HostPack(reinterpret_cast<const uint8_t*>(floats.data()), Type::kF32, cols,
             x.data());
    float y[1];
    HostMatvec<F, 1, NaturalAlign<F>()>(row.data(), x.data(), 1,
                                        static_cast<uint32_t>(cols), y);
    REQUIRE(std::isnan(y[0]));
  });
}

}  // namespace
}  // namespace nibble
