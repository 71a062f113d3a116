// SPDX-License-Identifier: MIT
// Panels: what weights and activations look like inside a matmul. Plain data,
// shared by the per-target kernels and the code that drives them.
#ifndef NIBBLE_SIMD_PANEL_H_
#define NIBBLE_SIMD_PANEL_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nibble {

// ---- Activations.

// 256 columns of one token, kInt8Panels. The packed matrix is
// Int8PanelChunk[columns / 256][tokens]: the tokens a kernel works on are
// neighbours, and no stride is a multiple of 4 KiB (which cost up to 10 %).
struct alignas(64) Int8PanelChunk {
  int8_t q[256];      // in [-127, 127]
  float scale[8];     // per 32
  int32_t sum32[8];   // of the codes, per 32
  int32_t sum16[16];  // and per 16
};
static_assert(sizeof(Int8PanelChunk) == 384, "six cache lines");

// ActivationLayout::order of kInt8Panels: for the target's own instructions, or
// for those of its extension, of which i8mm wants tokens in pairs.
inline constexpr uint16_t kPlainOrder = 0;
inline constexpr uint16_t kExtensionOrder = 1;

// Puts eight columns of two tokens side by side, as kOctets wants them. Of
// every sixteen columns the even token's chunk holds the first eight of both,
// the odd one's chunk the last eight of both. A last token without a partner is
// as it is.
inline void PairTokens(Int8PanelChunk& even, Int8PanelChunk& odd) {
  for (size_t k = 0; k < 256; k += 16) {
    uint64_t last_of_even, first_of_odd;
    memcpy(&last_of_even, even.q + k + 8, 8);
    memcpy(&first_of_odd, odd.q + k, 8);
    memcpy(even.q + k + 8, &first_of_odd, 8);
    memcpy(odd.q + k, &last_of_even, 8);
  }
}

// kBf16Panels: tiles of 16 tokens x 32 columns, a dword holding two columns of
// one token: [columns / 512][tokens / 32][columns / 32 % 16][2][16 pairs][16].
// The last block of columns may be narrower than 512; tokens are padded to 32.
inline constexpr size_t kBf16BlockCols = 512;
inline constexpr size_t kBf16Tokens = 32;
inline constexpr size_t kBf16Tile = 512;  // elements

struct Bf16Layout {
  size_t cols;    // a multiple of 256
  size_t tokens;  // a multiple of 32

  size_t BlockWidth(size_t col) const {
    const size_t left = cols - col / kBf16BlockCols * kBf16BlockCols;
    return left < kBf16BlockCols ? left : kBf16BlockCols;
  }
  // Where the tile of a token and a column starts, in elements.
  size_t Tile(size_t token, size_t col) const {
    const size_t block = col / kBf16BlockCols * kBf16BlockCols;
    const size_t panel = token / kBf16Tokens * kBf16Tokens;
    return block * tokens + panel * BlockWidth(col) +
           (col - block) / 32 * 2 * kBf16Tile +
           (token - panel) / 16 * kBf16Tile;
  }
};

// ---- Weights.

// How u8 codes (i8 on Arm) times i8 activations are summed without ever
// saturating.
enum class PanelMath : uint8_t {
  kQuads,   // four products straight into 32 bits (VNNI, dot products of Arm)
  kPairs8,  // pairs into 16 bits, eight pairs deep: codes up to 16
  kPairs4,  // four deep: codes up to 32
  kPairs2,  // two deep: codes up to 64
  kPairs1,  // one: codes up to 129
  kPlanes,  // low and high nibbles apart, each eight deep: any code, u8 only
  kOctets,  // eight products, of two rows and two tokens (i8mm of Arm)
};
inline constexpr size_t kPanelMaths = 7;

// How the codes of a panel lie: see Int8Panel.
enum class PanelCodes : uint8_t { kQuads, kPlanes, kOctets };
constexpr PanelCodes CodesOf(PanelMath math) {
  return math == PanelMath::kOctets   ? PanelCodes::kOctets
         : math == PanelMath::kPlanes ? PanelCodes::kPlanes
                                      : PanelCodes::kQuads;
}

// The largest code whose products with +-127 can be summed `depth` pairs deep.
constexpr int MaxPairCode(int depth) { return 32767 / (2 * 127 * depth); }
static_assert(MaxPairCode(8) == 16 && MaxPairCode(2) == 64 &&
                  MaxPairCode(1) == 129,
              "see PanelMath");

// What a kernel must know about the panels of a format.
struct PanelShape {
  PanelMath math;
  size_t scale_cols;  // columns that share a scale: 16 or 32
  size_t min_cols;    // and a min, x = scale * level - min; 0: none
  int bias;           // stored code = level + bias
};

// `cols` columns of a few rows, as they lie in the packed matrix.
struct PanelSource {
  const uint8_t* row0;
  size_t stride_bytes;
  size_t rows;  // rows beyond are copies of the last: they are never stored
  size_t col0;  // a multiple of 256
  size_t cols;  // a multiple of the block

  const uint8_t* Row(size_t r) const {
    return row0 + (r < rows ? r : rows - 1) * stride_bytes;
  }
};

// An unpacked panel of R rows (MatmulKernels::panel_rows):
//   codes  kQuads:  [cols / 4][R][4]
//          kPlanes: [cols / sub][2][sub / 4][R][4], sub = 16 or 32
//          kOctets: [cols / 8][R][8]
//   scale  [cols / scale_cols][R]
//   min    [cols / min_cols][R]
struct Int8Panel {
  uint8_t* codes;
  float* scale;
  float* min;
};

// ---- bf16 panels: [kBf16Rows][kBf16BlockCols], rows as they are in the
// weights. A row unpacked into lines next to one another was faster than one
// spread over tiles that are contiguous (2 KiB apart, all in the same sets of
// L1).
inline constexpr size_t kBf16Rows = 32;
inline constexpr size_t kBf16PanelElements = kBf16Rows * kBf16BlockCols;
// Products of a panel with 32 tokens: [4 tiles][16 rows][16 tokens].
inline constexpr size_t kBf16Results = kBf16Rows * kBf16Tokens;

// A bf16 panel being unpacked, a chunk of 256 weights of a row at a time.
struct Bf16Feed {
  PanelSource source;
  PanelSource after;  // the panel after it, which is fetched to L2 meanwhile
  ptrdiff_t ahead;    // bytes from a weight of `source` to its place in `after`
  uint16_t* out;
  size_t next, chunks;  // the chunk at hand of how many, row by row

  void Start(const PanelSource& from, const PanelSource& then, uint16_t* to) {
    source = from;
    after = then;
    out = to;
    next = 0;
    chunks = source.rows * RowChunks();
  }
  size_t RowChunks() const { return (source.cols + 255) / 256; }
};

// The last results, on their way to those of earlier columns: that is done
// slice by slice while tiles multiply the next ones.
struct Bf16Pending {
  static constexpr size_t kSlice = 64;
  float results[kBf16Results];
  float* to;
  size_t done, count;  // floats
  bool add;            // to what is there, or replace it
};

// One weight panel times the tokens of a block; meanwhile the next panel is
// unpacked.
struct Bf16Product {
  const uint16_t* weights;  // panel
  size_t lines;             // columns / 32
  const uint16_t* x;        // tiles of the first 32 tokens
  size_t x_stride;          // elements to those of the next 32
  size_t tokens;
  float* c;         // kBf16Results per 32 tokens
  bool accumulate;  // add to c, or start from zero
  // Activations wanted next: so many cache lines per line of weights are
  // fetched to L2.
  const uint8_t* ahead;
  size_t ahead_lines;
  Bf16Feed* feed;
  Bf16Pending* pending;
};

// Where the results of a block of rows go once all columns have passed.
struct Bf16Store {
  Bf16Pending* pending;
  const float* c;       // of the first panel
  size_t panel_stride;  // floats to those of the next
  size_t rows, tokens;
  float* y;
  size_t y_stride;         // floats
  const uint32_t* y_rows;  // a token's row of y; null: its number
  bool stream;             // whole lines go past the caches
};

}  // namespace nibble

#endif  // NIBBLE_SIMD_PANEL_H_
