// SPDX-License-Identifier: MIT
// How long a call takes.
#ifndef NIBBLE_BENCH_TIMING_H_
#define NIBBLE_BENCH_TIMING_H_

#include <algorithm>
#include <chrono>

namespace nibble {

// Seconds of one call.
template <class Work>
double Seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// Best time of one call, over at least three calls and `least` seconds.
template <class Work>
double BestSeconds(double least, const Work& work) {
  double best = 1e30, total = 0;
  for (int calls = 0; calls < 3 || total < least; ++calls) {
    const double seconds = Seconds(work);
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

}  // namespace nibble

#endif  // NIBBLE_BENCH_TIMING_H_
