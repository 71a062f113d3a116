// SPDX-License-Identifier: MIT
// What the machine is and has.
#ifndef NIBBLE_BENCH_PP_TG_MACHINE_H_
#define NIBBLE_BENCH_PP_TG_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace nibble::pp_tg {

// As the system calls the processor; "unknown CPU" if it does not say.
std::string CpuName();

// Bytes of the largest cache; 0 if the system does not say.
size_t LastLevelCacheBytes();

// Bytes that can be allocated and used without swapping or being killed: what
// the kernel deems available, the process may have, and its control group
// leaves. The largest number if the system does not say.
uint64_t AvailableMemory();

}  // namespace nibble::pp_tg

#endif  // NIBBLE_BENCH_PP_TG_MACHINE_H_
