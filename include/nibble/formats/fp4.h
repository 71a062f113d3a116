// SPDX-License-Identifier: MIT
// 4-bit floats (E2M1), the codes of MXFP4 and NVFP4: a sign and 0, 0.5, 1, 1.5,
// 2, 3, 4, 6. The table holds doubled values, so that they are integers.
#ifndef NIBBLE_FORMATS_FP4_H_
#define NIBBLE_FORMATS_FP4_H_

#include "nibble/formats/nodes.h"

namespace nibble {
namespace formats {

inline constexpr int8_t kFp4Levels[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                          0, -1, -2, -3, -4, -6, -8, -12};
inline constexpr int kFp4Max = 12;
inline constexpr uint64_t kFp4Low = PackBytes(kFp4Levels);
inline constexpr uint64_t kFp4High = PackBytes(kFp4Levels + 8);
template <class E>
using Fp4Table = Lut16<kFp4Low, kFp4High, E>;

}  // namespace formats
}  // namespace nibble

#endif  // NIBBLE_FORMATS_FP4_H_
