// SPDX-License-Identifier: MIT
// Types, sizes, views, targets: what has no numbers in it.
#include <cstdint>
#include <set>

#include "nibble/nibble.h"
#include "tests/for_each.h"

namespace nibble {
namespace {

TEST_CASE("sizes of every type follow its description") {
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const TypeInfo* info = FindTypeInfo(format.type);
    REQUIRE(info != nullptr);
    REQUIRE(info->quantized);
    REQUIRE(RowBytes(format.type, 3 * F::kBlock) ==
            F::kRowHeader + 3 * sizeof(typename F::Block));
    REQUIRE(RowBytes(format.type, F::kBlock + 1) == 0);
    REQUIRE(RowBytes(format.type, 0) == 0);
  });
  REQUIRE(RowBytes(Type::kQ8_0, SIZE_MAX / 32 * 32) == 0);  // overflows
}

TEST_CASE("names are unique and found in any case") {
  std::set<std::string> names;
  for (const TypeInfo& info : QuantizedTypes()) {
    REQUIRE(names.insert(info.name).second);
    REQUIRE(TypeFromName(info.name) == info.type);
    REQUIRE(TypeFromName(info.symbol) == info.type);
    REQUIRE(std::string(TypeName(info.type)) == info.name);
  }
  REQUIRE(TypeFromName("q4_k") == Type::kQ4_K);
  REQUIRE(TypeFromName("bf16") == Type::kBF16);
  REQUIRE_FALSE(TypeFromName("q4_").has_value());
  REQUIRE(std::string(TypeName(static_cast<Type>(9999))) == "unknown");
}

TEST_CASE("rows that 256 does not divide fall back to types that fit") {
  REQUIRE(FallbackType(Type::kQ4_K, 4096) == Type::kQ4_K);
  REQUIRE(FallbackType(Type::kQ4_K, 96) == Type::kQ5_0);
  REQUIRE(FallbackType(Type::kQ6_K, 96) == Type::kQ8_0);
  REQUIRE(FallbackType(Type::kIQ2_XS, 32) == Type::kIQ4_NL);
  REQUIRE(FallbackType(Type::kQ4_K, 33) == Type::kF16);
  for (const TypeInfo& info : QuantizedTypes()) {
    REQUIRE(RowBytes(FallbackType(info.type, 33), 33) != 0);
    REQUIRE(RowBytes(FallbackType(info.type, 32), 32) != 0);
  }
}

TEST_CASE("rows are split completely, disjointly and in steps") {
  for (const size_t rows : {0u, 1u, 7u, 64u, 100u}) {
    for (const size_t parts : {1u, 2u, 3u, 7u, 200u}) {
      for (const size_t multiple : {1u, 4u, 32u}) {
        size_t next = 0;
        for (size_t part = 0; part < parts; ++part) {
          const RowRange range = SplitRows(rows, {part, parts}, multiple);
          REQUIRE(range.begin == next);
          REQUIRE(range.end >= range.begin);
          REQUIRE((range.end == rows || range.end % multiple == 0));
          next = range.end;
        }
        REQUIRE(next == rows);
      }
    }
  }
}

TEST_CASE("targets can be forced and unknown ones are refused") {
  const std::string automatic = ChosenTarget();
  for (const std::string& target : AvailableTargets()) {
    REQUIRE(ForceTarget(target).ok());
    REQUIRE(ChosenTarget() == target);
  }
  REQUIRE(ForceTarget("PDP11").code() == StatusCode::kUnsupported);
  REQUIRE(ForceTarget("").ok());
  REQUIRE(ChosenTarget() == automatic);
}

TEST_CASE("views that do not fit are refused with a reason") {
  float x[64] = {};
  uint8_t bytes[64] = {};
  const auto refused = [&](const ConstMatrix& packed, const MutableMatrix& out,
                           const char* reason) {
    const Status status = Dequantize(packed, out);
    REQUIRE_FALSE(status.ok());
    INFO(status.message());
    REQUIRE(status.message().find(reason) != std::string::npos);
  };
  const MutableMatrix out = FloatMatrix(x, 1, 32);
  refused(ConstMatrix(Type::kQ4_0, bytes, 1, 33), out, "33 columns");
  refused(ConstMatrix(Type::kQ4_0, nullptr, 1, 32), out, "null");
  refused(ConstMatrix(Type::kQ4_0, bytes, 1, 32, 5), out, "stride 5");
  refused(ConstMatrix(Type::kQ4_0, bytes, 0, 32), out, "empty");
  refused(ConstMatrix(static_cast<Type>(77), bytes, 1, 32), out, "id 77");
  refused(ConstMatrix(Type::kQ4_0, bytes, 2, 32), out, "packed is 2 x 32");
  refused(ConstMatrix(Type::kQ4_0, bytes, SIZE_MAX / 8, 32), out, "overflow");
}

}  // namespace
}  // namespace nibble
