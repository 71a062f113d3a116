// SPDX-License-Identifier: MIT
// Transcode: row-interleaved types of GGUF files <-> rows of their base type.
//
// Some files hold the rows of a matrix in groups of 4, 8 or 16 whose blocks lie
// beside each other (Q4_0_R8, IQ4_K_R4 ...). That is a layout and not another
// quantization: the numbers are those of the base type. Every other verb works
// on rows, so read such a tensor with Deinterleave and write one with
// Interleave. Both are exact, bit for bit, in both directions.
#ifndef NIBBLE_TRANSCODE_H_
#define NIBBLE_TRANSCODE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/status.h"

namespace nibble {

// The values are the GGUF type ids; no id is also one of Type.
enum class InterleavedType : uint32_t {
#define NIBBLE_INTERLEAVED(symbol, base, name, id) k##symbol = id,
#include "nibble/formats/interleaved.def"
#undef NIBBLE_INTERLEAVED
};

// Ids from 10000 are this library's own, of rows that files hold only
// interleaved; no file may have them.
constexpr bool StoredInFiles(Type type) noexcept {
  return static_cast<uint32_t>(type) < 10000;
}

struct InterleavedInfo {
  InterleavedType type;
  const char* name;    // as GGUF tools spell it: "q4_0_r8"
  const char* symbol;  // "Q4_0_R8"
  Type base;           // the type of its rows
  size_t rows;         // rows per group; a matrix has a multiple of it
};

// A list in static storage.
struct InterleavedList {
  const InterleavedInfo* first;
  size_t count;
  const InterleavedInfo* begin() const noexcept { return first; }
  const InterleavedInfo* end() const noexcept { return first + count; }
  size_t size() const noexcept { return count; }
};

// Every interleaved type, those of base types this build leaves out included.
NIBBLE_API InterleavedList InterleavedTypes() noexcept;

// Null for an id that is no interleaved type. Lives for the whole program.
NIBBLE_API const InterleavedInfo* FindInterleaved(InterleavedType type) noexcept;

// Case-insensitive.
NIBBLE_API std::optional<InterleavedType> InterleavedFromName(
    std::string_view name) noexcept;

// Bytes of a matrix in groups. 0 if the type is unknown, rows are not a positive
// multiple of the group's, the base type cannot store `cols` (BF16_R16: an even
// number) or the size overflows size_t.
NIBBLE_API size_t InterleavedBytes(InterleavedType type, size_t rows,
                                   size_t cols) noexcept;

// Groups the rows of `rows`, which are of the base type. Writes
// InterleavedBytes(type, rows.rows, rows.cols) == `bytes` bytes to `groups`, at
// any address. Must not overlap. Never allocates; call it on ranges of whole
// groups from as many threads as wanted.
NIBBLE_API Status Interleave(const ConstMatrix& rows, InterleavedType type,
                             uint8_t* groups, size_t bytes) noexcept;

// The inverse: `bytes` bytes of groups to rows of the base type. Bytes between
// the rows of a padded matrix are not touched. Any bytes of the right number are
// legal input, as they are for the base type.
NIBBLE_API Status Deinterleave(InterleavedType type, const uint8_t* groups,
                               size_t bytes,
                               const MutableMatrix& rows) noexcept;

}  // namespace nibble

#endif  // NIBBLE_TRANSCODE_H_
