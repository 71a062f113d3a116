// SPDX-License-Identifier: MIT
// Every format, every SIMD target: from the registry and from the machine, so
// that no test can forget one.
#ifndef NIBBLE_TESTS_FOR_EACH_H_
#define NIBBLE_TESTS_FOR_EACH_H_

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "nibble/cpu.h"
#include "nibble/formats/all.h"
#include "nibble/type.h"

namespace nibble {

// A format's description together with its facts.
template <class F>
struct FormatCase {
  using Format = F;
  Type type;
  const char* file;  // "q4_k"
};

// Where every format would take too long, NIBBLE_TEST_FORMATS names some by
// their symbols: "Q4_0,IQ2_KL". Unset: all.
inline bool IsTested(const std::string& symbol) {
  const char* some = std::getenv("NIBBLE_TEST_FORMATS");
  if (some == nullptr) return true;
  return ("," + std::string(some) + ",").find("," + symbol + ",") !=
         std::string::npos;
}

// Calls body(FormatCase<F>) for every format, each in a section of its own.
template <class Body>
void ForEachFormat(const Body& body) {
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  if (IsTested(#symbol)) {                                       \
    DYNAMIC_SECTION(#symbol) {                                   \
      body(FormatCase<formats::symbol>{Type::k##symbol, #file}); \
    }                                                            \
  }
#include "nibble/formats/enabled.def"
#undef NIBBLE_FORMAT
}

// Calls body() once per available target with that target forced, and fails if
// the library did not dispatch to it.
template <class Body>
void ForEachTarget(const Body& body) {
  const std::vector<std::string> targets = AvailableTargets();
  REQUIRE_FALSE(targets.empty());
  for (const std::string& target : targets) {
    DYNAMIC_SECTION(target) {
      REQUIRE(ForceTarget(target).ok());
      REQUIRE(ChosenTarget() == target);
      body();
      REQUIRE(ChosenTarget() == target);
      REQUIRE(ForceTarget("").ok());
    }
  }
}

inline std::vector<uint8_t> ReadTestFile(const std::string& name) {
  std::ifstream in(std::string(NIBBLE_TEST_DATA) + "/" + name,
                   std::ios::binary);
  INFO("no test data file " << name);
  REQUIRE(in.good());
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(in), {});
}

}  // namespace nibble

#endif  // NIBBLE_TESTS_FOR_EACH_H_
