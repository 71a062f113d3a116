// SPDX-License-Identifier: MIT
// What a fuzz target provides, and how it reads its input.
//
// A target is one file with Seeds() and LLVMFuzzerTestOneInput(). Built with
// NIBBLE_FUZZER (clang) libFuzzer drives it for as long as wanted:
//
//   cmake -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++
//   -DNIBBLE_FUZZER=ON cmake --build build/fuzz --target decode_fuzz
//   build/fuzz/tests/fuzz/decode_fuzz -max_total_time=3600 CORPUS_DIR
//
// otherwise fuzz_main.cc mutates the seeds a fixed number of times, as a test.
#ifndef NIBBLE_TESTS_FUZZ_FUZZ_H_
#define NIBBLE_TESTS_FUZZ_FUZZ_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

using FuzzInput = std::vector<uint8_t>;

// Inputs that reach deep, to start from.
std::vector<FuzzInput> Seeds();

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Ends the program with a reason; fuzzers look for nothing else.
#define FUZZ_CHECK(condition, what)                                           \
  do {                                                                        \
    if (!(condition)) {                                                       \
      std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, \
                   std::string(what).c_str());                                \
      std::abort();                                                           \
    }                                                                         \
  } while (false)

// Takes bytes from the front of an input; zeros once it is used up.
class FuzzReader {
 public:
  FuzzReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t Byte() {
    uint8_t byte = 0;
    Fill(&byte, 1);
    return byte;
  }
  void Fill(void* out, size_t bytes) {
    const size_t n = bytes < size_ ? bytes : size_;
    std::memset(out, 0, bytes);
    if (n != 0) std::memcpy(out, data_, n);
    data_ += n;
    size_ -= n;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

#endif  // NIBBLE_TESTS_FUZZ_FUZZ_H_
