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

enum { kRows = 3, kCols = 512 };

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

static void rows_interleave_and_come_back(void) {
  enum { kBytes = 8 * 34 };
  uint8_t rows[kBytes], groups[kBytes], back[kBytes];
  nibble_const_matrix from = {NIBBLE_TYPE_Q8_0, NULL, 8, 32, 0};
  nibble_matrix to = {NIBBLE_TYPE_Q8_0, NULL, 8, 32, 0};
  nibble_interleaved_info info;
  nibble_message message;
  const nibble_interleaved_type type = NIBBLE_INTERLEAVED_Q8_0_R8;
  size_t i;
  for (i = 0; i < kBytes; ++i) rows[i] = (uint8_t)(i * 7);
  from.data = rows;
  to.data = back;
  CHECK(nibble_interleaved_from_name("q8_0_R8") == type);
  CHECK(nibble_interleaved_from_name("q8_0") == NIBBLE_INTERLEAVED_UNKNOWN);
  CHECK(nibble_find_interleaved(type, &info) == 1);
  CHECK(info.base == NIBBLE_TYPE_Q8_0 && info.rows == 8);
  CHECK(nibble_find_interleaved(2, &info) == 0);
  CHECK(nibble_interleaved_at(nibble_interleaved_count()) ==
        NIBBLE_INTERLEAVED_UNKNOWN);
  CHECK(nibble_interleaved_bytes(type, 8, 32) == kBytes);
  CHECK(nibble_interleave(&from, type, groups, kBytes, &message) == NIBBLE_OK);
  CHECK(memcmp(rows, groups, kBytes) != 0);
  CHECK(nibble_deinterleave(type, groups, kBytes, &to, &message) == NIBBLE_OK);
  CHECK(memcmp(rows, back, kBytes) == 0);
  CHECK(nibble_interleave(&from, type, groups, kBytes - 1, &message) ==
        NIBBLE_INVALID_ARGUMENT);
  CHECK(strstr(message.text, "271 bytes") != NULL);
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

/* Weights and activations that look like some. */
static float value(size_t i) {
  return (float)((i * 2654435761u >> 7) % 2001) / 1000.0f - 1.0f;
}

/* The caller's threads, as simple as can be: one after the other. */
static void run_parts(void* context, size_t parts,
                      void (*task)(void* arg, size_t part), void* arg) {
  size_t part;
  for (part = 0; part < parts; ++part) task(arg, part);
  *(size_t*)context += parts;
}

typedef struct weights {
  float* source;
  uint8_t* packed;
  float* decoded;
  nibble_const_matrix view;
} weights;

static weights quantized(nibble_type type,
                         const nibble_quantize_options* options) {
  weights w;
  nibble_message message;
  size_t i;
  nibble_const_matrix source = {NIBBLE_TYPE_F32, NULL, kRows, kCols, 0};
  nibble_matrix packed = {0, NULL, kRows, kCols, 0};
  nibble_matrix decoded = {NIBBLE_TYPE_F32, NULL, kRows, kCols, 0};
  w.source = malloc(kRows * kCols * sizeof(float));
  w.decoded = malloc(kRows * kCols * sizeof(float));
  w.packed = malloc(kRows * nibble_row_bytes(type, kCols));
  for (i = 0; i < kRows * kCols; ++i) w.source[i] = value(i);
  source.data = w.source;
  packed.type = type;
  packed.data = w.packed;
  decoded.data = w.decoded;
  w.view.type = type;
  w.view.data = w.packed;
  w.view.rows = kRows;
  w.view.cols = kCols;
  w.view.stride_bytes = 0;
  message.text[0] = '\0';
  CHECK(nibble_quantize(&source, &packed, options, &message) == NIBBLE_OK);
  CHECK(nibble_dequantize(&w.view, &decoded, NULL) == NIBBLE_OK);
  if (message.text[0] != '\0') printf("%s\n", message.text);
  return w;
}

static void release(weights* w) {
  free(w->source);
  free(w->packed);
  free(w->decoded);
}

static void quantized_rows_are_close(void) {
  weights w = quantized(NIBBLE_TYPE_Q8_0, NULL);
  size_t i;
  for (i = 0; i < kRows * kCols; ++i) {
    const float error = w.decoded[i] - w.source[i];
    CHECK(error < 0.01f && error > -0.01f);
  }
  CHECK(nibble_validate(&w.view, NULL) == NIBBLE_OK);
  release(&w);
}

static void options_reach_the_quantizer(void) {
  nibble_quantize_options options;
  nibble_parallel_for threads = {run_parts, NULL, 2};
  size_t parts = 0;
  weights w, same;
  nibble_matrix packed = {NIBBLE_TYPE_Q8_0, NULL, kRows, kCols, 0};
  nibble_const_matrix source = {NIBBLE_TYPE_F32, NULL, kRows, kCols, 0};
  nibble_message message;
  nibble_quantize_options_init(&options);
  CHECK(options.search == NIBBLE_SEARCH_DEFAULT && options.scratch == NULL);
  w = quantized(NIBBLE_TYPE_IQ4_KS, &options);
  threads.context = &parts;
  options.parallel = &threads;
  same = quantized(NIBBLE_TYPE_IQ4_KS, &options);
  CHECK(parts > 0);
  CHECK(memcmp(w.packed, same.packed,
               kRows * nibble_row_bytes(NIBBLE_TYPE_IQ4_KS, kCols)) == 0);
  CHECK(nibble_quantize_scratch_bytes(NIBBLE_TYPE_IQ4_KS, kCols) > 0);

  source.data = w.source;
  packed.data = w.packed;
  options.search = 99;
  CHECK(nibble_quantize(&source, &packed, &options, &message) ==
        NIBBLE_INVALID_ARGUMENT);
  CHECK(strstr(message.text, "99") != NULL);
  release(&w);
  release(&same);
}

/* *size bytes, aligned to 64; free(*block) afterwards. */
static void* aligned(size_t size, void** block) {
  *block = malloc(size + 64);
  return (void*)(((uintptr_t)*block + 63) & ~(uintptr_t)63);
}

static double reference(const weights* w, const float* x, size_t r) {
  double sum = 0;
  size_t c;
  for (c = 0; c < kCols; ++c) {
    sum += (double)w->decoded[r * kCols + c] * (double)x[c];
  }
  return sum;
}

static void check_products(const weights* w, const float* x, size_t tokens,
                           const float* y) {
  size_t t, r;
  for (t = 0; t < tokens; ++t) {
    for (r = 0; r < kRows; ++r) {
      const double error =
          (double)y[t * kRows + r] - reference(w, x + t * kCols, r);
      CHECK(error < 0.5 && error > -0.5); /* sums of 512 products below 1 */
    }
  }
}

static void products_are_close(void) {
  enum { kTokens = 20 };
  static float x[kTokens * kCols];
  static float y[kTokens * kRows];
  float one = 0;
  size_t i;
  void* block;
  void* memory;
  nibble_activation_layout layout;
  nibble_packed_activations packed;
  nibble_const_matrix tokens = {NIBBLE_TYPE_F32, NULL, 1, kCols, 0};
  nibble_matrix out = {NIBBLE_TYPE_F32, NULL, 1, kRows, 0};
  weights w = quantized(NIBBLE_TYPE_Q6_K, NULL);
  for (i = 0; i < kTokens * kCols; ++i) x[i] = value(i + 12345);
  tokens.data = x;
  out.data = y;

  layout = nibble_choose_activation_layout(NIBBLE_TYPE_Q6_K, 1);
  CHECK(layout.kind == NIBBLE_ACTIVATIONS_INT8_ROWS);
  memory = aligned(nibble_packed_activation_bytes(layout, 1, kCols), &block);
  CHECK(nibble_pack_activations(layout, &tokens, memory, &packed, NULL) ==
        NIBBLE_OK);
  CHECK(packed.tokens == 1 && packed.cols == kCols && packed.data == memory);
  CHECK(nibble_matvec(&w.view, &packed, &out, NULL, NULL) == NIBBLE_OK);
  check_products(&w, x, 1, y);
  w.view.rows = 1;
  CHECK(nibble_dot(&w.view, &packed, 0, &one, NULL) == NIBBLE_OK);
  CHECK(one == y[0]);
  CHECK(nibble_dot(&w.view, &packed, 1, &one, NULL) != NIBBLE_OK);
  w.view.rows = kRows;
  free(block);

  tokens.rows = kTokens;
  out.rows = kTokens;
  layout = nibble_choose_activation_layout(NIBBLE_TYPE_Q6_K, kTokens);
  memory =
      aligned(nibble_packed_activation_bytes(layout, kTokens, kCols), &block);
  CHECK(nibble_pack_activations(layout, &tokens, memory, &packed, NULL) ==
        NIBBLE_OK);
  memset(y, 0, sizeof(y));
  CHECK(nibble_matmul(&w.view, &packed, &out, NULL, NULL) == NIBBLE_OK);
  check_products(&w, x, kTokens, y);
  free(block);
  memset(y, 0, sizeof(y));
  CHECK(nibble_matmul_floats(&w.view, &tokens, &out, NULL, NULL) == NIBBLE_OK);
  check_products(&w, x, kTokens, y);
  CHECK(nibble_uses_amx() == 0 || nibble_uses_amx() == 1);
  CHECK(nibble_uses_avx_vnni() == 0 || nibble_uses_avx_vnni() == 1);
  CHECK(nibble_uses_i8mm() == 0 || nibble_uses_i8mm() == 1);

  layout.kind = 77;
  CHECK(nibble_packed_activation_bytes(layout, 1, kCols) == 0);
  packed.layout = layout;
  CHECK(nibble_matmul(&w.view, &packed, &out, NULL, NULL) ==
        NIBBLE_INVALID_ARGUMENT);
  CHECK(nibble_matvec(&w.view, NULL, &out, NULL, NULL) ==
        NIBBLE_INVALID_ARGUMENT);
  release(&w);
}

/* Each expert has one row of the matrix: experts x rows = kRows x 1. */
static void experts_give_their_rows(void) {
  enum { kTokens = 4, kUsed = 2 };
  const int32_t choice[kTokens * kUsed] = {2, 0, 0, 2, 2, -1, 0, 2};
  nibble_expert_ids ids = {NULL, kTokens, kUsed, 0};
  uint32_t routing_memory[64];
  static float x[kTokens * kCols];
  float y[kTokens * kUsed];
  void* block;
  void* memory;
  size_t i;
  nibble_message message;
  nibble_token_routing sorted;
  nibble_routing routing;
  nibble_packed_expert_activations packed;
  nibble_expert_weights experts;
  nibble_const_matrix tokens = {NIBBLE_TYPE_F32, NULL, kTokens, kCols, 0};
  nibble_matrix out = {NIBBLE_TYPE_F32, NULL, kTokens * kUsed, 1, 0};
  weights w = quantized(NIBBLE_TYPE_Q6_K, NULL);
  for (i = 0; i < kTokens * kCols; ++i) x[i] = value(i + 12345);
  for (i = 0; i < kTokens * kUsed; ++i) y[i] = -1000;
  tokens.data = x;
  out.data = y;
  ids.ids = choice;

  CHECK(nibble_routing_bytes(kRows, kTokens, kUsed) <= sizeof(routing_memory));
  CHECK(nibble_routing_bytes(kRows, 0, kUsed) == 0);
  CHECK(nibble_route_tokens(&ids, kRows, routing_memory, &sorted, NULL) ==
        NIBBLE_OK);
  CHECK(sorted.experts == kRows && sorted.begin[1] == 3);
  CHECK(sorted.begin[2] == 3 && sorted.begin[3] == 7);
  CHECK(nibble_route_tokens(&ids, 2, routing_memory, &sorted, &message) ==
        NIBBLE_INVALID_DATA);
  CHECK(strstr(message.text, "token 0, choice 0") != NULL);
  CHECK(nibble_route_tokens(NULL, kRows, routing_memory, &sorted, NULL) ==
        NIBBLE_INVALID_ARGUMENT);

  CHECK(nibble_route_tokens(&ids, kRows, routing_memory, &sorted, NULL) ==
        NIBBLE_OK);
  routing.experts = sorted.experts;
  routing.begin = sorted.begin;
  routing.x_rows = sorted.tokens;
  routing.y_rows = sorted.slots;
  memory = aligned(
      nibble_packed_expert_activation_bytes(NIBBLE_TYPE_Q6_K, kRows, 7, kCols),
      &block);
  CHECK(nibble_pack_expert_activations(NIBBLE_TYPE_Q6_K, &tokens, &routing,
                                       memory, &packed, NULL,
                                       NULL) == NIBBLE_OK);
  experts.first = w.view;
  experts.first.rows = 1;
  experts.experts = kRows;
  experts.expert_stride_bytes = 0;
  CHECK(nibble_matmul_experts_scratch_bytes(NIBBLE_TYPE_Q6_K, 1, kCols, 0) ==
        0);
  CHECK(nibble_matmul_experts(&experts, &packed, &out, NULL, NULL) ==
        NIBBLE_OK);
  for (i = 0; i < kTokens * kUsed; ++i) {
    if (choice[i] < 0) {
      CHECK(y[i] == -1000);
    } else {
      const double error = (double)y[i] - reference(&w, x + i / kUsed * kCols,
                                                    (size_t)choice[i]);
      CHECK(error < 0.5 && error > -0.5);
    }
  }

  experts.experts = 2;
  CHECK(nibble_matmul_experts(&experts, &packed, &out, NULL, &message) ==
        NIBBLE_INVALID_ARGUMENT);
  CHECK(strstr(message.text, "3 experts") != NULL);
  CHECK(nibble_matmul_experts(NULL, &packed, &out, NULL, NULL) ==
        NIBBLE_INVALID_ARGUMENT);
  CHECK(nibble_matmul_experts(&experts, NULL, &out, NULL, NULL) ==
        NIBBLE_INVALID_ARGUMENT);
  CHECK(nibble_pack_expert_activations(NIBBLE_TYPE_Q6_K, &tokens, NULL, memory,
                                       &packed, NULL,
                                       NULL) == NIBBLE_INVALID_ARGUMENT);
  free(block);
  release(&w);
}

int main(void) {
  types_are_listed_and_found();
  targets_are_listed_and_forced();
  rows_are_decoded_and_validated();
  rows_interleave_and_come_back();
  misfits_are_refused_with_a_reason();
  quantized_rows_are_close();
  options_reach_the_quantizer();
  products_are_close();
  experts_give_their_rows();
  printf("%d failures\n", failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
