# nibble_options: what our own translation units are compiled with. Never
# exported; no global flags, no -march.
add_library(nibble_options INTERFACE)
target_compile_options(nibble_options INTERFACE
  # CUDA units take the host compiler's warnings through -Xcompiler, elsewhere.
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion
    -Wno-sign-conversion -Wno-psabi -Wno-unused-function
    # Quantized bytes are the same everywhere: no fused multiply-add behind the
    # searches' back.
    -ffp-contract=off>)
if(NIBBLE_WERROR)
  target_compile_options(nibble_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()

# Highway's target selection must be the same in every translation unit.
# Highway avoids EMU128 with GCC < 14 (GCC bug 106322) and falls back to one-lane
# SCALAR, which the drivers cannot use; our tests run on EMU128 and would show it.
target_compile_definitions(nibble_options INTERFACE
  HWY_WANT_AVX3_DL HWY_WANT_AVX3_ZEN4 HWY_BROKEN_EMU128=0)
if(NIBBLE_ALL_TARGETS)
  target_compile_definitions(nibble_options INTERFACE
    HWY_COMPILE_ALL_ATTAINABLE)
endif()
# SVE vectors have no compile-time size, which the drivers rely on.
set(nibble_disabled HWY_ALL_SVE)
foreach(target IN LISTS NIBBLE_DISABLED_TARGETS)
  list(APPEND nibble_disabled HWY_${target})
endforeach()
list(JOIN nibble_disabled "|" nibble_disabled)
target_compile_definitions(nibble_options INTERFACE
  "HWY_DISABLED_TARGETS=(${nibble_disabled})")
