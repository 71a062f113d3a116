// SPDX-License-Identifier: MIT
// Failures of the table programs: exceptions, which their main() turns into one
// line.
#ifndef NIBBLE_BENCH_REQUIRE_H_
#define NIBBLE_BENCH_REQUIRE_H_

#include <stdexcept>

#include "nibble/status.h"

namespace nibble {

inline void Require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

}  // namespace nibble

#endif  // NIBBLE_BENCH_REQUIRE_H_
