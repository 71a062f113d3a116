// SPDX-License-Identifier: MIT
// Conformance vectors: packed bytes and the exact floats they decode to, made by
// independent decoders (see golden/README.md).
#ifndef NIBBLE_TESTS_GOLDEN_H_
#define NIBBLE_TESTS_GOLDEN_H_

#include <cstring>
#include <vector>

#include "tests/for_each.h"

namespace nibble {

struct Golden {
  std::vector<uint8_t> packed;  // one row, header included
  std::vector<float> decoded;
};

template <class F>
Golden LoadGolden(FormatCase<F> format) {
  Golden golden;
  const std::string base = std::string("golden/") + format.file;
  golden.packed = ReadTestFile(base + ".blocks");
  const std::vector<uint8_t> bytes = ReadTestFile(base + ".f32");
  golden.decoded.resize(bytes.size() / sizeof(float));
  memcpy(golden.decoded.data(), bytes.data(), bytes.size());
  REQUIRE_FALSE(golden.decoded.empty());
  REQUIRE(RowBytes(format.type, golden.decoded.size()) ==
          golden.packed.size());
  return golden;
}

}  // namespace nibble

#endif  // NIBBLE_TESTS_GOLDEN_H_
