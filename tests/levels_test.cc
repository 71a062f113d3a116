// SPDX-License-Identifier: MIT
// The nearest level of every table, on both lane types, against all levels.
#include <cmath>
#include <limits>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include "hwy/highway.h"
#include "nibble/formats/iq2_k.h"
#include "nibble/formats/iq3_k.h"
#include "nibble/formats/iq4_nl.h"
#include "nibble/formats/iq5_k.h"
#include "nibble/formats/iq6_k.h"
#include "nibble/search/levels-inl.h"
#include "nibble/search/scale_rule-inl.h"

namespace nibble {
namespace {

namespace search_ns = nibble::HWY_NAMESPACE;

// A format that is only a table.
template <class F>
struct Table {
  using Codes = typename F::Codes;
  template <class L>
  using Levels = typename search_ns::LevelsOf<L, F, Codes>::type;
  using Entries = formats::TableOf<Codes>;
};

template <class Body>
void ForEachTable(const Body& body) {
  SECTION("4 levels") { body(Table<formats::IQ2_K>()); }
  SECTION("8 levels") { body(Table<formats::IQ3_K>()); }
  SECTION("16 levels") { body(Table<formats::IQ4_NL>()); }
  SECTION("32 levels") { body(Table<formats::IQ5_K>()); }
  SECTION("64 levels") { body(Table<formats::IQ6_K>()); }
}

// The code nearest to z; midpoints go up.
template <class Entries>
int Nearest(float z) {
  int code = 0;
  for (int k = 1; k < Entries::kCount; ++k) {
    const float mid = 0.5f * static_cast<float>(Entries::At(k) +
                                                Entries::At(k - 1));
    if (z >= mid) code = k;
  }
  return code;
}

// Values around every midpoint and level, everything in between, and far away.
template <class Entries>
std::vector<float> Probes() {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> z;
  const auto around = [&](float v) {
    z.insert(z.end(), {std::nextafter(v, -inf), v, std::nextafter(v, inf)});
  };
  for (int k = 0; k < Entries::kCount; ++k) {
    around(static_cast<float>(Entries::At(k)));
    if (k == 0) continue;
    around(0.5f * static_cast<float>(Entries::At(k) + Entries::At(k - 1)));
  }
  for (float v = -150.0f; v <= 150.0f; v += 0.09375f) z.push_back(v);
  for (const float v : {-1e30f, -300.0f, 300.0f, 1e30f}) z.push_back(v);
  while (z.size() % 16 != 0) z.push_back(0.0f);
  return z;
}

template <class L, class T>
void CheckNearest(T) {
  using Levels = typename T::template Levels<L>;
  using Entries = typename T::Entries;
  const std::vector<float> z = Probes<Entries>();
  alignas(64) float in[16], near[16], inside[16];
  alignas(64) int32_t code[16];
  for (size_t i = 0; i < z.size(); i += L::kLanes) {
    std::copy(z.begin() + i, z.begin() + i + L::kLanes, in);
    const auto v = L::Load(in);
    L::Store(Levels::Near(v), near);
    L::StoreI(Levels::Code(v), code);
    L::Store(Levels::NearInside(L::Max(L::Min(v, L::Set(140.0f)),
                                       L::Set(-140.0f))),
             inside);
    for (size_t lane = 0; lane < L::kLanes; ++lane) {
      const int want = Nearest<Entries>(in[lane]);
      INFO("z = " << in[lane]);
      REQUIRE(code[lane] == want);
      REQUIRE(near[lane] == static_cast<float>(Entries::At(want)));
      REQUIRE(inside[lane] == near[lane]);
    }
  }
}

TEST_CASE("the nearest level of a table and its code") {
  ForEachTable([](auto table) {
    CheckNearest<OneLane>(table);
    CheckNearest<search_ns::HwyLanes>(table);
  });
}

template <class L, class T>
void CheckStep(T) {
  using Levels = typename T::template Levels<L>;
  using Entries = typename T::Entries;
  alignas(64) float up[16], down[16];
  for (int k = 0; k < Entries::kCount; ++k) {
    const auto level = L::Set(static_cast<float>(Entries::At(k)));
    const auto one = L::Set(1.0f);
    L::Store(Levels::Step(level, L::Gt(one, L::Zero())), up);
    L::Store(Levels::Step(level, L::Lt(one, L::Zero())), down);
    const int above = k + 1 < Entries::kCount ? k + 1 : k;
    const int below = k > 0 ? k - 1 : k;
    REQUIRE(up[0] == static_cast<float>(Entries::At(above)));
    REQUIRE(down[0] == static_cast<float>(Entries::At(below)));
  }
}

TEST_CASE("one level up and one down, and no further than the ends") {
  ForEachTable([](auto table) {
    CheckStep<OneLane>(table);
    CheckStep<search_ns::HwyLanes>(table);
  });
}

TEST_CASE("odd multipliers of either sign are one rule") {
  using Rule = search_ns::ScaleRule<formats::IQ3_K, OneLane>;
  formats::IQ3_K::Block block{};
  for (int m = -31; m <= 31; m += 2) {
    REQUIRE(Rule::Near(static_cast<float>(m)) == static_cast<float>(m));
    block = {};
    formats::Store::Put(formats::IQ3_K::ScaleCodes(), block, 5,
                        Rule::Code(static_cast<float>(m)));
    REQUIRE(formats::Reader<formats::IQ3_K>::Multiplier(block, 5) == m);
  }
  REQUIRE(Rule::Near(-1e9f) == -31.0f);
  REQUIRE(Rule::Near(1e9f) == 31.0f);
}

}  // namespace
}  // namespace nibble
