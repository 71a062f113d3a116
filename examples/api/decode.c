/* SPDX-License-Identifier: MIT
 * From C: the name of a type and a file of packed rows in, numbers out. Without
 * arguments it shows the types. */
#include <stdio.h>
#include <stdlib.h>

#include "nibble/c/nibble.h"

static int list_types(void) {
  nibble_type_info info;
  size_t i;
  for (i = 0; i < nibble_type_count(); ++i) {
    if (!nibble_find_type_info(nibble_type_at(i), &info)) return EXIT_FAILURE;
    printf("%-8s %6.3f bpw  %s\n", info.name,
           8.0 * (double)info.block_bytes / (double)info.block_weights,
           info.summary);
  }
  return EXIT_SUCCESS;
}

int main(int argc, char** argv) {
  nibble_message message;
  nibble_const_matrix packed = {0, NULL, 1, 0, 0};
  nibble_matrix out = {NIBBLE_TYPE_F32, NULL, 1, 0, 0};
  void* bytes;
  float* x;
  FILE* file;
  size_t row_bytes, c;
  if (argc < 4) {
    fprintf(stderr, "usage: decode TYPE COLUMNS FILE\n");
    return list_types();
  }
  packed.type = nibble_type_from_name(argv[1]);
  packed.cols = out.cols = strtoul(argv[2], NULL, 10);
  row_bytes = nibble_row_bytes(packed.type, packed.cols);
  bytes = malloc(row_bytes + 1);
  x = malloc(out.cols * sizeof(float) + 1);
  file = fopen(argv[3], "rb");
  if (row_bytes == 0 || bytes == NULL || x == NULL || file == NULL) {
    fprintf(stderr, "decode: no such type, size or file\n");
    return EXIT_FAILURE;
  }
  packed.data = bytes;
  out.data = x;
  while (fread(bytes, row_bytes, 1, file) == 1) {
    if (nibble_dequantize(&packed, &out, &message) != NIBBLE_OK) {
      fprintf(stderr, "decode: %s\n", message.text);
      return EXIT_FAILURE;
    }
    for (c = 0; c < out.cols; ++c) printf("%.9g\n", (double)x[c]);
  }
  fclose(file);
  free(bytes);
  free(x);
  return EXIT_SUCCESS;
}
