// SPDX-License-Identifier: MIT
// Transcode: groups decode to what the conformance vectors say, and come back
// bit for bit.
#include "nibble/transcode.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "nibble/dequantize.h"

namespace nibble {
namespace {

// CRC-32 as in zlib.
uint32_t Crc32(const uint8_t* p, size_t n) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < n; ++i) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
    }
  }
  return ~crc;
}

// A published vector: one group of two block columns (of 32 for IQ1_S_R4 and
// IQ1_M_R4, a quarter of what our rows need: zeros follow), filled by the generator
// of tests/golden/README.md. `halves` fp16 numbers open every group block and
// are 0x2A3B + 0x40 j, `exponents` bytes are 0x76 + j.
struct Vector {
  const char* name;
  size_t cols;
  size_t halves;
  size_t exponents;
  uint32_t crc;
  uint32_t last;
};
constexpr Vector kVectors[] = {
    {"q4_0_r8", 64, 8, 0, 0x9dc270e7, 0xbdff6000},
    {"q5_0_r4", 64, 4, 0, 0x0a6c66f2, 0x3e278800},
    {"q6_0_r4", 64, 4, 0, 0x4fd7e67b, 0xbf357e00},
    {"q8_0_r8", 64, 8, 0, 0x422ca3f0, 0xbfc78300},
    {"iq4_nl_r4", 64, 4, 0, 0xf57eda8a, 0xbf999200},
    {"q4_k_r4", 512, 8, 0, 0x8aeef951, 0x41d316e0},
    {"q6_k_r4", 512, 4, 0, 0xd1b2adbf, 0x43010794},
    {"iq4_ks_r4", 512, 0, 0, 0x61d252d1, 0xc2763a3d},
    {"q2_k_r4", 512, 8, 0, 0xc1ef3cb6, 0xbe7f6000},
    {"q3_k_r4", 512, 4, 0, 0x625ba35a, 0xbfd16a00},
    {"q5_k_r4", 512, 8, 0, 0x0dd5accc, 0x4185ff20},
    {"iq4_xs_r8", 512, 8, 0, 0x49caba63, 0xc1852c90},
    {"iq2_k_r4", 512, 4, 0, 0xb182ee0e, 0xbedf6000},
    {"iq3_k_r4", 512, 4, 0, 0x92001df7, 0xc11d0f80},
    {"iq4_k_r4", 512, 4, 0, 0xf0ed31d9, 0x422f2a88},
    {"iq5_k_r4", 512, 4, 0, 0xf8411298, 0xc2373cc0},
    {"iq5_ks_r4", 512, 0, 0, 0x51ee3e54, 0xbe6567ae},
    {"iq2_xxs_r4", 512, 4, 0, 0x863467fd, 0xc0933e88},
    {"iq2_xs_r4", 512, 4, 0, 0xe2063dc7, 0x3fbc7900},
    {"iq2_s_r4", 512, 4, 0, 0x9dae578b, 0xbfbc7900},
    {"iq3_xxs_r4", 512, 4, 0, 0x7c3a4081, 0xc0865fc0},
    {"iq3_s_r4", 512, 4, 0, 0xcbae16fe, 0xbfe65b00},
    {"iq1_s_r4", 64, 0, 0, 0x67fec073, 0x3d437400},
    {"iq1_m_r4", 64, 0, 0, 0x962f2253, 0x3dc37400},
    {"mxfp4_r8", 64, 0, 8, 0xcfbf43b1, 0xbf400000},
    {"iq2_bn_r4", 128, 0, 0, 0x415fe2e5, 0x00000000},
    {"q8_k_r8", 512, 8, 0, 0xd941c5cd, 0xc0378d00},
    {"q8_k_r16", 512, 16, 0, 0x1840cf40, 0xc0bc6280},
    {"bf16_r16", 4, 0, 0, 0x116bdd72, 0xee560000},
};

void Put16(uint8_t* p, uint32_t v) {
  p[0] = static_cast<uint8_t>(v);
  p[1] = static_cast<uint8_t>(v >> 8);
}

std::vector<uint8_t> Input(const InterleavedInfo& info, const Vector& v,
                           size_t cols) {
  std::vector<uint8_t> bytes(InterleavedBytes(info.type, info.rows, cols));
  const size_t header = FindTypeInfo(info.base)->row_header_bytes;
  const size_t published =
      header * info.rows + (bytes.size() - header * info.rows) * v.cols / cols;
  uint32_t s = 12345;
  for (size_t i = 0; i < published; ++i) {
    s = s * 1664525u + 1013904223u;
    bytes[i] = static_cast<uint8_t>(s >> 24);
  }
  for (size_t r = 0; r < info.rows && header != 0; ++r) {
    if (header == 4) {
      const uint32_t word = 0x3C23D70Au + static_cast<uint32_t>(r) * 0x10000u;
      memcpy(&bytes[4 * r], &word, 4);
    } else {
      Put16(&bytes[2 * r], 0x2A3Bu + 0x40u * static_cast<uint32_t>(r));
    }
  }
  const size_t columns = bytes.size() - header * info.rows;
  for (size_t c = 0; c < 2; ++c) {
    uint8_t* group = &bytes[header * info.rows + c * columns / 2];
    for (size_t j = 0; j < v.halves; ++j) {
      Put16(group + 2 * j, 0x2A3Bu + 0x40u * static_cast<uint32_t>(j));
    }
    for (size_t j = 0; j < v.exponents; ++j) {
      group[j] = static_cast<uint8_t>(0x76 + j);
    }
  }
  return bytes;
}

// Is the type of the rows part of this build?
bool IsBuilt(const InterleavedInfo& info) {
  return FindTypeInfo(info.base) != nullptr;
}

TEST_CASE("groups decode to the published numbers, and come back") {
  size_t tested = 0;
  for (const InterleavedInfo& info : InterleavedTypes()) {
    if (!IsBuilt(info)) continue;
    ++tested;
    INFO(info.name);
    const Vector* v = nullptr;
    for (const Vector& each : kVectors) {
      if (std::string(each.name) == info.name) v = &each;
    }
    REQUIRE(v != nullptr);  // every type has its vector
    const size_t cols =
        std::max(v->cols, FindTypeInfo(info.base)->block_weights);
    const std::vector<uint8_t> groups = Input(info, *v, cols);
    std::vector<uint8_t> packed(groups.size());
    const MutableMatrix rows(info.base, packed.data(), info.rows, cols);
    REQUIRE(Deinterleave(info.type, groups.data(), groups.size(), rows).ok());

    std::vector<float> all(info.rows * cols), y;
    REQUIRE(Dequantize(rows, FloatMatrix(all.data(), info.rows, cols)).ok());
    for (size_t r = 0; r < info.rows; ++r) {
      y.insert(y.end(), &all[r * cols], &all[r * cols] + v->cols);
    }
    uint32_t last;
    memcpy(&last, &y.back(), sizeof(last));
    CHECK(last == v->last);
    for (float& f : y) f = f == 0.0f ? 0.0f : f;  // the vectors know no -0
    CHECK(Crc32(reinterpret_cast<const uint8_t*>(y.data()), y.size() * 4) ==
          v->crc);

    std::vector<uint8_t> again(groups.size(), 0xEE);
    REQUIRE(Interleave(rows, info.type, again.data(), again.size()).ok());
    CHECK(again == groups);
  }
  REQUIRE(tested > 0);
}

TEST_CASE("any rows survive the way there and back, padding untouched") {
  std::mt19937 rng(11);
  for (const InterleavedInfo& info : InterleavedTypes()) {
    if (!IsBuilt(info)) continue;
    INFO(info.name);
    const size_t block = FindTypeInfo(info.base)->block_weights;
    const size_t cols = block == 1 ? 6 : 3 * block, rows = 2 * info.rows;
    const size_t stride = RowBytes(info.base, cols) + 6;
    std::vector<uint8_t> packed(rows * stride);
    for (uint8_t& b : packed) b = static_cast<uint8_t>(rng());
    const ConstMatrix m(info.base, packed.data(), rows, cols, stride);
    std::vector<uint8_t> groups(InterleavedBytes(info.type, rows, cols));
    REQUIRE(Interleave(m, info.type, groups.data(), groups.size()).ok());
    std::vector<uint8_t> back(packed.size(), 0x5A);
    REQUIRE(Deinterleave(info.type, groups.data(), groups.size(),
                         MutableMatrix(info.base, back.data(), rows, cols,
                                       stride))
                .ok());
    for (size_t i = 0; i < back.size(); ++i) {
      const bool padding = i % stride >= stride - 6;
      REQUIRE(back[i] == (padding ? 0x5A : packed[i]));
    }
  }
}

TEST_CASE("what cannot be transcoded is refused with a reason") {
  const InterleavedInfo& info = *FindInterleaved(InterleavedType::kBF16_R16);
  std::vector<uint8_t> rows(16 * 8), groups(16 * 8);
  const auto view = [&](Type type, size_t r, size_t c) {
    return MutableMatrix(type, rows.data(), r, c);
  };
  const auto code = [&](const MutableMatrix& m, InterleavedType type,
                        size_t bytes) {
    const StatusCode there =
        Interleave(m, type, groups.data(), bytes).code();
    REQUIRE(Deinterleave(type, groups.data(), bytes, m).code() == there);
    return there;
  };
  const StatusCode bad = StatusCode::kInvalidArgument;
  REQUIRE(code(view(Type::kBF16, 16, 4), info.type, 128) == StatusCode::kOk);
  REQUIRE(code(view(Type::kF16, 16, 4), info.type, 128) == bad);
  REQUIRE(code(view(Type::kBF16, 15, 4), info.type, 120) == bad);
  REQUIRE(code(view(Type::kBF16, 16, 3), info.type, 96) == bad);
  REQUIRE(code(view(Type::kBF16, 16, 4), info.type, 127) == bad);
  REQUIRE(code(view(Type::kBF16, 16, 4), static_cast<InterleavedType>(2),
               128) == StatusCode::kUnsupported);
  REQUIRE(Interleave(view(Type::kBF16, 16, 4), info.type, nullptr, 128)
              .code() == bad);
}

TEST_CASE("interleaved types are found by id and by name") {
  REQUIRE(InterleavedFromName("BF16_R16") == InterleavedType::kBF16_R16);
  REQUIRE_FALSE(InterleavedFromName("bf16").has_value());
  REQUIRE(FindInterleaved(static_cast<InterleavedType>(30)) == nullptr);
  REQUIRE(InterleavedBytes(InterleavedType::kBF16_R16, 32, 10) == 640);
  REQUIRE(InterleavedBytes(InterleavedType::kBF16_R16, 32, 9) == 0);
  REQUIRE(InterleavedBytes(InterleavedType::kBF16_R16, 31, 10) == 0);
  REQUIRE(InterleavedBytes(InterleavedType::kBF16_R16, 16,
                           std::numeric_limits<size_t>::max() - 1) == 0);
  for (const InterleavedInfo& info : InterleavedTypes()) {
    REQUIRE(FindInterleaved(info.type) == &info);
    REQUIRE(InterleavedFromName(info.name) == info.type);
    const auto id = static_cast<Type>(info.type);
    REQUIRE(FindTypeInfo(id) == nullptr);  // no id means two things
  }
}

}  // namespace
}  // namespace nibble
