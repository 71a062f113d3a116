// SPDX-License-Identifier: MIT
// Packed activations: the same bytes on every target, whatever the input.
#include "nibble/activations.h"

#include <cfloat>
#include <cmath>

#include "nibble/float16.h"
#include "nibble/simd/int8_row_chunk.h"
#include "tests/element_order.h"
#include "tests/for_each.h"
#include "tests/guarded_bytes.h"
#include "tests/random_rows.h"

namespace nibble {
namespace {

// The definition, one element at a time.
template <class F>
std::vector<Int8RowChunk> Reference(ActivationLayout layout,
                                    const std::vector<float>& x) {
  std::vector<Int8RowChunk> chunks(ChunksOf(x.size()));
  std::vector<float> padded = x;
  padded.resize(chunks.size() * kChunk, 0.0f);
  for (size_t c = 0; c < chunks.size(); ++c) {
    Int8RowChunk& chunk = chunks[c];
    int8_t codes[kChunk];
    for (size_t g = 0; g < 8; ++g) {
      const float* v = &padded[c * kChunk + g * 32];
      float max = 0.0f;
      for (size_t i = 0; i < 32; ++i) max = std::fmax(max, std::fabs(v[i]));
      const bool tiny = max < std::ldexp(1.0f, -119);
      const float scale = tiny ? 0.0f : max / 127.0f;
      const float inverse = tiny ? 0.0f : 127.0f / max;
      int sums[2] = {0, 0};
      for (size_t i = 0; i < 32; ++i) {
        const int code = static_cast<int>(std::nearbyint(v[i] * inverse));
        codes[g * 32 + i] = static_cast<int8_t>(code);
        sums[i / 16] += code;
      }
      chunk.scale32[g] = scale;
      chunk.sum32[g] = scale * static_cast<float>(sums[0] + sums[1]);
      for (size_t h = 0; h < 2; ++h) {
        chunk.scale16[2 * g + h] = scale;
        chunk.sum16[2 * g + h] = scale * static_cast<float>(sums[h]);
      }
    }
    for (size_t i = 0; i < kChunk; ++i) {
      chunk.q[i] = codes[ElementAt<F>(layout, i)];
    }
  }
  return chunks;
}

// Values as the element type stores them, and what they then are as floats.
std::vector<uint8_t> Stored(Type type, std::vector<float>& x) {
  const size_t size = type == Type::kF32 ? 4 : 2;
  std::vector<uint8_t> bytes(x.size() * size);
  for (size_t i = 0; i < x.size(); ++i) {
    if (type == Type::kF32) {
      memcpy(&bytes[4 * i], &x[i], 4);
    } else {
      const uint16_t v = type == Type::kF16 ? F32ToF16(x[i]) : F32ToBF16(x[i]);
      memcpy(&bytes[2 * i], &v, 2);
      x[i] = type == Type::kF16 ? F16ToF32(v) : BF16ToF32(v);
    }
  }
  return bytes;
}

ActivationLayout RowsFor(Type type) {
  ActivationLayout layout = ChooseActivationLayout(type, 1);
  REQUIRE(layout.kind == ActivationKind::kInt8Rows);
  return layout;
}

// Packs one token and compares with the definition, byte for byte.
template <class F>
void RequireReference(FormatCase<F> format, Type type, std::vector<float> x) {
  const std::vector<uint8_t> bytes = Stored(type, x);
  const ActivationLayout layout = RowsFor(format.type);
  const std::vector<Int8RowChunk> want = Reference<F>(layout, x);
  const size_t size = PackedActivationBytes(layout, 1, x.size());
  REQUIRE(size == want.size() * sizeof(Int8RowChunk));
  AlignedBytes out(size + 1);
  out.data()[size] = 0xA5;
  PackedActivations packed;
  REQUIRE(PackActivations(layout, ConstMatrix(type, bytes.data(), 1, x.size()),
                          out.data(), &packed)
              .ok());
  REQUIRE(packed.data == out.data());
  REQUIRE(packed.layout == layout);
  REQUIRE(packed.tokens == 1);
  REQUIRE(packed.cols == x.size());
  REQUIRE(memcmp(out.data(), want.data(), size) == 0);
  REQUIRE(out.data()[size] == 0xA5);
}

TEST_CASE("activations of any width and type match their definition") {
  ForEachTarget([] {
    ForEachFormat([](auto format) {
      for (const Type type : {Type::kF32, Type::kF16, Type::kBF16}) {
        for (const size_t cols : {1, 15, 31, 32, 33, 255, 256, 257, 1000}) {
          RequireReference(
              format, type,
              RandomActivations(cols, static_cast<uint32_t>(cols)));
        }
      }
    });
  });
}

TEST_CASE("tiny, huge and subnormal activations pack without overflow") {
  const FormatCase<formats::Q4_K> format = {Type::kQ4_K, "q4_k"};
  ForEachTarget([&] {
    for (const float scale : {0.0f, 1e-45f, 1e-40f, FLT_MIN, 1e-36f, 1.4e-36f,
                              1.6e-36f, 1e-30f, 1e30f, 3e37f}) {
      std::vector<float> x = RandomActivations(512, 3);
      for (float& v : x) {
        v = std::fmin(std::fmax(v, -10.0f), 10.0f) * scale;
      }
      x[100] = scale;
      RequireReference(format, Type::kF32, x);
      RequireReference(format, Type::kBF16, x);
    }
    RequireReference(format, Type::kF32, std::vector<float>(300, FLT_MAX));
    RequireReference(format, Type::kF32, std::vector<float>(300, -FLT_MAX));
    RequireReference(format, Type::kF16, std::vector<float>(300, 65504.0f));
    RequireReference(format, Type::kF16, std::vector<float>(300, 6e-8f));
  });
}

TEST_CASE("codes are the nearest ones, within 127, and every scale is finite") {
  ForEachTarget([] {
    const std::vector<float> x = RandomActivations(4096, 5);
    const ActivationLayout layout = {ActivationKind::kInt8Rows, 0};
    AlignedBytes out(PackedActivationBytes(layout, 1, x.size()));
    PackedActivations packed;
    REQUIRE(PackActivations(layout, FloatMatrix(x.data(), 1, x.size()),
                            out.data(), &packed)
                .ok());
    const auto* chunks = reinterpret_cast<const Int8RowChunk*>(packed.data);
    bool near = true, in_range = true;
    for (size_t i = 0; i < x.size(); ++i) {
      const Int8RowChunk& chunk = chunks[i / kChunk];
      const double scale = chunk.scale32[i % kChunk / 32];
      const int code = chunk.q[i % kChunk];
      near = near && std::fabs(x[i] / scale - code) < 0.5 + 1e-4;
      in_range = in_range && code >= -127 && code <= 127;
    }
    REQUIRE(near);
    REQUIRE(in_range);
  });
}

TEST_CASE("a NaN or infinite activation is named, wherever it is") {
  ForEachTarget([] {
    const ActivationLayout layout = RowsFor(Type::kQ4_0);
    const size_t tokens = 3, cols = 300;
    for (const Type type : {Type::kF32, Type::kF16, Type::kBF16}) {
      const size_t size = type == Type::kF32 ? 4 : 2;
      for (const size_t column : {0, 17, 255, 256, 299}) {
        for (const float bad : {NAN, INFINITY, -INFINITY}) {
          std::vector<float> x(tokens * cols, 1.0f);
          x[cols + column] = bad;
          const std::vector<uint8_t> bytes = Stored(type, x);
          REQUIRE(bytes.size() == tokens * cols * size);
          AlignedBytes out(PackedActivationBytes(layout, tokens, cols));
          PackedActivations packed;
          const Status status = PackActivations(
              layout, ConstMatrix(type, bytes.data(), tokens, cols), out.data(),
              &packed);
          REQUIRE(status.code() == StatusCode::kInvalidData);
          REQUIRE(status.message().find("token 1, column " +
                                        std::to_string(column) + ":") !=
                  std::string::npos);
          REQUIRE(packed.data == nullptr);
        }
      }
    }
  });
}

TEST_CASE("packing reads only the rows, strided or not") {
  ForEachTarget([] {
    const ActivationLayout layout = RowsFor(Type::kQ6_K);
    for (const Type type : {Type::kF32, Type::kF16, Type::kBF16}) {
      for (const size_t cols : {1, 31, 250, 256, 264}) {
        for (const Guard guard : {Guard::kBefore, Guard::kBehind}) {
          const size_t row = RowBytes(type, cols), stride = row + 8;
          GuardedBytes x(stride + row, guard);
          memset(x.data(), 0x11, stride + row);
          GuardedBytes out(PackedActivationBytes(layout, 2, cols), guard);
          PackedActivations packed;
          REQUIRE(PackActivations(layout,
                                  ConstMatrix(type, x.data(), 2, cols, stride),
                                  out.data(), &packed)
                      .ok());
        }
      }
    }
  });
}

TEST_CASE("impossible sizes have no packed bytes") {
  const ActivationLayout layout = RowsFor(Type::kQ4_0);
  REQUIRE(PackedActivationBytes(layout, 0, 256) == 0);
  REQUIRE(PackedActivationBytes(layout, 1, 0) == 0);
  REQUIRE(PackedActivationBytes(layout, SIZE_MAX / 2, 4096) == 0);
  REQUIRE(PackedActivationBytes(layout, 4096, SIZE_MAX) == 0);
  REQUIRE(PackedActivationBytes(layout, 2, 257) == 4 * sizeof(Int8RowChunk));
}

TEST_CASE("what cannot be packed is refused") {
  const ActivationLayout layout = RowsFor(Type::kQ4_0);
  const std::vector<float> x(512, 1.0f);
  AlignedBytes out(PackedActivationBytes(layout, 2, 256) + 64);
  PackedActivations packed;
  const ConstMatrix good = FloatMatrix(x.data(), 2, 256);
  const auto code = [&](ActivationLayout l, const ConstMatrix& m, void* to,
                        PackedActivations* view) {
    return PackActivations(l, m, to, view).code();
  };
  REQUIRE(code(layout, good, out.data(), &packed) == StatusCode::kOk);
  const StatusCode invalid = StatusCode::kInvalidArgument;
  REQUIRE(code(layout, good, out.data() + 32, &packed) == invalid);
  REQUIRE(code(layout, good, nullptr, &packed) == invalid);
  REQUIRE(code(layout, good, out.data(), nullptr) == invalid);
  REQUIRE(code({ActivationKind::kInt8Rows, 999}, good, out.data(), &packed) ==
          invalid);
  REQUIRE(code(layout, FloatMatrix(x.data(), 0, 256), out.data(), &packed) ==
          invalid);
  REQUIRE(code(layout, FloatMatrix(static_cast<const float*>(nullptr), 2, 256),
               out.data(), &packed) == invalid);
  REQUIRE(code(layout, ConstMatrix(Type::kQ4_0, out.data(), 1, 256), out.data(),
               &packed) == invalid);
}

}  // namespace
}  // namespace nibble
