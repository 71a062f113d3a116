// SPDX-License-Identifier: MIT
// GGUF and imatrix files: what honest files give back, and that no lie in a
// file gets past the reader.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "gguf/failure.h"
#include "gguf/gguf_file.h"
#include "gguf/gguf_writer.h"
#include "gguf/imatrix.h"
#include "gguf/output_file.h"
#include "gguf/tensor_types.h"
#include "tests/gguf_builder.h"

namespace nibble::gguf {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kF16 = 1;
constexpr uint32_t kQ4_0 = 2;
constexpr uint32_t kIQ4_KS = 144;

Status Parse(const std::string& bytes, Contents* contents) {
  return ParseGguf("model.gguf", reinterpret_cast<const uint8_t*>(bytes.data()),
                   bytes.size(), contents);
}

// The message of a file that must be refused.
std::string Refusal(const std::string& bytes) {
  Contents contents;
  const Status status = Parse(bytes, &contents);
  CHECK_FALSE(status.ok());
  CHECK(IsOneLine(status.message()));
  return status.message();
}

// Every kind of value, two tensors of different types, an alignment of 64.
GgufBuilder SampleFile() {
  GgufBuilder builder;
  builder.Uint32("general.file_type", 1);
  builder.String("general.name", "sample");
  builder.Align(64);
  for (uint32_t type = 0; type <= 12; ++type) {
    if (type == 8 || type == 9) continue;
    const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    builder.Pair("value." + std::to_string(type), type,
                 std::string(sizes[type], '\1'));
  }
  builder.Pair("tokens", 9,
               Bytes(uint32_t{8}) + Bytes(uint64_t{2}) + Text("a") + Text(""));
  builder.Pair("scores", 9,
               Bytes(uint32_t{6}) + Bytes(uint64_t{3}) + Floats({1, 2, 3}));
  builder.Pair("nested", 9,
               Bytes(uint32_t{9}) + Bytes(uint64_t{1}) + Bytes(uint32_t{0}) +
                   Bytes(uint64_t{2}) + "xy");
  builder.FloatTensor("z.first", {4}, {1, 2, 3, 4});
  builder.Tensor("a.second", {32, 2}, kQ4_0, std::string(36, 'q'));
  builder.Tensor("m.third", {3, 2, 2}, kF16, std::string(24, 'h'));
  return builder;
}

// ---- Reading

TEST_CASE("a file gives back its metadata, tensors and their order") {
  const std::string bytes = SampleFile().Build();
  Contents contents;
  REQUIRE(Parse(bytes, &contents).ok());
  REQUIRE(contents.alignment == 64);
  REQUIRE(contents.metadata.String("general.name") == "sample");
  REQUIRE(contents.metadata.Unsigned("general.file_type") == 1);
  REQUIRE(contents.metadata.Strings("tokens") ==
          std::vector<std::string>{"a", ""});
  REQUIRE(contents.tensors.size() == 3);
  REQUIRE(contents.tensors[0].name == "z.first");
  REQUIRE(contents.tensors[1].bytes == 36);
  REQUIRE(contents.tensors[1].data[0] == 'q');
  REQUIRE(contents.tensors[2].rows() == 4);
  REQUIRE(contents.tensors[2].cols() == 3);
}

TEST_CASE("version 2 reads like version 3") {
  GgufBuilder builder = SampleFile();
  builder.version = 2;
  Contents contents;
  REQUIRE(Parse(builder.Build(), &contents).ok());
  REQUIRE(contents.tensors.size() == 3);
}

TEST_CASE("other versions and byte orders are refused by name") {
  GgufBuilder builder = SampleFile();
  builder.version = 1;
  REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("version 1"));
  builder.version = 0x03000000;
  REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("big-endian"));
  builder.version = 4;
  REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("version 4"));
}

TEST_CASE("a file that is no GGUF is called that") {
  REQUIRE_THAT(Refusal(""), ContainsSubstring("not a GGUF file"));
  REQUIRE_THAT(Refusal("GGU"), ContainsSubstring("not a GGUF file"));
  REQUIRE_THAT(Refusal("PK\3\4 zip archive"),
               ContainsSubstring("not a GGUF file"));
}

TEST_CASE("a type with a row header takes rows times row bytes") {
  GgufBuilder builder;
  builder.Tensor("t", {512, 3}, kIQ4_KS, std::string(3 * (4 + 2 * 136), 'k'));
  Contents contents;
  REQUIRE(Parse(builder.Build(), &contents).ok());
  REQUIRE(contents.tensors[0].bytes == 3 * (4 + 2 * 136));
}

TEST_CASE("the sizes of types agree with the library's") {
  for (const TypeInfo& info : QuantizedTypes()) {
    const TensorType* type = FindTensorType(TypeId(info.type));
    REQUIRE((type != nullptr) == StoredInFiles(info.type));
    if (type == nullptr) continue;
    CHECK(type->name == std::string(info.name));
    CHECK(type->RowBytes(768) == RowBytes(info.type, 768));
    CHECK(type->file_type != 1024);  // programs know models of this type
  }
}

// ---- Truncation and corruption

TEST_CASE("every truncation of a file is refused in one line") {
  // Without the padding behind the last tensor, which nobody needs.
  const GgufBuilder builder = SampleFile();
  std::string bytes = builder.Build();
  bytes.resize(bytes.rfind('h') + 1);
  Contents contents;
  REQUIRE(Parse(bytes, &contents).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    INFO("size " << size);
    // A copy of its own, so that a sanitizer sees a read past the end.
    const std::string cut(bytes.data(), size);
    CHECK_FALSE(Refusal(cut).empty());
  }
}

TEST_CASE("no changed byte leads outside the file") {
  const std::string bytes = SampleFile().Build();
  size_t accepted = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int change : {1, 0x7f, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      Contents contents;
      if (!Parse(changed, &contents).ok()) continue;
      ++accepted;
      const auto* begin = reinterpret_cast<const uint8_t*>(changed.data());
      for (const Tensor& tensor : contents.tensors) {
        const bool inside =
            tensor.data >= begin &&
            tensor.data + tensor.bytes <= begin + changed.size();
        REQUIRE(inside);
      }
    }
  }
  REQUIRE(accepted > 0);  // names and values may be anything
}

// ---- Hostile numbers

TEST_CASE("counts that cannot fit the file are refused before any work") {
  for (const int64_t count :
       {int64_t{1} << 62, std::numeric_limits<int64_t>::max(), int64_t{100}}) {
    GgufBuilder builder = SampleFile();
    builder.tensor_count = count;
    CHECK_FALSE(Refusal(builder.Build()).empty());
    builder = SampleFile();
    builder.pair_count = count;
    CHECK_FALSE(Refusal(builder.Build()).empty());
  }
}

TEST_CASE("a string longer than the file names its key") {
  for (const uint64_t length : {uint64_t{1} << 20, ~uint64_t{0}}) {
    GgufBuilder builder;
    builder.Pair("general.name", 8, Bytes(length) + "x");
    REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("general.name"));
  }
}

TEST_CASE("an array whose size overflows is refused") {
  for (const uint32_t element : {0u, 4u, 8u, 9u, 10u}) {
    GgufBuilder builder;
    // Times 8 this wraps around to 8.
    builder.Pair(
        "list", 9,
        Bytes(element) + Bytes((uint64_t{1} << 61) + 1) + std::string(8, '\0'));
    REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("list"));
  }
}

TEST_CASE("arrays nested without end are refused") {
  std::string value;
  for (int depth = 0; depth < 100000; ++depth) {
    value += Bytes(uint32_t{9}) + Bytes(uint64_t{1});
  }
  GgufBuilder builder;
  builder.Pair("deep", 9, value);
  REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("nest"));
}

TEST_CASE("unknown value types are refused, in arrays too") {
  GgufBuilder builder;
  builder.Pair("odd", 13, "abcd");
  REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("value type 13"));
  GgufBuilder array;
  array.Pair("odd", 9, Bytes(uint32_t{77}) + Bytes(uint64_t{0}));
  REQUIRE_THAT(Refusal(array.Build()), ContainsSubstring("element type 77"));
}

TEST_CASE("dimensions whose product overflows are refused") {
  for (const auto& dims : std::vector<std::vector<uint64_t>>{
           {uint64_t{1} << 32, uint64_t{1} << 32},
           {uint64_t{1} << 63, 2},
           {32, uint64_t{1} << 59, uint64_t{1} << 5, 1},
           {uint64_t{1} << 61, 1},  // 2^63 bytes of f32: fits 64 bits, no file
           {1, 1, uint64_t{1} << 62, 4}}) {
    GgufBuilder builder;
    builder.Tensor("huge", dims, kF32, "");
    REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("huge"));
  }
}

TEST_CASE("impossible shapes are refused") {
  GgufBuilder zero;
  zero.Tensor("t", {4, 0}, kF32, "");
  REQUIRE_THAT(Refusal(zero.Build()), ContainsSubstring("dimension 1 is 0"));
  GgufBuilder five;
  five.Tensor("t", {1, 1, 1, 1, 1}, kF32, "abcd");
  REQUIRE_THAT(Refusal(five.Build()), ContainsSubstring("5 dimensions"));
  GgufBuilder odd;
  odd.Tensor("t", {33, 1}, kQ4_0, std::string(36, 'q'));
  REQUIRE_THAT(Refusal(odd.Build()), ContainsSubstring("multiple"));
}

TEST_CASE("an unknown tensor type is named") {
  GgufBuilder builder;
  builder.Tensor("blk.0.ffn_up.weight", {32}, 4321, "");
  const std::string message = Refusal(builder.Build());
  REQUIRE_THAT(message, ContainsSubstring("unknown type 4321"));
  REQUIRE_THAT(message, ContainsSubstring("blk.0.ffn_up.weight"));
}

TEST_CASE("offsets outside the file or off the alignment are refused") {
  for (const int64_t offset : {int64_t{1}, int64_t{16}, int64_t{1} << 40,
                               std::numeric_limits<int64_t>::max() - 31,
                               std::numeric_limits<int64_t>::max()}) {
    GgufBuilder builder;
    builder.FloatTensor("far", {4}, {1, 2, 3, 4}).offset = offset;
    REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("far"));
  }
}

TEST_CASE("tensors that overlap are refused") {
  GgufBuilder builder;
  builder.Tensor("one", {64}, kF32, std::string(256, 'x'));
  builder.FloatTensor("two", {4}, {1, 2, 3, 4}).offset = 32;
  REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("overlap"));
}

TEST_CASE("names that occur twice are refused") {
  GgufBuilder tensors;
  tensors.FloatTensor("same", {1}, {1});
  tensors.FloatTensor("same", {1}, {2});
  REQUIRE_THAT(Refusal(tensors.Build()), ContainsSubstring("'same'"));
  GgufBuilder keys;
  keys.Uint32("key", 1);
  keys.Uint32("key", 2);
  REQUIRE_THAT(Refusal(keys.Build()), ContainsSubstring("'key'"));
}

TEST_CASE("alignments that no program can use are refused") {
  for (const uint32_t alignment : {0u, 1u, 7u, 24u, 1u << 31}) {
    GgufBuilder builder;
    builder.Uint32("general.alignment", alignment);
    REQUIRE_THAT(Refusal(builder.Build()), ContainsSubstring("alignment"));
  }
}

TEST_CASE("messages stay one printable line whatever a name holds") {
  GgufBuilder builder;
  builder.Tensor("new\nline\x1b[31m" + std::string(500, 'n'), {32}, 4321, "");
  const std::string message = Refusal(builder.Build());
  REQUIRE(message.size() < 300);
  REQUIRE_THAT(message, ContainsSubstring("new\\x0aline\\x1b"));
}

TEST_CASE("a path that cannot be opened or is no file says so") {
  const TemporaryFolder folder;
  GgufFile file;
  REQUIRE(GgufFile::Open(folder.Path("none"), &file).code() == StatusCode::kIo);
  REQUIRE_THAT(GgufFile::Open(folder.Path(""), &file).message(),
               ContainsSubstring("regular file"));
}

// ---- Writing

TEST_CASE("what is read and written again is the same file") {
  const TemporaryFolder folder;
  const std::string bytes = SampleFile().Build();
  Contents contents;
  REQUIRE(Parse(bytes, &contents).ok());
  GgufWriter writer;
  const std::string path = folder.Path("out.gguf");
  REQUIRE(
      writer.Open(path, contents.metadata, contents.tensors, contents.alignment)
          .ok());
  for (const Tensor& tensor : contents.tensors) {
    REQUIRE(writer.Write(tensor.data, 3).ok());
    REQUIRE(writer.Write(tensor.data + 3, tensor.bytes - 3).ok());
  }
  REQUIRE(writer.Commit().ok());
  REQUIRE(ReadAll(path) == bytes);
  REQUIRE(writer.bytes_written() == bytes.size());
}

TEST_CASE("a changed value keeps its place, a new one comes last") {
  Contents contents;
  REQUIRE(Parse(SampleFile().Build(), &contents).ok());
  Metadata metadata = contents.metadata;
  metadata.SetUint32("general.file_type", 15);
  metadata.SetString("added", "value");
  REQUIRE(metadata.pairs().front().key == "general.file_type");
  REQUIRE(metadata.Unsigned("general.file_type") == 15);
  REQUIRE(metadata.pairs().back().key == "added");
  REQUIRE(metadata.String("added") == "value");
  REQUIRE(metadata.pairs().size() == contents.metadata.pairs().size() + 1);
}

TEST_CASE("a writer that is given up leaves nothing") {
  const TemporaryFolder folder;
  {
    Contents contents;
    const std::string bytes = SampleFile().Build();
    REQUIRE(Parse(bytes, &contents).ok());
    GgufWriter writer;
    REQUIRE(writer
                .Open(folder.Path("out.gguf"), contents.metadata,
                      contents.tensors, 64)
                .ok());
    REQUIRE(folder.Files().size() == 1);  // the temporary file
    REQUIRE_FALSE(writer.Commit().ok());  // nothing of the tensors is there
  }
  REQUIRE(folder.Files().empty());
}

TEST_CASE("a writer that is given up leaves the old file") {
  const TemporaryFolder folder;
  const std::string path = folder.Write("out", "old");
  {
    OutputFile file;
    REQUIRE(file.Open(path).ok());
    REQUIRE(file.Write("new", 3).ok());
  }
  REQUIRE(ReadAll(path) == "old");
  REQUIRE(folder.Files().size() == 1);
}

TEST_CASE("a tensor takes no more bytes than announced") {
  const TemporaryFolder folder;
  Tensor tensor;
  tensor.name = "t";
  tensor.n_dims = 1;
  tensor.dims[0] = 2;
  tensor.bytes = 8;
  GgufWriter writer;
  REQUIRE(writer.Open(folder.Path("out"), Metadata(), {tensor}, 32).ok());
  REQUIRE_FALSE(writer.Write("123456789", 9).ok());
  REQUIRE(writer.Write("12345678", 8).ok());
  REQUIRE_FALSE(writer.Write("1", 1).ok());
}

TEST_CASE("a device or a folder is never replaced by a file") {
  OutputFile file;
  REQUIRE_FALSE(file.Open("/dev/null").ok());
  const TemporaryFolder folder;
  OutputFile in_missing;
  REQUIRE_FALSE(in_missing.Open(folder.Path("none/out")).ok());
}

// ---- Importance matrices

struct LegacyEntry {
  std::string name;
  int32_t calls;
  std::vector<float> values;
};

std::string LegacyImatrix(const std::vector<LegacyEntry>& entries) {
  std::string bytes = Bytes(int32_t(entries.size()));
  for (const LegacyEntry& entry : entries) {
    bytes += Bytes(int32_t(entry.name.size())) + entry.name +
             Bytes(entry.calls) + Bytes(int32_t(entry.values.size())) +
             Floats(entry.values);
  }
  return bytes;
}

GgufBuilder GgufImatrix() {
  GgufBuilder builder;
  builder.String("general.type", "imatrix");
  builder.Pair("imatrix.datasets", 9,
               Bytes(uint32_t{8}) + Bytes(uint64_t{1}) + Text("some.txt"));
  builder.Uint32("imatrix.chunk_count", 7);
  return builder;
}

Status ReadImatrix(const std::string& bytes, Imatrix* imatrix) {
  return ParseImatrix("m.imatrix",
                      reinterpret_cast<const uint8_t*>(bytes.data()),
                      bytes.size(), imatrix);
}

std::string ImatrixRefusal(const std::string& bytes) {
  Imatrix imatrix;
  const Status status = ReadImatrix(bytes, &imatrix);
  CHECK_FALSE(status.ok());
  CHECK(IsOneLine(status.message()));
  return status.message();
}

TEST_CASE("legacy importance is the sum over the calls") {
  const std::string bytes = LegacyImatrix({{"a.weight", 4, {2, 8, 0}}}) +
                            Bytes(int32_t{7}) + Bytes(int32_t{4}) + "text";
  Imatrix imatrix;
  REQUIRE(ReadImatrix(bytes, &imatrix).ok());
  REQUIRE(imatrix.Find("a.weight")->values == std::vector<float>{0.5f, 2, 0});
  REQUIRE(imatrix.chunks == 7);
  REQUIRE(imatrix.dataset == "text");
  REQUIRE(imatrix.Find("b.weight") == nullptr);
}

TEST_CASE("a legacy file may end behind its entries") {
  Imatrix imatrix;
  REQUIRE(ReadImatrix(LegacyImatrix({{"a", 1, {1}}}), &imatrix).ok());
}

TEST_CASE("GGUF importance is the sum over the count, matrix by matrix") {
  GgufBuilder builder = GgufImatrix();
  builder.FloatTensor("e.weight.in_sum2", {2, 3}, {2, 4, 9, 9, 5, 10});
  builder.FloatTensor("e.weight.counts", {1, 3}, {2, 0, 5});
  Imatrix imatrix;
  REQUIRE(ReadImatrix(builder.Build(), &imatrix).ok());
  const Importance* entry = imatrix.Find("e.weight");
  REQUIRE(entry->matrices == 3);
  REQUIRE(entry->Of(0)[1] == 2);
  REQUIRE(entry->Of(1) == nullptr);  // never used: no data, not zero
  REQUIRE(entry->Of(2)[1] == 2);
  REQUIRE(imatrix.dataset == "some.txt");
  REQUIRE(imatrix.chunks == 7);
}

TEST_CASE("both formats of the demo's imatrix hold the same importance") {
  Imatrix legacy, gguf;
  REQUIRE(LoadImatrix(NIBBLE_DATA "/kjv.imatrix.dat", &legacy).ok());
  REQUIRE(LoadImatrix(NIBBLE_DATA "/kjv.imatrix.gguf", &gguf).ok());
  REQUIRE(legacy.entries.size() == 42);
  REQUIRE(gguf.entries.size() == 42);
  for (const auto& [name, entry] : legacy.entries) {
    INFO(name);
    REQUIRE(gguf.Find(name) != nullptr);
    REQUIRE(gguf.Find(name)->values == entry.values);
  }
}

TEST_CASE("every truncation of a legacy imatrix but the old end is refused") {
  const std::string entries =
      LegacyImatrix({{"a.weight", 4, {2, 8}}, {"b.weight", 4, {1, 1}}});
  const std::string bytes =
      entries + Bytes(int32_t{7}) + Bytes(int32_t{4}) + "text";
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == entries.size()) continue;
    INFO("size " << size);
    CHECK_FALSE(ImatrixRefusal(std::string(bytes.data(), size)).empty());
  }
}

TEST_CASE("hostile lengths in a legacy imatrix are refused") {
  for (const int32_t evil : {-1, 1 << 30, std::numeric_limits<int32_t>::max(),
                             std::numeric_limits<int32_t>::min()}) {
    CHECK_FALSE(ImatrixRefusal(Bytes(evil)).empty());
    CHECK_FALSE(ImatrixRefusal(Bytes(int32_t{1}) + Bytes(evil)).empty());
    CHECK_FALSE(ImatrixRefusal(Bytes(int32_t{1}) + Bytes(int32_t{1}) + "a" +
                               Bytes(int32_t{1}) + Bytes(evil))
                    .empty());
  }
}

TEST_CASE("values that are no importance are refused with entry and place") {
  for (const float evil : {-1.0f, NAN, INFINITY}) {
    const std::string message =
        ImatrixRefusal(LegacyImatrix({{"a.weight", 1, {1, evil}}}));
    REQUIRE_THAT(message, ContainsSubstring("'a.weight': value 1"));
  }
  GgufBuilder builder = GgufImatrix();
  builder.FloatTensor("e.in_sum2", {1}, {1});
  builder.FloatTensor("e.counts", {1}, {-2});
  REQUIRE_THAT(ImatrixRefusal(builder.Build()), ContainsSubstring("count"));
}

TEST_CASE("a GGUF imatrix with missing or misshapen parts is refused") {
  GgufBuilder lonely = GgufImatrix();
  lonely.FloatTensor("e.in_sum2", {1}, {1});
  REQUIRE_THAT(ImatrixRefusal(lonely.Build()), ContainsSubstring("no counts"));
  GgufBuilder misshapen = GgufImatrix();
  misshapen.FloatTensor("e.in_sum2", {2, 2}, {1, 2, 3, 4});
  misshapen.FloatTensor("e.counts", {1, 3}, {1, 1, 1});
  REQUIRE_THAT(ImatrixRefusal(misshapen.Build()),
               ContainsSubstring("2 rows of sums but 3 counts"));
  REQUIRE_THAT(ImatrixRefusal(GgufImatrix().Build()),
               ContainsSubstring("without entries"));
  REQUIRE_THAT(ImatrixRefusal(SampleFile().Build()),
               ContainsSubstring("not an imatrix"));
}

// A model of two matrices and one tensor of two experts.
Contents SmallModel() {
  Contents model;
  for (const char* name : {"blk.0.up.weight", "blk.0.down.weight"}) {
    Tensor tensor;
    tensor.name = name;
    tensor.n_dims = 2;
    tensor.dims = {4, 8, 1, 1};
    model.tensors.push_back(tensor);
  }
  Tensor experts;
  experts.name = "blk.0.up_exps.weight";
  experts.n_dims = 3;
  experts.dims = {4, 8, 2, 1};
  model.tensors.push_back(experts);
  return model;
}

TEST_CASE("a legacy entry of several matrices gets the shape of its tensor") {
  Imatrix imatrix;
  REQUIRE(
      ReadImatrix(LegacyImatrix(
                      {{"blk.0.up.weight", 1, {1, 2, 3, 4}},
                       {"blk.0.up_exps.weight", 1, {1, 2, 3, 4, 5, 6, 7, 8}}}),
                  &imatrix)
          .ok());
  REQUIRE(CheckImatrix(SmallModel(), "model", &imatrix).ok());
  const Importance* experts = imatrix.Find("blk.0.up_exps.weight");
  REQUIRE(experts->matrices == 2);
  REQUIRE(experts->Of(1)[0] == 5);
}

TEST_CASE("an imatrix whose lengths do not fit belongs to another model") {
  Imatrix imatrix;
  REQUIRE(
      ReadImatrix(LegacyImatrix({{"blk.0.up.weight", 1, {1, 2, 3}}}), &imatrix)
          .ok());
  const Status status = CheckImatrix(SmallModel(), "model", &imatrix);
  REQUIRE_THAT(status.message(), ContainsSubstring("another model"));
  REQUIRE_THAT(status.message(), ContainsSubstring("blk.0.up.weight"));
}

TEST_CASE("an imatrix whose names do not fit belongs to another model") {
  Imatrix imatrix;
  REQUIRE(ReadImatrix(LegacyImatrix({{"model.layers.0", 1, {1, 2, 3, 4}}}),
                      &imatrix)
              .ok());
  const Status status = CheckImatrix(SmallModel(), "model", &imatrix);
  REQUIRE_THAT(status.message(), ContainsSubstring("another model"));
}

TEST_CASE("an imatrix that misses single tensors is accepted") {
  Imatrix imatrix;
  REQUIRE(ReadImatrix(LegacyImatrix({{"blk.0.up.weight", 1, {1, 2, 3, 4}},
                                     {"blk.0.down.weight", 1, {1, 2, 3, 4}},
                                     {"blk.0.stranger.weight", 1, {1, 2}}}),
                      &imatrix)
              .ok());
  REQUIRE(CheckImatrix(SmallModel(), "model", &imatrix).ok());
}

}  // namespace
}  // namespace nibble::gguf
