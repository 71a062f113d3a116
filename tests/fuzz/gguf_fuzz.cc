// SPDX-License-Identifier: MIT
// Any bytes are parsed as GGUF or refused in one line; what was accepted lies
// within the file.
#include "gguf/gguf_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/gguf_builder.h"

std::vector<FuzzInput> Seeds() {
  nibble::gguf::GgufBuilder file;
  file.Uint32("general.alignment", 32);
  file.String("general.architecture", "llama");
  const size_t value_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1};  // by type, u8 to bool
  for (uint32_t type = 0; type <= 7; ++type) {
    file.Pair("value." + std::to_string(type), type,
              std::string(value_bytes[type], '\1'));
  }
  file.Pair("tokens", 9,
            nibble::gguf::Bytes(uint32_t{8}) +
                nibble::gguf::Bytes(uint64_t{2}) + nibble::gguf::Text("a") +
                nibble::gguf::Text("bc"));
  file.FloatTensor("norm", {4}, {1, 2, 3, 4});
  file.Tensor("weights", {32, 2}, 2, std::string(36, '\x3C'));
  file.Tensor("experts", {32, 1, 2}, 8, std::string(68, '\x3C'));
  const std::string bytes = file.Build();
  return {FuzzInput(bytes.begin(), bytes.end())};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nibble::gguf::Contents contents;
  const nibble::Status status =
      nibble::gguf::ParseGguf("fuzz.gguf", data, size, &contents);
  if (!status.ok()) {
    FUZZ_CHECK(nibble::gguf::IsOneLine(status.message()), status.message());
    return 0;
  }
  unsigned sum = 0;
  for (const nibble::gguf::Tensor& tensor : contents.tensors) {
    FUZZ_CHECK(tensor.data >= data && tensor.data + tensor.bytes <= data + size,
               tensor.name);
    for (uint64_t i = 0; i < tensor.bytes; ++i) sum += tensor.data[i];
  }
  FUZZ_CHECK(sum < 256 * size + 1, "overlapping tensors");
  return 0;
}
