// SPDX-License-Identifier: MIT
// Mistakes the compiler must catch: one at a time, by NIBBLE_MISTAKE. Without a
// mistake this compiles, which shows that nothing else is wrong with it.
#include "nibble/nibble.h"

nibble::Status Correct(const nibble::ConstMatrix& packed,
                       const nibble::MutableMatrix& out) {
  return nibble::Dequantize(packed, out);
}

#if NIBBLE_MISTAKE == 1  // a failure nobody looks at
void IgnoredStatus(const nibble::ConstMatrix& packed) {
  nibble::Validate(packed);
}
#elif NIBBLE_MISTAKE == 2  // writing through a constant view
nibble::Status ConstantOutput(const nibble::ConstMatrix& packed,
                              const nibble::ConstMatrix& out) {
  return nibble::Dequantize(packed, out);
}
#elif NIBBLE_MISTAKE == 3  // an id from a file, unchecked
size_t NumberAsType() { return nibble::RowBytes(12, 256); }
#elif NIBBLE_MISTAKE == 4  // is a true Status a success or a failure?
bool StatusAsBool(const nibble::ConstMatrix& packed) {
  return nibble::Validate(packed);
}
#elif NIBBLE_MISTAKE == 5  // a view of constant floats as the result
nibble::Status ConstantFloats(const nibble::ConstMatrix& packed,
                              const float* out) {
  return nibble::Dequantize(packed, nibble::FloatMatrix(out, 1, 256));
}
#endif
