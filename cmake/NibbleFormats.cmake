# Reads the registry and generates, per format, its translation units, and the
# headers that name all of them.
set(NIBBLE_GENERATED_INCLUDE ${CMAKE_CURRENT_BINARY_DIR}/generated/include)
set(NIBBLE_GENERATED_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/generated/src)
set(nibble_registry
    ${CMAKE_CURRENT_SOURCE_DIR}/include/nibble/formats/formats.def)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${nibble_registry})

# Writes only what changed, so that reconfiguring does not rebuild the world.
function(nibble_write path content)
  file(CONFIGURE OUTPUT ${path} CONTENT "${content}" @ONLY)
endfunction()

set(NIBBLE_FORMATS "" CACHE STRING
    "Formats to build, ;-separated symbols or families of formats.def (Q4_0;iqk); empty: all")

# NIBBLE_SYMBOLS and NIBBLE_FILES: the formats to build, in the registry's order.
set(NIBBLE_SYMBOLS "")
set(NIBBLE_FILES "")
set(nibble_headers "")
set(nibble_enabled "")
set(nibble_known "")
set(nibble_family "")
file(STRINGS ${nibble_registry} nibble_lines
     REGEX "^NIBBLE_FORMAT\\(|^// family ")
foreach(line IN LISTS nibble_lines)
  if(line MATCHES "^// family ([a-z0-9]+):")
    set(nibble_family ${CMAKE_MATCH_1})
    list(APPEND nibble_known ${nibble_family})
    continue()
  endif()
  string(REGEX MATCH "^NIBBLE_FORMAT\\(([A-Z0-9_]+), ([a-z0-9_]+)," _ "${line}")
  list(APPEND nibble_known ${CMAKE_MATCH_1})
  string(APPEND nibble_headers
         "#include \"nibble/formats/${CMAKE_MATCH_2}.h\"  // IWYU pragma: export\n")
  if("${NIBBLE_FORMATS}" STREQUAL "" OR CMAKE_MATCH_1 IN_LIST NIBBLE_FORMATS
     OR nibble_family IN_LIST NIBBLE_FORMATS)
    list(APPEND NIBBLE_SYMBOLS ${CMAKE_MATCH_1})
    list(APPEND NIBBLE_FILES ${CMAKE_MATCH_2})
    string(APPEND nibble_enabled "${line}\n")
  endif()
endforeach()
foreach(name IN LISTS NIBBLE_FORMATS)
  if(NOT name IN_LIST nibble_known)
    message(FATAL_ERROR "NIBBLE_FORMATS: no format or family ${name}")
  endif()
endforeach()

nibble_write(${NIBBLE_GENERATED_INCLUDE}/nibble/formats/all.h
"// SPDX-License-Identifier: MIT
// Every format of the registry. Generated from formats.def.
#ifndef NIBBLE_FORMATS_ALL_H_
#define NIBBLE_FORMATS_ALL_H_

${nibble_headers}
#endif  // NIBBLE_FORMATS_ALL_H_
")
nibble_write(${NIBBLE_GENERATED_INCLUDE}/nibble/formats/enabled.def
"// The formats of this build. Generated from formats.def by NIBBLE_FORMATS.
${nibble_enabled}")

# Translation units of a few formats and one kind of work each. Reading Highway's
# headers for nine targets takes 10 s of a unit, a format 5 to 10 s: units of one
# format compile twice as long in total, units of many make long poles.
# HWY_TARGET_INCLUDE finds them through NIBBLE_GENERATED_SOURCE.
set(NIBBLE_FORMATS_PER_UNIT 8 CACHE STRING
    "Formats per generated translation unit")

function(nibble_add_formats target)
  set(symbols ${NIBBLE_SYMBOLS})
  set(files ${NIBBLE_FILES})
  while(symbols)
    list(GET files 0 unit)  # units are named after their first format
    set(unit_includes "")
    set(unit_formats "")
    foreach(i RANGE 1 ${NIBBLE_FORMATS_PER_UNIT})
      list(POP_FRONT symbols symbol)
      list(POP_FRONT files file)
      if(symbol)
        string(APPEND unit_includes "#include \"nibble/formats/${file}.h\"\n")
        string(APPEND unit_formats " X(${symbol})")
      endif()
    endforeach()
    string(STRIP "${unit_formats}" unit_formats)
    string(STRIP "${unit_includes}" unit_includes)
    foreach(kind compute quantize)
      set(source ${NIBBLE_GENERATED_SOURCE}/${kind}_${unit}.cc)
      configure_file(${CMAKE_CURRENT_SOURCE_DIR}/src/${kind}_unit.cc.in
                     ${source} @ONLY)
      target_sources(${target} PRIVATE ${source})
      # Vectors and unrolls are in the code: -O3 finds nothing (matvec -2 %,
      # dequantize and matmul within 1) and takes a fifth longer, EMU128 twice.
      # The searches need it (-20 % without).
      if(kind STREQUAL "compute")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
          "$<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-O2>")
      endif()
    endforeach()
  endwhile()
endfunction()
