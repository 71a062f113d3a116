/* SPDX-License-Identifier: MIT
 * The C API as a C99 program meets it. Its numbers are tested through C++; here
 * every call is made once, gives what C++ gives, and refuses what it must. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nibble/c/nibble.h"

static int failures = 0;

#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition)) {                                      \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                            \
    }                                                        \
  } while (0)

static void types_are_listed_and_found(void) {
  nibble_type_info info;
  size_t i;
  CHECK(nibble_type_count() >= 9);
  for (i = 0; i < nibble_type_count(); ++i) {
    const nibble_type type = nibble_type_at(i);
    CHECK(nibble_find_type_info(type, &info) == 1);
    CHECK(info.type == type && info.quantized == 1);
    CHECK(nibble_type_from_name(info.name) == type);
    CHECK(nibble_type_from_name(info.symbol) == type);
    CHECK(strcmp(nibble_type_name(type), info.name) == 0);
    CHECK(nibble_row_bytes(type, info.block_weights) ==
          info.row_header_bytes + info.block_bytes);
    CHECK(nibble_row_bytes(type, info.block_weights + 1) == 0);
    CHECK(nibble_row_bytes(nibble_fallback_type(type, 32), 32) != 0);
  }
  CHECK(nibble_type_at(i) == NIBBLE_TYPE_UNKNOWN);
  CHECK(nibble_type_from_name("q4_k") == NIBBLE_TYPE_Q4_K);
  CHECK(nibble_type_from_name("no such type") == NIBBLE_TYPE_UNKNOWN);
  CHECK(nibble_type_from_name(NULL) == NIBBLE_TYPE_UNKNOWN);
  CHECK(nibble_find_type_info(NIBBLE_TYPE_UNKNOWN, &info) == 0);
  CHECK(nibble_find_type_info(NIBBLE_TYPE_F16, &info) == 1);
  CHECK(info.quantized == 0 && info.block_bytes == 2);
  CHECK(strcmp(nibble_type_name(NIBBLE_TYPE_UNKNOWN), "unknown") == 0);
  CHECK(strlen(nibble_version()) >= strlen("0.0.0"));
}

static void targets_are_listed_and_forced(void) {
  char name[32], chosen[32], tiny[3];
  nibble_message message;
  size_t i;
  CHECK(nibble_target_count() > 0);
  for (i = 0; i < nibble_target_count(); ++i) {
    nibble_target_name(i, name, sizeof(name));
    CHECK(nibble_force_target(name, &message) == NIBBLE_OK);
    CHECK(message.text[0] == '\0');
    nibble_chosen_target(chosen, sizeof(chosen));
    CHECK(strcmp(name, chosen) == 0);
    nibble_target_name(i, tiny, sizeof(tiny));
    CHECK(strlen(tiny) == 2 && strncmp(name, tiny, 2) == 0);
  }
  nibble_target_name(i, name, sizeof(name));
  CHECK(name[0] == '\0');
  CHECK(nibble_force_target("PDP11", &message) == NIBBLE_UNSUPPORTED);
  CHECK(strstr(message.text, "PDP11") != NULL);
  CHECK(nibble_force_target("PDP11", NULL) == NIBBLE_UNSUPPORTED);
  CHECK(nibble_force_target("", NULL) == NIBBLE_OK);
}

/* Two Q8_0 blocks with d = 1 and codes 0 to 31. */
static void fill_q8_0(uint8_t* blocks) {
  int b, i;
  for (b = 0; b < 2; ++b) {
    blocks[34 * b] = 0x00;
    blocks[34 * b + 1] = 0x3C;
    for (i = 0; i < 32; ++i) blocks[34 * b + 2 + i] = (uint8_t)i;
  }
}

static void rows_are_decoded_and_validated(void) {
  uint8_t blocks[68];
  float x[64];
  int i;
  nibble_message message;
  nibble_const_matrix packed = {NIBBLE_TYPE_Q8_0, NULL, 1, 64, 0};
  nibble_matrix out = {NIBBLE_TYPE_F32, NULL, 1, 64, 0};
  fill_q8_0(blocks);
  packed.data = blocks;
  out.data = x;
  CHECK(nibble_validate(&packed, &message) == NIBBLE_OK);
  CHECK(nibble_dequantize(&packed, &out, &message) == NIBBLE_OK);
  for (i = 0; i < 64; ++i) CHECK(x[i] == (float)(i % 32));

  blocks[34 + 1] = 0x7C; /* the second scale is infinite */
  CHECK(nibble_validate(&packed, &message) == NIBBLE_INVALID_DATA);
  CHECK(strstr(message.text, "block 1") != NULL);
}

static void misfits_are_refused_with_a_reason(void) {
  uint8_t blocks[68] = {0};
  float x[64];
  nibble_message message;
  nibble_const_matrix packed = {NIBBLE_TYPE_Q8_0, NULL, 1, 33, 0};
  nibble_matrix out = {NIBBLE_TYPE_F32, NULL, 1, 64, 0};
  packed.data = blocks;
  out.data = x;
  CHECK(nibble_dequantize(&packed, &out, &message) == NIBBLE_INVALID_ARGUMENT);
  CHECK(strstr(message.text, "33 columns") != NULL);
  CHECK(nibble_dequantize(NULL, &out, &message) == NIBBLE_INVALID_ARGUMENT);
  CHECK(strstr(message.text, "null") != NULL);
  packed.type = 9999;
  CHECK(nibble_dequantize(&packed, &out, NULL) == NIBBLE_UNSUPPORTED);
  packed.type = NIBBLE_TYPE_Q8_0;
  packed.cols = 64;
  CHECK(nibble_dequantize(&packed, NULL, NULL) == NIBBLE_INVALID_ARGUMENT);
}

int main(void) {
  types_are_listed_and_found();
  targets_are_listed_and_forced();
  rows_are_decoded_and_validated();
  misfits_are_refused_with_a_reason();
  printf("%d failures\n", failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
