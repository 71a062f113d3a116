// SPDX-License-Identifier: MIT
// The library's side of target selection.
#ifndef NIBBLE_SRC_CPU_INIT_H_
#define NIBBLE_SRC_CPU_INIT_H_

#include <cstdint>

namespace nibble {

// Reads NIBBLE_TARGET once. Every verb calls it before it dispatches.
void InitializeCpu() noexcept;

// Is this environment variable "0"? So are instructions turned off that the CPU
// has.
bool IsTurnedOff(const char* variable) noexcept;

// The HWY_* bit of the target in use.
int64_t ChosenTargetBit() noexcept;

// Does the CPU have the instructions that the target's kernels carry beside its
// own (kHasExtension)? UsesAvxVnni or UsesI8mm.
bool UsesExtension() noexcept;

}  // namespace nibble

#endif  // NIBBLE_SRC_CPU_INIT_H_
