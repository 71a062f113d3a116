// SPDX-License-Identifier: MIT
// What a project that uses the library through C++ needs: the headers are
// found, the library links, the numbers are right.
#include <cmath>
#include <cstdio>
#include <vector>

#include "nibble/nibble.h"

namespace {

int Fail(const nibble::Status& status) {
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return 1;
}

}  // namespace

int main() {
  constexpr size_t kCols = 256;
  const nibble::TypeInfo* info = nibble::FindTypeInfo(nibble::Type::kQ8_0);
  if (info == nullptr || info->block_weights != 32) return 1;

  // Blocks of d = 1 (fp16) and codes 0, 1, 2 ...
  std::vector<uint8_t> packed(nibble::RowBytes(info->type, kCols));
  for (size_t i = 0; i < packed.size(); ++i) {
    const size_t in_block = i % 34;
    packed[i] = static_cast<uint8_t>(in_block == 1   ? 0x3C
                                     : in_block == 0 ? 0
                                                     : in_block - 2);
  }
  const nibble::ConstMatrix row(info->type, packed.data(), 1, kCols);
  std::vector<float> x(kCols);
  nibble::Status status = nibble::Validate(row);
  if (!status.ok()) return Fail(status);
  status = nibble::Dequantize(row, nibble::FloatMatrix(x.data(), 1, kCols));
  if (!status.ok()) return Fail(status);
  for (size_t c = 0; c < kCols; ++c) {
    if (x[c] != static_cast<float>(c % 32)) return 1;
  }

  // Packed again and multiplied with itself: 8 times the squares below 32.
  const nibble::MutableMatrix again(info->type, packed.data(), 1, kCols);
  const nibble::ConstMatrix floats =
      nibble::FloatMatrix(static_cast<const float*>(x.data()), 1, kCols);
  status = nibble::Quantize(floats, again);
  if (!status.ok()) return Fail(status);
  float product = 0.0f;
  status = nibble::Matmul(again, floats, nibble::FloatMatrix(&product, 1, 1));
  if (!status.ok()) return Fail(status);
  if (std::fabs(product / 83328.0f - 1.0f) > 0.01f) return 1;
  std::printf("%s on %s: ok\n", info->name, nibble::ChosenTarget().c_str());
  return 0;
}
