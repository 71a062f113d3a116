// SPDX-License-Identifier: MIT
#include "src/amx.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "src/cpu_init.h"

// The kernels carry their own target: no file needs special flags.
#define NIBBLE_AMX __attribute__((target("amx-tile,amx-bf16")))

namespace nibble {
namespace {

uint64_t EnabledState() noexcept {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

bool CpuHasTiles() noexcept {
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (1u << 27)) == 0) {
    return false;  // no XGETBV
  }
  constexpr uint32_t kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  constexpr uint64_t kTileState = 3u << 17;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (d & kAmxBf16) != 0 && (d & kAmxTile) != 0 &&
         (EnabledState() & kTileState) == kTileState;
}

bool LinuxGrantsTiles() noexcept {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Layout of LDTILECFG's operand.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

NIBBLE_AMX void LoadConfig(const TileConfig& config) noexcept {
  // g++ 12 does not know that the instruction reads memory and drops the stores
  // that fill the configuration: an illegal one faults much later.
  __asm__ volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}
NIBBLE_AMX void Release() noexcept { _tile_release(); }

}  // namespace

bool AmxIsUsable() noexcept {
  static const bool usable = [] {
    if (IsTurnedOff("NIBBLE_AMX")) return false;
    return CpuHasTiles() && LinuxGrantsTiles();
  }();
  return usable;
}

void AmxBegin() noexcept {
  TileConfig config;
  for (size_t i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = 16;
  }
  LoadConfig(config);
}

void AmxEnd() noexcept { Release(); }

}  // namespace nibble

#else  // no AMX on this architecture or system

namespace nibble {

bool AmxIsUsable() noexcept { return false; }
void AmxBegin() noexcept {}
void AmxEnd() noexcept {}

}  // namespace nibble

#endif
