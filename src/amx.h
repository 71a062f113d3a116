// SPDX-License-Identifier: MIT
// AMX bf16 tiles: whether they are there, and their configuration.
#ifndef NIBBLE_SRC_AMX_H_
#define NIBBLE_SRC_AMX_H_

namespace nibble {

// The CPU has AMX bf16 tiles, the operating system lets this process use them,
// and NIBBLE_AMX is not "0". Asks once per process.
bool AmxIsUsable() noexcept;

// Configure and release the tiles of this thread.
void AmxBegin() noexcept;
void AmxEnd() noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_AMX_H_
