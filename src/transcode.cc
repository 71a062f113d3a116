// SPDX-License-Identifier: MIT
#include "nibble/transcode.h"

#include <algorithm>
#include <cstring>

#include "nibble/formats/interleaved_types.h"
#include "src/check.h"
#include "src/names.h"

namespace nibble {
namespace {

using formats::Copy;
using formats::List;
using formats::Numbers;
using formats::PerGroup;
using formats::PerSub;

// One block column of a group <-> the blocks of its rows.
template <class G>
struct GroupCodec {
  using Base = typename G::Base;
  using Block = typename Base::Block;
  using Group = typename G::Group;
  using Quads = formats::GroupQuads<G::kRows>;
  using BaseCodes = typename G::BaseCodes;
  static_assert(sizeof(Group) == G::kRows * sizeof(Block),
                "the same bits in another order");

  static void Put(const Block& block, size_t r, Group& group) {
    PutMembers(typename G::Copies(), block, r, group);
    PutSubs(typename G::Subs(), block, r, group);
    PutGroups(typename G::Groups(), block, r, group);
    if constexpr (formats::kIsPresent<BaseCodes>) {
      for (size_t q = 0; q < G::kQuads; ++q) {
        Quads::Put(typename G::Codes(), group, r, q,
                   formats::Quad::Eval(BaseCodes(), block, 4 * q));
      }
    }
  }

  static void Get(const Group& group, size_t r, Block& block) {
    GetMembers(typename G::Copies(), group, r, block);
    GetSubs(typename G::Subs(), group, r, block);
    GetGroups(typename G::Groups(), group, r, block);
    if constexpr (formats::kIsPresent<BaseCodes>) {
      uint8_t codes[4 * G::kQuads];
      for (size_t q = 0; q < G::kQuads; ++q) {
        const uint32_t quad = Quads::Eval(typename G::Codes(), group, r, q);
        memcpy(codes + 4 * q, &quad, sizeof(quad));
      }
      formats::Store::PutAll(BaseCodes(), block, codes);
    }
  }

 private:
  template <auto... kFrom, auto... kTo>
  static void PutMembers(List<Copy<kFrom, kTo>...>, const Block& block,
                         size_t r, Group& group) {
    (((group.*kTo)[r] = block.*kFrom), ...);
    (void)block, (void)r, (void)group;  // when there are none
  }
  template <auto... kFrom, auto... kTo>
  static void GetMembers(List<Copy<kFrom, kTo>...>, const Group& group,
                         size_t r, Block& block) {
    ((block.*kFrom = (group.*kTo)[r]), ...);
    (void)block, (void)r, (void)group;
  }

  static constexpr size_t kSubs = Base::kBlock / Base::kSub;
  template <class... From, class... To>
  static void PutSubs(List<PerSub<From, To>...>, const Block& block, size_t r,
                      Group& group) {
    for (size_t s = 0; s < kSubs; ++s) {
      (Numbers::Put(To(), group, G::kRows * s + r,
                    Numbers::Get(From(), block, s)),
       ...);
    }
    (void)block, (void)r, (void)group;
  }
  template <class... From, class... To>
  static void GetSubs(List<PerSub<From, To>...>, const Group& group, size_t r,
                      Block& block) {
    for (size_t s = 0; s < kSubs; ++s) {
      (Numbers::Put(From(), block, s,
                    Numbers::Get(To(), group, G::kRows * s + r)),
       ...);
    }
    (void)block, (void)r, (void)group;
  }

  static constexpr size_t kSpans = Base::kBlock / 32;  // of 32 weights
  template <int... kPer, class... From, class... To, class... At>
  static void PutGroups(List<PerGroup<kPer, From, To, At>...>,
                        const Block& block, size_t r, Group& group) {
    (Each<kPer>([&](size_t S, size_t g) {
       Numbers::Put(To(), group, At::At(S, r, g),
                    Numbers::Get(From(), block, kPer * S + g));
     }),
     ...);
    (void)block, (void)r, (void)group;
  }
  template <int... kPer, class... From, class... To, class... At>
  static void GetGroups(List<PerGroup<kPer, From, To, At>...>,
                        const Group& group, size_t r, Block& block) {
    (Each<kPer>([&](size_t S, size_t g) {
       Numbers::Put(From(), block, kPer * S + g,
                    Numbers::Get(To(), group, At::At(S, r, g)));
     }),
     ...);
    (void)block, (void)r, (void)group;
  }
  template <int kPer, class Body>
  static void Each(const Body& body) {
    for (size_t S = 0; S < kSpans; ++S) {
      for (size_t g = 0; g < kPer; ++g) body(S, g);
    }
  }
};

// One group of rows: headers, then block columns. `columns` is their number.
template <class G>
void InterleaveGroup(const ConstMatrix& rows, size_t columns, uint8_t* out) {
  constexpr size_t kHeader = G::Base::kRowHeader;
  using Codec = GroupCodec<G>;
  for (size_t r = 0; r < G::kRows; ++r) {
    memcpy(out + r * kHeader, rows.row(r), kHeader);
  }
  out += G::kRows * kHeader;
  for (size_t c = 0; c < columns; ++c) {
    typename Codec::Group group{};
    for (size_t r = 0; r < G::kRows; ++r) {
      typename Codec::Block block;
      memcpy(&block, rows.row(r) + kHeader + c * sizeof(block), sizeof(block));
      Codec::Put(block, r, group);
    }
    memcpy(out + c * sizeof(group), &group, sizeof(group));
  }
}

template <class G>
void DeinterleaveGroup(const uint8_t* in, size_t columns,
                       const MutableMatrix& rows) {
  constexpr size_t kHeader = G::Base::kRowHeader;
  using Codec = GroupCodec<G>;
  for (size_t r = 0; r < G::kRows; ++r) {
    memcpy(rows.row(r), in + r * kHeader, kHeader);
  }
  in += G::kRows * kHeader;
  for (size_t c = 0; c < columns; ++c) {
    typename Codec::Group group;
    memcpy(&group, in + c * sizeof(group), sizeof(group));
    for (size_t r = 0; r < G::kRows; ++r) {
      typename Codec::Block block{};
      Codec::Get(group, r, block);
      memcpy(rows.row(r) + kHeader + c * sizeof(block), &block, sizeof(block));
    }
  }
}

struct Entry {
  InterleavedInfo info;
  size_t block_weights;
  void (*interleave)(const ConstMatrix& rows, size_t columns, uint8_t* out);
  void (*deinterleave)(const uint8_t* in, size_t columns,
                       const MutableMatrix& rows);
};

template <class G>
constexpr Entry EntryOf(InterleavedType type, const char* name,
                        const char* symbol, Type base) {
  return Entry{{type, name, symbol, base, G::kRows},
               G::Base::kBlock,
               &InterleaveGroup<G>,
               &DeinterleaveGroup<G>};
}

constexpr Entry kEntries[] = {
#define NIBBLE_INTERLEAVED(symbol, base, name, id)                            \
  EntryOf<formats::symbol>(InterleavedType::k##symbol, name, #symbol, \
                           Type::k##base),
#include "nibble/formats/interleaved.def"
#undef NIBBLE_INTERLEAVED
};

constexpr size_t kCount = sizeof(kEntries) / sizeof(kEntries[0]);

constexpr auto Infos() {
  struct {
    InterleavedInfo info[kCount];
  } list{};
  for (size_t i = 0; i < kCount; ++i) list.info[i] = kEntries[i].info;
  return list;
}
constexpr auto kInfos = Infos();

const Entry* FindEntry(InterleavedType type) {
  for (const Entry& entry : kEntries) {
    if (entry.info.type == type) return &entry;
  }
  return nullptr;
}

// What both directions demand; `bytes` is what the caller has for the groups.
Status CheckGroups(InterleavedType type, const ConstMatrix& rows,
                   const uint8_t* groups, size_t bytes) noexcept {
  const Entry* entry = FindEntry(type);
  if (entry == nullptr) {
    return Unsupported("id %u is no row-interleaved type",
                       static_cast<unsigned>(type));
  }
  NIBBLE_RETURN_IF_ERROR(CheckMatrix("rows", rows));
  const InterleavedInfo& info = entry->info;
  if (rows.type != info.base) {
    return InvalidArgument("rows: %s given, %s holds %s", TypeName(rows.type),
                           info.name, TypeName(info.base));
  }
  if (rows.rows % info.rows != 0) {
    return InvalidArgument("rows: %zu are no multiple of the %zu of a %s group",
                           rows.rows, info.rows, info.name);
  }
  const size_t wanted = InterleavedBytes(type, rows.rows, rows.cols);
  if (wanted == 0) {
    return InvalidArgument("rows: %s cannot store %zu columns", info.name,
                           rows.cols);
  }
  if (groups == nullptr) return InvalidArgument("groups: data is null");
  if (bytes != wanted) {
    return InvalidArgument("groups: %zu bytes given, %zu x %zu of %s take %zu",
                           bytes, rows.rows, rows.cols, info.name, wanted);
  }
  return OkStatus();
}

}  // namespace

InterleavedList InterleavedTypes() noexcept { return {kInfos.info, kCount}; }

const InterleavedInfo* FindInterleaved(InterleavedType type) noexcept {
  const Entry* entry = FindEntry(type);
  return entry != nullptr ? &kInfos.info[entry - kEntries] : nullptr;
}

std::optional<InterleavedType> InterleavedFromName(
    std::string_view name) noexcept {
  for (const Entry& entry : kEntries) {
    if (SameName(name, entry.info.name)) return entry.info.type;
  }
  return std::nullopt;
}

size_t InterleavedBytes(InterleavedType type, size_t rows,
                        size_t cols) noexcept {
  const Entry* entry = FindEntry(type);
  if (entry == nullptr || rows == 0 || rows % entry->info.rows != 0 ||
      cols % entry->block_weights != 0) {
    return 0;
  }
  size_t bytes;
  if (__builtin_mul_overflow(rows, RowBytes(entry->info.base, cols), &bytes)) {
    return 0;
  }
  return bytes;
}

Status Interleave(const ConstMatrix& rows, InterleavedType type,
                  uint8_t* groups, size_t bytes) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckGroups(type, rows, groups, bytes));
  const Entry& entry = *FindEntry(type);
  const size_t step = entry.info.rows;
  for (size_t r = 0; r < rows.rows; r += step) {
    entry.interleave(rows.Rows(r, r + step), rows.cols / entry.block_weights,
                     groups);
    groups += bytes / (rows.rows / step);
  }
  return OkStatus();
}

Status Deinterleave(InterleavedType type, const uint8_t* groups, size_t bytes,
                    const MutableMatrix& rows) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckGroups(type, rows, groups, bytes));
  const Entry& entry = *FindEntry(type);
  const size_t step = entry.info.rows;
  for (size_t r = 0; r < rows.rows; r += step) {
    entry.deinterleave(groups, rows.cols / entry.block_weights,
                       rows.Rows(r, r + step));
    groups += bytes / (rows.rows / step);
  }
  return OkStatus();
}

}  // namespace nibble
