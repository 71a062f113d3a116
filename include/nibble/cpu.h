// SPDX-License-Identifier: MIT
// Which SIMD targets exist here, which one runs, and how to force one.
#ifndef NIBBLE_CPU_H_
#define NIBBLE_CPU_H_

#include <string>
#include <string_view>
#include <vector>

#include "nibble/export.h"
#include "nibble/status.h"

namespace nibble {

// Names are Highway's: "SSE2", "SSE4", "AVX2", "AVX3", "AVX3_DL", "AVX3_ZEN4",
// "AVX3_SPR", "NEON", "EMU128" ...

// Targets compiled into this library that this CPU can run, best first.
NIBBLE_API std::vector<std::string> AvailableTargets();

// The target the next call will use. The best available one, unless the
// environment variable NIBBLE_TARGET named another before the first call (an
// unknown name there is ignored and reported once on stderr).
NIBBLE_API std::string ChosenTarget();

// Makes every following call of the process use `target`; an empty name returns
// to the automatic choice. For tests and benchmarks: not to be called while
// other threads are inside the library. kUnsupported if not available.
NIBBLE_API Status ForceTarget(std::string_view target);

// True if matmul uses AMX tiles with the chosen target: the CPU has AMX bf16,
// the operating system granted it, the target is AVX3_SPR, and the environment
// variable NIBBLE_AMX is not "0".
NIBBLE_API bool UsesAmx();

// True if matmul and matvec use AVX-VNNI with the chosen target: the target is
// AVX2, the CPU has AVX-VNNI (Intel's without AVX-512 do since 2021), and the
// environment variable NIBBLE_AVX_VNNI is not "0".
NIBBLE_API bool UsesAvxVnni();

// True if matmul uses the matrix products of Arm's i8mm with the chosen target:
// the target is NEON_BF16, the CPU has i8mm (nearly all with bf16 do), and the
// environment variable NIBBLE_I8MM is not "0".
NIBBLE_API bool UsesI8mm();

// The chosen target and which of the above it uses, for tables and logs:
// "AVX3_SPR+AMX", "AVX2+VNNI", "NEON_BF16+I8MM", "AVX3".
NIBBLE_API std::string ChosenBackend();

}  // namespace nibble

#endif  // NIBBLE_CPU_H_
