// SPDX-License-Identifier: MIT
#include "bench/pp_tg/machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

namespace nibble::pp_tg {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// What follows `key` on its line of a file like /proc/meminfo; "" if nothing.
std::string ValueOf(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const size_t begin = line.find_first_not_of(": \t", key.size());
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

// The number a file begins with; `otherwise` if none ("max").
uint64_t NumberIn(const char* path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t number;
  return file >> number ? number : otherwise;
}

}  // namespace

std::string CpuName() {
  const std::string name = ValueOf("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown CPU" : name;
}

size_t LastLevelCacheBytes() {
  const long sizes[] = {sysconf(_SC_LEVEL2_CACHE_SIZE),
                        sysconf(_SC_LEVEL3_CACHE_SIZE),
                        sysconf(_SC_LEVEL4_CACHE_SIZE)};
  return static_cast<size_t>(
      std::max(0L, *std::max_element(std::begin(sizes), std::end(sizes))));
}

uint64_t AvailableMemory() {
  const std::string kib = ValueOf("/proc/meminfo", "MemAvailable");
  rlimit own{};
  const bool limited = getrlimit(RLIMIT_AS, &own) == 0;
  const uint64_t system =
      std::min<uint64_t>(kib.empty() ? kUnlimited : 1024 * std::stoull(kib),
                         limited ? own.rlim_cur : kUnlimited);
  const uint64_t limit = NumberIn("/sys/fs/cgroup/memory.max", kUnlimited);
  if (limit == kUnlimited) return system;
  const uint64_t used = NumberIn("/sys/fs/cgroup/memory.current", 0);
  return std::min(system, limit > used ? limit - used : 0);
}

}  // namespace nibble::pp_tg
