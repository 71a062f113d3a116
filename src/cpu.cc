// SPDX-License-Identifier: MIT
#include "nibble/cpu.h"

#include <cstdio>
#include <cstdlib>

#include "hwy/highway.h"
#include "hwy/targets.h"
#include "src/amx.h"
#include "src/check.h"
#include "src/cpu_init.h"

#if HWY_ARCH_X86 && !HWY_COMPILER_MSVC
#include <cpuid.h>
#elif HWY_ARCH_ARM_A64 && defined(__linux__)
#include <sys/auxv.h>
#elif HWY_ARCH_ARM_A64 && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace nibble {
namespace {

// What this library was compiled for and this CPU can run.
int64_t Available() noexcept {
  static const int64_t available = [] {
    hwy::SetSupportedTargetsForTest(0);
    // Scalar emulation always runs, if compiled.
    return (hwy::SupportedTargets() | HWY_EMU128 | HWY_SCALAR) & HWY_TARGETS;
  }();
  return available;
}

int64_t Lowest(int64_t targets) noexcept { return targets & -targets; }

int64_t ByName(std::string_view name) noexcept {
  for (int64_t rest = Available(); rest != 0; rest &= rest - 1) {
    if (name == hwy::TargetName(Lowest(rest))) return Lowest(rest);
  }
  return 0;
}

void Use(int64_t targets) noexcept {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(targets);
}

bool ReadEnvironment() noexcept {
  const char* name = std::getenv("NIBBLE_TARGET");
  if (name == nullptr || *name == '\0') {
    Use(Available());
    return true;
  }
  const int64_t target = ByName(name);
  if (target == 0) {
    std::fprintf(stderr,
                 "nibble: NIBBLE_TARGET=%s is not available here; ignored\n",
                 name);
    Use(Available());
    return false;
  }
  Use(target);
  return true;
}

bool CpuHasAvxVnni() noexcept {
#if HWY_ARCH_X86 && !HWY_COMPILER_MSVC
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 4)) != 0;
#else
  return false;
#endif
}

bool CpuHasI8mm() noexcept {
#if HWY_ARCH_ARM_A64 && defined(__linux__)
  constexpr unsigned long kI8mm = 1ul << 13;  // HWCAP2_I8MM, not in every libc
  return (getauxval(AT_HWCAP2) & kI8mm) != 0;
#elif HWY_ARCH_ARM_A64 && defined(__APPLE__)
  int has = 0;
  size_t bytes = sizeof(has);
  const char* name = "hw.optional.arm.FEAT_I8MM";
  return sysctlbyname(name, &has, &bytes, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}

}  // namespace

bool IsTurnedOff(const char* variable) noexcept {
  const char* wanted = std::getenv(variable);
  return wanted != nullptr && std::string_view(wanted) == "0";
}

void InitializeCpu() noexcept {
  static const bool done = ReadEnvironment();
  static_cast<void>(done);
}

int64_t ChosenTargetBit() noexcept {
  InitializeCpu();
  return Lowest(hwy::SupportedTargets() & HWY_TARGETS);
}

std::vector<std::string> AvailableTargets() {
  InitializeCpu();
  std::vector<std::string> names;
  for (int64_t rest = Available(); rest != 0; rest &= rest - 1) {
    names.emplace_back(hwy::TargetName(Lowest(rest)));
  }
  return names;
}

std::string ChosenTarget() { return hwy::TargetName(ChosenTargetBit()); }

Status ForceTarget(std::string_view target) {
  InitializeCpu();
  if (target.empty()) {
    Use(Available());
    return OkStatus();
  }
  const int64_t bit = ByName(target);
  if (bit == 0) {
    return Unsupported("target %.*s is not compiled in or not on this CPU",
                       static_cast<int>(target.size()), target.data());
  }
  Use(bit);
  return OkStatus();
}

bool UsesAmx() { return ChosenTargetBit() == HWY_AVX3_SPR && AmxIsUsable(); }

bool UsesAvxVnni() {
  static const bool has = !IsTurnedOff("NIBBLE_AVX_VNNI") && CpuHasAvxVnni();
  return has && ChosenTargetBit() == HWY_AVX2;
}

bool UsesI8mm() {
  static const bool has = !IsTurnedOff("NIBBLE_I8MM") && CpuHasI8mm();
  return has && ChosenTargetBit() == HWY_NEON_BF16;
}

bool UsesExtension() noexcept { return UsesAvxVnni() || UsesI8mm(); }

std::string ChosenBackend() {
  return ChosenTarget() + (UsesAmx()       ? "+AMX"
                           : UsesAvxVnni() ? "+VNNI"
                           : UsesI8mm()    ? "+I8MM"
                                           : "");
}

}  // namespace nibble
