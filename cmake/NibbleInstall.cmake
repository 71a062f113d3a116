# cmake --install: headers, libraries, a CMake package and a pkg-config file.
# A consumer needs Highway and nothing else; fmt and the warnings stay here.
include(CMakePackageConfigHelpers)
set(nibble_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nibble)

install(DIRECTORY include/nibble TYPE INCLUDE
        FILES_MATCHING PATTERN "*.h" PATTERN "*.def" PATTERN "*.inc"
        PATTERN "cuda.h" EXCLUDE)
install(DIRECTORY ${NIBBLE_GENERATED_INCLUDE}/nibble TYPE INCLUDE)

install(TARGETS nibble EXPORT nibble-targets)
install(EXPORT nibble-targets NAMESPACE nibble:: DESTINATION ${nibble_config_dir})

# nibble::cuda is exported on its own: who does not link it need not have CUDA.
if(TARGET nibble_cuda)
  set_target_properties(nibble_cuda PROPERTIES EXPORT_NAME cuda)
  install(FILES include/nibble/cuda.h
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nibble)
  install(TARGETS nibble_cuda EXPORT nibble-cuda-targets)
  install(EXPORT nibble-cuda-targets NAMESPACE nibble::
          DESTINATION ${nibble_config_dir})
endif()

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/nibble-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/nibble-config.cmake
  INSTALL_DESTINATION ${nibble_config_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break the API.
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/nibble-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nibble-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/nibble-config-version.cmake
        DESTINATION ${nibble_config_dir})

# Relative to the file itself, so that the tree can be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(nibble_pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH nibble_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" nibble_pc_prefix "\${pcfiledir}/${nibble_pc_prefix}")
endif()
foreach(dir INCLUDE LIB)
  cmake_path(APPEND nibble_pc_${dir} "\${prefix}" ${CMAKE_INSTALL_${dir}DIR})
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/nibble.pc.in
               ${CMAKE_CURRENT_BINARY_DIR}/nibble.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nibble.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
