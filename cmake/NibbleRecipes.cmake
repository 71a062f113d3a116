# The rule files of recipes/ as string literals, so that the program needs no
# files beside it: builtin_recipes.inc, made anew when one of them changes.
file(GLOB nibble_recipes CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_SOURCE_DIR}/gguf/recipes/*.rules)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${nibble_recipes})
set(nibble_embedded "// Generated from examples/gguf/recipes.\n")
foreach(file ${nibble_recipes})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND nibble_embedded "{\"${name}\", R\"rules(${text})rules\"},\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/builtin_recipes.inc
     CONTENT "${nibble_embedded}" @ONLY)
