/* SPDX-License-Identifier: MIT
 * What a C project that uses the library needs. */
#include <stdio.h>

#include "nibble/c/nibble.h"

int main(void) {
  uint8_t packed[34] = {0x00, 0x3C, 7}; /* Q8_0: d = 1, codes 7 0 0 ... */
  float x[32];
  const nibble_const_matrix row = {NIBBLE_TYPE_Q8_0, packed, 1, 32, 0};
  const nibble_matrix out = {NIBBLE_TYPE_F32, x, 1, 32, 0};
  nibble_message message;
  if (nibble_dequantize(&row, &out, &message) != NIBBLE_OK) {
    fprintf(stderr, "%s\n", message.text);
    return 1;
  }
  return x[0] == 7.0f && x[31] == 0.0f ? 0 : 1;
}
