/* SPDX-License-Identifier: MIT
 * The C API: the calls of nibble/nibble.h for C99 and every language that can
 * call C.
 *
 * The same rules hold. Calls are stateless and may run on any threads at once,
 * nibble_force_target excepted. All memory and all threads belong to the
 * caller. Sizes are in elements unless a name says bytes. What each call
 * computes, what it refuses and how exact it is, is written once, in the C++
 * header named next to it.
 *
 * A call that can fail returns NIBBLE_OK (0) or the code of a failure, and puts
 * its reason into `message` unless that is NULL. Nothing is ever thrown or
 * aborted. Every pointer must be valid unless it says "or NULL".
 */
#ifndef NIBBLE_C_NIBBLE_H_
#define NIBBLE_C_NIBBLE_H_

#include <stddef.h>
#include <stdint.h>

#include "nibble/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Outcome of a call (nibble/status.h) */

typedef uint32_t nibble_status;
enum {
  NIBBLE_OK = 0,
  NIBBLE_INVALID_ARGUMENT = 1, /* sizes, pointers, strides, options */
  NIBBLE_UNSUPPORTED = 2,      /* legal, but not built in or not on this CPU */
  NIBBLE_INVALID_DATA = 3,     /* values: NaN weights, broken rows */
  NIBBLE_IO = 4,               /* files */
  NIBBLE_RESOURCE = 5          /* out of memory, device exhausted */
};

/* One line that says what is wrong and where, cut to fit; "" after success. */
typedef struct nibble_message {
  char text[256];
} nibble_message;

/* "0.1.0" */
NIBBLE_API const char* nibble_version(void);

/* ---- Types (nibble/type.h) */

/* A GGUF type id. Ids this build does not know are refused, never undefined
 * behaviour. */
typedef uint32_t nibble_type;
enum {
  NIBBLE_TYPE_F32 = 0,   /* IEEE binary32 */
  NIBBLE_TYPE_F16 = 1,   /* IEEE binary16 */
  NIBBLE_TYPE_BF16 = 30, /* upper half of binary32 */
/* NIBBLE_TYPE_Q4_0 and so on: formats.def has a line on each. */
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) \
  NIBBLE_TYPE_##symbol = id,
#include "nibble/formats/formats.def"
#undef NIBBLE_FORMAT
  NIBBLE_TYPE_UNKNOWN = 0x7FFFFFFF /* no type */
};

typedef struct nibble_type_info {
  nibble_type type;
  const char* name;         /* "q4_K"; static storage, as all strings here */
  const char* symbol;       /* "Q4_K" */
  const char* summary;      /* one line */
  size_t block_weights;     /* columns are a multiple of it */
  size_t block_bytes;       /* bytes per block */
  size_t sub_block_weights; /* weights per scale */
  size_t row_header_bytes;  /* bytes in front of the first block of a row */
  int quantized;            /* 0 for F32, F16 and BF16 */
  int wants_importance;     /* quality suffers badly without importance */
  nibble_type fallback;     /* see nibble_fallback_type */
  float inference_factor;   /* on row scales, 1 mostly: see nibble/type.h */
} nibble_type_info;

/* How many quantized types there are, and the one at index; an index too large
 * gives NIBBLE_TYPE_UNKNOWN. */
NIBBLE_API size_t nibble_type_count(void);
NIBBLE_API nibble_type nibble_type_at(size_t index);

/* Fills *info; 0 (and nothing written) if the type is unknown, else 1. */
NIBBLE_API int nibble_find_type_info(nibble_type type, nibble_type_info* info);

/* In any case: "q4_K", "Q4_K". NIBBLE_TYPE_UNKNOWN if there is none. */
NIBBLE_API nibble_type nibble_type_from_name(const char* name);

/* "q4_K", or "unknown". */
NIBBLE_API const char* nibble_type_name(nibble_type type);

/* Bytes of a stored row of `cols` weights; 0 if there is no such row. */
NIBBLE_API size_t nibble_row_bytes(nibble_type type, size_t cols);

/* `type`, or the customary substitute that can store rows of `cols` weights. */
NIBBLE_API nibble_type nibble_fallback_type(nibble_type type, size_t cols);

/* ---- Matrices (nibble/matrix.h): row r starts at data + r * stride_bytes */

typedef struct nibble_const_matrix {
  nibble_type type;
  const void* data;
  size_t rows;
  size_t cols;
  size_t stride_bytes; /* 0: tightly packed rows */
} nibble_const_matrix;

typedef struct nibble_matrix {
  nibble_type type;
  void* data;
  size_t rows;
  size_t cols;
  size_t stride_bytes; /* 0: tightly packed rows */
} nibble_matrix;

/* ---- Threads (nibble/parallel.h) */

/* The caller's threads: run() calls task(arg, part) once for every part below
 * `parts`, on any threads, and returns when all are done. */
typedef struct nibble_parallel_for {
  void (*run)(void* context, size_t parts, void (*task)(void* arg, size_t part),
              void* arg);
  void* context;
  size_t threads; /* how many parts can usefully run at once */
} nibble_parallel_for;

/* Which rows a call works on: share `part` of `parts`. {0, 0} is all of them.
 */
typedef struct nibble_share {
  size_t part;
  size_t parts;
} nibble_share;

/* ---- Targets (nibble/cpu.h) */

/* How many SIMD targets this CPU can run, and the name of one, best first. The
 * name is cut to `bytes`, terminating zero included; "" if index is too large.
 */
NIBBLE_API size_t nibble_target_count(void);
NIBBLE_API void nibble_target_name(size_t index, char* name, size_t bytes);

/* The name of the target in use. */
NIBBLE_API void nibble_chosen_target(char* name, size_t bytes);

/* Makes the process use `target`; "" or NULL returns to the automatic choice.
 * Not while other threads are inside the library. */
NIBBLE_API nibble_status nibble_force_target(const char* target,
                                             nibble_message* message);

/* ---- Packed rows to floats (nibble/dequantize.h, nibble/validate.h) */

NIBBLE_API nibble_status nibble_dequantize(const nibble_const_matrix* packed,
                                           const nibble_matrix* out,
                                           nibble_message* message);

NIBBLE_API nibble_status nibble_validate(const nibble_const_matrix* packed,
                                         nibble_message* message);

/* ---- Row-interleaved types of files (nibble/transcode.h) */

/* A GGUF type id like NIBBLE_INTERLEAVED_Q4_0_R8. */
typedef uint32_t nibble_interleaved_type;
enum {
#define NIBBLE_INTERLEAVED(symbol, base, name, id) \
  NIBBLE_INTERLEAVED_##symbol = id,
#include "nibble/formats/interleaved.def"
#undef NIBBLE_INTERLEAVED
  NIBBLE_INTERLEAVED_UNKNOWN = 0x7FFFFFFF /* no type */
};

typedef struct nibble_interleaved_info {
  nibble_interleaved_type type;
  const char* name;   /* "q4_0_r8" */
  const char* symbol; /* "Q4_0_R8" */
  nibble_type base;   /* the type of its rows */
  size_t rows;        /* rows per group */
} nibble_interleaved_info;

/* How many there are, and the one at index. */
NIBBLE_API size_t nibble_interleaved_count(void);
NIBBLE_API nibble_interleaved_type nibble_interleaved_at(size_t index);

/* Fills *info; 0 (and nothing written) if there is no such type, else 1. */
NIBBLE_API int nibble_find_interleaved(nibble_interleaved_type type,
                                       nibble_interleaved_info* info);

/* In any case; NIBBLE_INTERLEAVED_UNKNOWN if there is none. */
NIBBLE_API nibble_interleaved_type
nibble_interleaved_from_name(const char* name);

/* Bytes of a matrix in groups; 0 if there is no such matrix. */
NIBBLE_API size_t nibble_interleaved_bytes(nibble_interleaved_type type,
                                           size_t rows, size_t cols);

/* Rows of the base type to groups, and back; exact. */
NIBBLE_API nibble_status nibble_interleave(const nibble_const_matrix* rows,
                                           nibble_interleaved_type type,
                                           void* groups, size_t bytes,
                                           nibble_message* message);
NIBBLE_API nibble_status nibble_deinterleave(nibble_interleaved_type type,
                                             const void* groups, size_t bytes,
                                             const nibble_matrix* rows,
                                             nibble_message* message);

/* ---- Floats to packed rows (nibble/quantize.h) */

typedef uint32_t nibble_search;
enum {
  NIBBLE_SEARCH_FAST = 0,      /* few candidates, no refinement */
  NIBBLE_SEARCH_DEFAULT = 1,   /* wide candidates and refits: best per time */
  NIBBLE_SEARCH_GRADIENT = 2,  /* the published gradient rule */
  NIBBLE_SEARCH_EXHAUSTIVE = 3 /* every breakpoint of the scale */
};

/* Weights of the squared error, given the importance p of a column. */
typedef uint32_t nibble_weight_rule;
enum {
  NIBBLE_WEIGHTS_IMPORTANCE_MAGNITUDE = 0, /* p * sqrt(sigma2 + x^2) */
  NIBBLE_WEIGHTS_IMPORTANCE = 1            /* p */
};

typedef struct nibble_quantize_options {
  nibble_search search;
  nibble_weight_rule weights;
  const float* importance;             /* p of every column, or NULL: all 1 */
  nibble_share share;                  /* rows this call works on */
  const nibble_parallel_for* parallel; /* or NULL: the calling thread only */
  void* scratch;                       /* aligned to 64, or NULL: allocate */
  size_t scratch_bytes;
} nibble_quantize_options;

/* The defaults; all-zero options differ from them in `search`. */
NIBBLE_API void nibble_quantize_options_init(nibble_quantize_options* options);

/* Scratch bytes one thread needs. */
NIBBLE_API size_t nibble_quantize_scratch_bytes(nibble_type type, size_t cols);

/* options: NULL for the defaults. */
NIBBLE_API nibble_status nibble_quantize(const nibble_const_matrix* source,
                                         const nibble_matrix* packed,
                                         const nibble_quantize_options* options,
                                         nibble_message* message);

/* ---- Activations (nibble/activations.h) */

typedef uint32_t nibble_activation_kind;
enum {
  NIBBLE_ACTIVATIONS_INT8_ROWS = 0,   /* for nibble_matvec and nibble_dot */
  NIBBLE_ACTIVATIONS_INT8_PANELS = 1, /* for nibble_matmul */
  NIBBLE_ACTIVATIONS_BF16_PANELS = 2  /* for nibble_matmul with AMX tiles */
};

/* Matrices whose layouts are equal can share packed activations. */
typedef struct nibble_activation_layout {
  nibble_activation_kind kind;
  uint32_t order;
} nibble_activation_layout;

/* Packed activations; `data` belongs to the caller. */
typedef struct nibble_packed_activations {
  nibble_activation_layout layout;
  const void* data;
  size_t tokens;
  size_t cols;
} nibble_packed_activations;

/* The fastest layout for `tokens` vectors against weights of `type` here. */
NIBBLE_API nibble_activation_layout
nibble_choose_activation_layout(nibble_type type, size_t tokens);

/* Bytes nibble_pack_activations writes; 0 if a size is impossible. */
NIBBLE_API size_t nibble_packed_activation_bytes(
    nibble_activation_layout layout, size_t tokens, size_t cols);

/* Packs x into `out`, aligned to 64 bytes, and describes it in *packed. */
NIBBLE_API nibble_status nibble_pack_activations(
    nibble_activation_layout layout, const nibble_const_matrix* x, void* out,
    nibble_packed_activations* packed, nibble_message* message);

/* ---- Products (nibble/matvec.h, nibble/matmul.h) */

/* All zero: every row, on the calling thread. */
typedef struct nibble_matvec_options {
  nibble_share share;                  /* rows this call works on */
  const nibble_parallel_for* parallel; /* or NULL */
} nibble_matvec_options;

/* y[t][r] = sum over c of weights[r][c] * x[t][c]; options or NULL. */
NIBBLE_API nibble_status nibble_matvec(const nibble_const_matrix* weights,
                                       const nibble_packed_activations* x,
                                       const nibble_matrix* y,
                                       const nibble_matvec_options* options,
                                       nibble_message* message);

/* *result = sum over c of row[0][c] * x[token][c]. */
NIBBLE_API nibble_status nibble_dot(const nibble_const_matrix* row,
                                    const nibble_packed_activations* x,
                                    size_t token, float* result,
                                    nibble_message* message);

/* All zero: every row, on the calling thread, scratch allocated by the call. */
typedef struct nibble_matmul_options {
  nibble_share share;                  /* rows this call works on */
  const nibble_parallel_for* parallel; /* or NULL */
  void* scratch;                       /* aligned to 64, or NULL: allocate */
  size_t scratch_bytes;
} nibble_matmul_options;

/* Scratch bytes one thread needs. */
NIBBLE_API size_t nibble_matmul_scratch_bytes(nibble_activation_layout layout,
                                              size_t rows, size_t cols,
                                              size_t tokens);

/* Like nibble_matvec, for many vectors; options or NULL. */
NIBBLE_API nibble_status nibble_matmul(const nibble_const_matrix* weights,
                                       const nibble_packed_activations* x,
                                       const nibble_matrix* y,
                                       const nibble_matmul_options* options,
                                       nibble_message* message);

/* The same from plain activations; allocates memory to pack them into. */
NIBBLE_API nibble_status nibble_matmul_floats(
    const nibble_const_matrix* weights, const nibble_const_matrix* x,
    const nibble_matrix* y, const nibble_matmul_options* options,
    nibble_message* message);

/* ---- Experts (nibble/experts.h): every row of x has its own matrix */

/* Entry i of expert e, begin[e] <= i < begin[e + 1], multiplies row x_rows[i]
 * of x with the weights of e, into row y_rows[i] of y. NULL rows: entry i takes
 * row i. */
typedef struct nibble_routing {
  size_t experts;
  const uint32_t* begin;  /* [experts + 1], from 0 on, not descending */
  const uint32_t* x_rows; /* [begin[experts]], or NULL */
  const uint32_t* y_rows; /* [begin[experts]], or NULL; none twice */
} nibble_routing;

/* A router's choice: token t wants expert ids[t * stride + k], k < used; a
 * negative id is a dropped choice. */
typedef struct nibble_expert_ids {
  const int32_t* ids;
  size_t tokens;
  size_t used;   /* choices per token */
  size_t stride; /* in elements, 0: used */
} nibble_expert_ids;

/* Choices as entries, sorted by expert and slot = t * used + k. `tokens` or
 * `slots` serve as the rows of a nibble_routing: tokens to slots for gate and
 * up, slots to slots for down. */
typedef struct nibble_token_routing {
  size_t experts;
  const uint32_t* begin;  /* [experts + 1] */
  const uint32_t* tokens; /* of an entry */
  const uint32_t* slots;  /* of an entry */
} nibble_token_routing;

/* Bytes nibble_route_tokens writes; 0 if a size is impossible. */
NIBBLE_API size_t nibble_routing_bytes(size_t experts, size_t tokens,
                                       size_t used);

/* Sorts ids into `memory`, aligned to 4 bytes, and describes it in *routing. */
NIBBLE_API nibble_status nibble_route_tokens(const nibble_expert_ids* ids,
                                             size_t experts, void* memory,
                                             nibble_token_routing* routing,
                                             nibble_message* message);

/* Activations packed for a routing; `data` and its arrays are the caller's. */
typedef struct nibble_packed_expert_activations {
  nibble_routing routing;
  nibble_type type; /* of the weights */
  const void* data;
  size_t cols;
  int64_t target; /* private */
} nibble_packed_expert_activations;

/* All zero: every entry, on the calling thread. */
typedef struct nibble_pack_expert_options {
  nibble_share share;                  /* entries this call packs */
  const nibble_parallel_for* parallel; /* or NULL */
} nibble_pack_expert_options;

/* Bytes that hold any routing of so many entries; 0 if a size is impossible. */
NIBBLE_API size_t nibble_packed_expert_activation_bytes(nibble_type type,
                                                        size_t experts,
                                                        size_t entries,
                                                        size_t cols);

/* Packs the rows of x that the routing names into `out`, aligned to 64 bytes,
 * and describes it in *packed; options or NULL. */
NIBBLE_API nibble_status nibble_pack_expert_activations(
    nibble_type type, const nibble_const_matrix* x,
    const nibble_routing* routing, void* out,
    nibble_packed_expert_activations* packed,
    const nibble_pack_expert_options* options, nibble_message* message);

/* The matrices of all experts, as large as `first`. */
typedef struct nibble_expert_weights {
  nibble_const_matrix first; /* of expert 0 */
  size_t experts;
  size_t expert_stride_bytes; /* 0: one right behind the other */
} nibble_expert_weights;

/* Scratch bytes one thread needs if no expert has more than `entries`. */
NIBBLE_API size_t nibble_matmul_experts_scratch_bytes(nibble_type type,
                                                      size_t rows, size_t cols,
                                                      size_t entries);

/* y[y_rows[i]][r] = sum over c of weights of e[r][c] * x[x_rows[i]][c] for
 * every entry; options or NULL. */
NIBBLE_API nibble_status nibble_matmul_experts(
    const nibble_expert_weights* weights,
    const nibble_packed_expert_activations* x, const nibble_matrix* y,
    const nibble_matmul_options* options, nibble_message* message);

/* 1 if nibble_matmul uses AMX tiles with the target in use, else 0. */
NIBBLE_API int nibble_uses_amx(void);
/* 1 if it and nibble_matvec use AVX-VNNI with the target AVX2, else 0. */
NIBBLE_API int nibble_uses_avx_vnni(void);
/* 1 if it uses i8mm with the target NEON_BF16, else 0. */
NIBBLE_API int nibble_uses_i8mm(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* NIBBLE_C_NIBBLE_H_ */
