// SPDX-License-Identifier: MIT
// The memory limit: a plain read of the same bytes at the same moment.
#ifndef NIBBLE_BENCH_STREAM_H_
#define NIBBLE_BENCH_STREAM_H_

#include <cstddef>
#include <cstdint>

namespace nibble {

// Reads all of [p, p + bytes) but the last partial 512 with the widest vectors
// of this CPU and returns something that depends on every byte.
uint64_t StreamRead(const uint8_t* p, size_t bytes);

}  // namespace nibble

#endif  // NIBBLE_BENCH_STREAM_H_
