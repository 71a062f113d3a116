// SPDX-License-Identifier: MIT
// Type: the quant types, their names, ids and sizes.
#ifndef NIBBLE_TYPE_H_
#define NIBBLE_TYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nibble/export.h"

namespace nibble {

// The values are the GGUF type ids. F32, F16 and BF16 are sources and results;
// every other entry comes from formats/formats.def.
enum class Type : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kBF16 = 30,
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary) k##symbol = id,
#include "nibble/formats/formats.def"
#undef NIBBLE_FORMAT
};

struct TypeInfo {
  Type type;
  const char* name;          // as GGUF tools spell it: "q4_K"
  const char* symbol;        // as the literature spells it: "Q4_K"
  const char* summary;       // one line
  size_t block_weights;      // weights per block; columns are a multiple of it
  size_t block_bytes;        // bytes per block
  size_t sub_block_weights;  // weights per scale
  size_t row_header_bytes;   // bytes in front of the first block of every row
  bool quantized;            // false for F32, F16, BF16
  bool wants_importance;     // quality suffers badly without an imatrix
  Type fallback;             // see FallbackType
  // Makers of IQ2_KT (1.05) and IQ3_KT (1.01) files compute with row scales this
  // much larger than the stored ones, which shrink weights a little, but decode
  // with the stored ones. So do all our verbs, everywhere. Who wants the former
  // multiplies by it: decoded weights or products, which are linear in the scale,
  // or the f32 in front of every row, once. 1 for all other types.
  float inference_factor;

  // Bits per weight of the blocks; a row header adds 8 * bytes / columns.
  double bits_per_weight() const noexcept {
    return 8.0 * static_cast<double>(block_bytes) /
           static_cast<double>(block_weights);
  }
};

// A list in static storage.
struct TypeList {
  const TypeInfo* first;
  size_t count;
  const TypeInfo* begin() const noexcept { return first; }
  const TypeInfo* end() const noexcept { return first + count; }
  size_t size() const noexcept { return count; }
};

// Every quantized type of this build (CMake: NIBBLE_FORMATS), in the order of
// formats.def.
NIBBLE_API TypeList QuantizedTypes() noexcept;

// Facts about `type`, including F32, F16 and BF16; null for an id this build
// does not know. The pointee lives for the whole program.
NIBBLE_API const TypeInfo* FindTypeInfo(Type type) noexcept;

// Bytes of one stored row of `cols` weights, row header included: the only
// legal way to size packed rows. 0 if the type is unknown, `cols` is 0 or not a
// multiple of the block, or the size overflows size_t.
NIBBLE_API size_t RowBytes(Type type, size_t cols) noexcept;

// Case-insensitive: "q4_K", "Q4_K" and "q4_k" are the same type.
NIBBLE_API std::optional<Type> TypeFromName(std::string_view name) noexcept;

// "q4_K", or "unknown" for an id this build does not know.
NIBBLE_API const char* TypeName(Type type) noexcept;

// `type` if a row of `cols` weights can be stored in it, else the customary
// substitute of about the same size that can (Q4_K -> Q5_0, Q6_K -> Q8_0,
// IQ4_KS -> IQ4_NL ...), down to F16 when not even 32 divides `cols`.
NIBBLE_API Type FallbackType(Type type, size_t cols) noexcept;

}  // namespace nibble

#endif  // NIBBLE_TYPE_H_
