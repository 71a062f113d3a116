# Toolchain: Debian's cross compilers for aarch64 and qemu's user emulation, as
# scripts/setup --cross installs them.
#
# clang first: Highway has NEON_BF16, the target with dot products, from clang
# 17 and g++ 13.2 on; Debian 12's g++ compiles everything but that.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(nibble_triple aarch64-linux-gnu)

find_program(NIBBLE_CROSS_CLANG NAMES clang++-19 clang++-18 clang++-17)
if(NIBBLE_CROSS_CLANG AND NOT CMAKE_CXX_COMPILER)
  set(CMAKE_CXX_COMPILER ${NIBBLE_CROSS_CLANG})
  string(REPLACE "clang++" "clang" CMAKE_C_COMPILER ${NIBBLE_CROSS_CLANG})
  set(CMAKE_C_COMPILER_TARGET ${nibble_triple})
  set(CMAKE_CXX_COMPILER_TARGET ${nibble_triple})
elseif(NOT CMAKE_CXX_COMPILER)
  set(CMAKE_C_COMPILER ${nibble_triple}-gcc)
  set(CMAKE_CXX_COMPILER ${nibble_triple}-g++)
endif()

# Libraries of this machine are for this machine.
set(CMAKE_FIND_ROOT_PATH /usr/${nibble_triple} ${CMAKE_PREFIX_PATH})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# `max` has all that qemu knows, so every compiled target is available there.
# Pointer authentication, which nothing here uses, has a fast form.
set(CMAKE_CROSSCOMPILING_EMULATOR
    "qemu-aarch64;-cpu;max,pauth-impdef=on;-L;/usr/${nibble_triple}"
    CACHE STRING "What runs the programs of this build, ;-separated")
