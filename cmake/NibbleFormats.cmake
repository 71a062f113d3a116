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

# NIBBLE_SYMBOLS and NIBBLE_FILES: the formats, in the registry's order.
set(NIBBLE_SYMBOLS "")
set(NIBBLE_FILES "")
file(STRINGS ${nibble_registry} nibble_lines REGEX "^NIBBLE_FORMAT\\(")
foreach(line IN LISTS nibble_lines)
  string(REGEX MATCH "^NIBBLE_FORMAT\\(([A-Z0-9_]+), ([a-z0-9_]+)," _ "${line}")
  list(APPEND NIBBLE_SYMBOLS ${CMAKE_MATCH_1})
  list(APPEND NIBBLE_FILES ${CMAKE_MATCH_2})
endforeach()

set(nibble_includes "")
foreach(file IN LISTS NIBBLE_FILES)
  string(APPEND nibble_includes
         "#include \"nibble/formats/${file}.h\"  // IWYU pragma: export\n")
endforeach()
nibble_write(${NIBBLE_GENERATED_INCLUDE}/nibble/formats/all.h
"// SPDX-License-Identifier: MIT
// Every format of the registry. Generated from formats.def.
#ifndef NIBBLE_FORMATS_ALL_H_
#define NIBBLE_FORMATS_ALL_H_

${nibble_includes}
#endif  // NIBBLE_FORMATS_ALL_H_
")

# One translation unit per format and kind of work: parallel and incremental
# builds. HWY_TARGET_INCLUDE finds them through NIBBLE_GENERATED_SOURCE.
function(nibble_add_formats target)
  foreach(symbol file IN ZIP_LISTS NIBBLE_SYMBOLS NIBBLE_FILES)
    foreach(kind compute quantize)
      set(template ${CMAKE_CURRENT_SOURCE_DIR}/src/${kind}_format.cc.in)
      if(EXISTS ${template})
        set(unit ${NIBBLE_GENERATED_SOURCE}/${kind}_${file}.cc)
        configure_file(${template} ${unit} @ONLY)
        target_sources(${target} PRIVATE ${unit})
      endif()
    endforeach()
  endforeach()
endfunction()
