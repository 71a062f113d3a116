// SPDX-License-Identifier: MIT
// AMX bf16 tiles: the only code here that Highway cannot express.
#ifndef NIBBLE_SRC_AMX_H_
#define NIBBLE_SRC_AMX_H_

#include <cstddef>
#include <cstdint>

#include "nibble/simd/panel.h"

namespace nibble {

// The CPU has AMX bf16 tiles, the operating system lets this process use them,
// and NIBBLE_AMX is not "0". Asks once per process.
bool AmxIsUsable() noexcept;

// Configure and release the tiles of this thread.
void AmxBegin() noexcept;
void AmxEnd() noexcept;

// Spreads the unpacking of the next weight panel over the steps of a product.
struct AmxFeeder {
  void (*unpack)(Bf16Feed& feed);
  Bf16Feed* feed;
  size_t left;   // calls of unpack still to make
  size_t total;  // of how many, over `steps` steps of 32 columns
  size_t steps;
  size_t credit;

  void Start(void (*with)(Bf16Feed&), Bf16Feed* what, size_t over) noexcept {
    unpack = with;
    feed = what;
    left = total = what->Steps();
    steps = over;
    credit = 0;
  }
  void Finish() noexcept {
    for (; left != 0; --left) unpack(*feed);
  }
};

// One weight panel times all tokens of a block.
struct AmxProduct {
  const uint16_t* weights;  // bf16 panel, `steps` lines
  const uint16_t* x;        // tiles of the first 32 tokens
  size_t x_stride;          // elements to those of the next 32
  float* c;                 // [tokens / 32][4 tiles][16 rows][16 tokens]
  size_t tokens;
  size_t steps;     // columns / 32
  bool accumulate;  // add to c, or overwrite it
};
void AmxMultiply(const AmxProduct& product, AmxFeeder* feeder) noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_AMX_H_
