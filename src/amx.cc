// SPDX-License-Identifier: MIT
//
// C += A * B with A = weights, rows in natural column order, and B = activations
// in pairs of columns: only the activations are rearranged, once per call, and
// the results transposed, once per result. Figures: one core of a Sapphire
// Rapids Xeon, K = 4096, 512 tokens.
#include "src/amx.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

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

constexpr size_t kTile = 512;  // bf16 elements
constexpr size_t kResult = 256;  // floats

// Unpacks this step's share of the next panel while the tiles multiply.
inline void FeedStep(AmxFeeder* feeder) noexcept {
  feeder->credit += feeder->total;
  while (feeder->credit >= feeder->steps) {
    feeder->credit -= feeder->steps;
    if (feeder->left == 0) continue;
    --feeder->left;
    feeder->unpack(*feeder->feed);
  }
}

// 32 rows x 32 tokens: 2 x 2 tiles of results, 4 KiB of operands per 64 cycles.
// Activations and results are loaded with the streaming hint: it leaves the
// 32 KiB weight panel in L1 (2.75 -> 3.6 TFLOPS). 4 x 1 tiles, and prefetching
// the activations, were no better.
NIBBLE_AMX void Multiply32(const uint16_t* w, const uint16_t* x, float* c,
                           const AmxProduct& p, AmxFeeder* feeder) noexcept {
  if (p.accumulate) {
    _tile_stream_loadd(0, c, 64);
    _tile_stream_loadd(1, c + kResult, 64);
    _tile_stream_loadd(2, c + 2 * kResult, 64);
    _tile_stream_loadd(3, c + 3 * kResult, 64);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (size_t s = 0; s < p.steps; ++s) {
    _tile_loadd(4, w, 64);
    _tile_stream_loadd(6, x, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, w + kTile, 64);
    _tile_dpbf16ps(1, 5, 6);
    _tile_stream_loadd(7, x + kTile, 64);
    _tile_dpbf16ps(2, 4, 7);
    _tile_dpbf16ps(3, 5, 7);
    FeedStep(feeder);
    w += 2 * kTile;
    x += 2 * kTile;
  }
  _tile_stored(0, c, 64);
  _tile_stored(1, c + kResult, 64);
  _tile_stored(2, c + 2 * kResult, 64);
  _tile_stored(3, c + 3 * kResult, 64);
}

// The same for at most 16 tokens.
NIBBLE_AMX void Multiply16(const uint16_t* w, const uint16_t* x, float* c,
                           const AmxProduct& p, AmxFeeder* feeder) noexcept {
  if (p.accumulate) {
    _tile_stream_loadd(0, c, 64);
    _tile_stream_loadd(1, c + kResult, 64);
  } else {
    _tile_zero(0);
    _tile_zero(1);
  }
  for (size_t s = 0; s < p.steps; ++s) {
    _tile_loadd(4, w, 64);
    _tile_stream_loadd(6, x, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, w + kTile, 64);
    _tile_dpbf16ps(1, 5, 6);
    FeedStep(feeder);
    w += 2 * kTile;
    x += 2 * kTile;
  }
  _tile_stored(0, c, 64);
  _tile_stored(1, c + kResult, 64);
}

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
    const char* wanted = std::getenv("NIBBLE_AMX");
    if (wanted != nullptr && std::strcmp(wanted, "0") == 0) return false;
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

void AmxMultiply(const AmxProduct& product, AmxFeeder* feeder) noexcept {
  const uint16_t* x = product.x;
  float* c = product.c;
  for (size_t t = 0; t < product.tokens; t += kBf16Tokens) {
    if (product.tokens - t > 16) {
      Multiply32(product.weights, x, c, product, feeder);
    } else {
      Multiply16(product.weights, x, c, product, feeder);
    }
    x += product.x_stride;
    c += 4 * kResult;
  }
}

}  // namespace nibble

#else  // no AMX on this architecture or system

namespace nibble {

bool AmxIsUsable() noexcept { return false; }
void AmxBegin() noexcept {}
void AmxEnd() noexcept {}
void AmxMultiply(const AmxProduct&, AmxFeeder*) noexcept {}

}  // namespace nibble

#endif
