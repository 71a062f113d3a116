// SPDX-License-Identifier: MIT
// Writes docs/formats.md from the registry and the comments that open the
// format headers.
//
//   formats_doc HEADER_DIR OUTPUT           writes
//   formats_doc HEADER_DIR OUTPUT --check   fails if OUTPUT says something else
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "nibble/type.h"

namespace {

using nibble::TypeInfo;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The comment between the license line and the include guard, without slashes.
std::string OpeningComment(const std::string& header) {
  std::string text;
  size_t begin = header.find('\n') + 1;
  while (header.compare(begin, 2, "//") == 0) {
    const size_t end = header.find('\n', begin);
    const size_t skip = header[begin + 2] == ' ' ? 3 : 2;
    text += header.substr(begin + skip, end - begin - skip) + "\n";
    begin = end + 1;
  }
  return text;
}

// GGUF's spelling in small letters is the name of every file of a format.
std::string FileOf(const TypeInfo& info) {
  std::string file = info.name;
  for (char& c : file) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return file;
}

std::string Row(const TypeInfo& info) {
  const std::string header = info.row_header_bytes == 0
                                 ? "-"
                                 : fmt::format("{} B", info.row_header_bytes);
  return fmt::format(
      "| [{}](#{}) | `{}` | {} | {:.6g} | {} in {} B | {} | {} | {} | {} | {} "
      "|\n",
      info.symbol, FileOf(info), info.name, static_cast<unsigned>(info.type),
      info.bits_per_weight(), info.block_weights, info.block_bytes,
      info.sub_block_weights, header, info.wants_importance ? "wants it" : "-",
      nibble::FindTypeInfo(info.fallback)->symbol, info.summary);
}

std::string Page(const std::string& header_dir) {
  std::string page =
      "# Formats\n\n"
      "Generated from `include/nibble/formats/` (target `docs`); do not edit.\n"
      "How to read the layouts: [naming.md](naming.md). How to add one: "
      "[adding_a_format.md](adding_a_format.md).\n\n"
      "Bits per weight count the blocks; a row header adds to every row. Rows "
      "whose columns are no\nmultiple of the block are stored in the fallback "
      "type.\n\n"
      "| format | GGUF name | id | bpw | block | weights per scale | row "
      "header "
      "| importance | fallback | what |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const TypeInfo& info : nibble::QuantizedTypes()) page += Row(info);
  for (const TypeInfo& info : nibble::QuantizedTypes()) {
    const std::string path = header_dir + "/" + FileOf(info) + ".h";
    page += fmt::format("\n## {}\n\n```\n{}```\n", info.symbol,
                        OpeningComment(ReadFile(path)));
  }
  return page;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string page = Page(argv[1]);
  if (argc > 3) {
    if (ReadFile(argv[2]) == page) return 0;
    std::fprintf(stderr,
                 "%s is out of date: build the target `docs` and commit it\n",
                 argv[2]);
    return 1;
  }
  std::ofstream(argv[2], std::ios::binary) << page;
  return 0;
}
