// SPDX-License-Identifier: MIT
// A library of one family and two targets: what is there works, what was left
// out says so.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "nibble/nibble.h"

namespace {

using nibble::Type;

bool Check(bool ok, const char* what) {
  if (!ok) std::fprintf(stderr, "failed: %s\n", what);
  return ok;
}

// Every verb, for a type that is there.
bool Works(Type type, const std::vector<float>& x) {
  const size_t cols = x.size();
  std::vector<uint8_t> bytes(nibble::RowBytes(type, cols));
  std::vector<float> decoded(cols);
  float y = 0.0f;
  const nibble::MutableMatrix packed(type, bytes.data(), 1, cols);
  const nibble::ConstMatrix floats = nibble::FloatMatrix(x.data(), 1, cols);
  return nibble::Quantize(floats, packed).ok() &&
         nibble::Validate(packed).ok() &&
         nibble::Dequantize(packed,
                            nibble::FloatMatrix(decoded.data(), 1, cols))
             .ok() &&
         nibble::Matmul(packed, floats, nibble::FloatMatrix(&y, 1, 1)).ok() &&
         y != 0.0f;
}

// A type of another family: no facts, no size, and a status with its name.
bool IsLeftOut(Type type, const char* name, const std::vector<float>& x) {
  std::vector<uint8_t> bytes(x.size());
  const nibble::MutableMatrix packed(type, bytes.data(), 1, x.size());
  const nibble::Status status = nibble::Quantize(
      nibble::FloatMatrix(x.data(), 1, x.size()), packed);
  std::printf("%s\n", status.message().c_str());
  return nibble::FindTypeInfo(type) == nullptr &&
         !nibble::TypeFromName(name).has_value() &&
         nibble::RowBytes(type, x.size()) == 0 &&
         nibble::FallbackType(type, x.size()) == Type::kF16 &&
         status.code() == nibble::StatusCode::kUnsupported &&
         status.message().find(name) != std::string::npos;
}

}  // namespace

int main() {
  std::vector<float> x(256);
  for (size_t c = 0; c < x.size(); ++c) x[c] = 0.01f * static_cast<float>(c);

  bool ok = Check(nibble::QuantizedTypes().size() != 0, "types");
  for (const nibble::TypeInfo& info : nibble::QuantizedTypes()) {
    ok = Check(Works(info.type, x), info.name) && ok;
  }
  ok = Check(nibble::FindTypeInfo(Type::kQ4_0) != nullptr, "Q4_0") && ok;
  ok = Check(IsLeftOut(Type::kQ4_K, "q4_K", x), "left out: q4_K") && ok;
  ok = Check(IsLeftOut(Type::kIQ4_KS, "iq4_ks", x), "left out: iq4_ks") && ok;
  ok = Check(nibble::AvailableTargets().size() <= 2, "two targets") && ok;
  return ok ? 0 : 1;
}
