# Names and documents that follow the registry.
find_program(NIBBLE_PYTHON python3)
if(NIBBLE_PYTHON)
  add_test(NAME "names: formats are spelled the same everywhere"
           COMMAND ${NIBBLE_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/names_test.py
                   ${PROJECT_SOURCE_DIR})
endif()

add_executable(formats_doc formats_doc.cc)
target_link_libraries(formats_doc PRIVATE nibble::nibble nibble_options
                      fmt::fmt-header-only)
set(nibble_formats_doc ${PROJECT_SOURCE_DIR}/include/nibble/formats
                       ${PROJECT_SOURCE_DIR}/docs/formats.md)
add_custom_target(docs COMMAND formats_doc ${nibble_formats_doc}
                  COMMENT "Writing docs/formats.md")
add_test(NAME "docs: formats.md follows the registry"
         COMMAND formats_doc ${nibble_formats_doc} --check)
