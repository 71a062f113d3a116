// SPDX-License-Identifier: MIT
// A plugin for qemu's user emulation that counts executed instructions: on exit
// it prints "instructions N" to standard error. Debian has no package of qemu's
// own plugins, nor of the header; what is used of the interface is declared
// here.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t PluginId;
struct qemu_plugin_tb;  // a translated piece of code without branches inside

typedef void (*AtExit)(PluginId id, void* data);
typedef void (*OnTranslation)(PluginId id, struct qemu_plugin_tb* code);
typedef void (*OnExecution)(unsigned int cpu, void* data);
enum { kReadsNoRegisters = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* code);
void qemu_plugin_register_vcpu_tb_trans_cb(PluginId id, OnTranslation call);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb* code,
                                          OnExecution call, int flags,
                                          void* data);
void qemu_plugin_register_atexit_cb(PluginId id, AtExit call, void* data);

// qemu looks for these two. The version of the interface is the caller's guess:
// qemu says which ones it takes.
#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = PLUGIN_VERSION;
EXPORT int qemu_plugin_install(PluginId id, const void* info, int argc,
                               char** argv);

static uint64_t instructions;

static void Execute(unsigned int cpu, void* data) {
  (void)cpu;
  instructions += (uintptr_t)data;
}

static void Translate(PluginId id, struct qemu_plugin_tb* code) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(
      code, Execute, kReadsNoRegisters,
      (void*)(uintptr_t)qemu_plugin_tb_n_insns(code));
}

static void Print(PluginId id, void* data) {
  (void)id;
  (void)data;
  fprintf(stderr, "instructions %llu\n", (unsigned long long)instructions);
}

int qemu_plugin_install(PluginId id, const void* info, int argc, char** argv) {
  (void)info;
  (void)argc;
  (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, Translate);
  qemu_plugin_register_atexit_cb(id, Print, NULL);
  return 0;
}
