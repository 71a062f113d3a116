# nibble::cuda, if this machine has a CUDA compiler; nothing else needs one.
#
# Machine code for the data-centre and desktop chips since Ampere, and the last
# one's PTX for what comes after. Every architecture compiles everything once
# more (about 2 s per format), so presets that only check the code name one.
set(NIBBLE_CUDA_ARCHITECTURES "80-real;86-real;89-real;90" CACHE STRING
    "What nibble::cuda is compiled for, as CMAKE_CUDA_ARCHITECTURES spells it")

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(STATUS "No CUDA compiler: nibble::cuda is not built")
  return()
endif()
# Without a choice CMake tests the compiler for one of its own, which new
# toolkits may have dropped. Targets say what they want.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${NIBBLE_CUDA_ARCHITECTURES})
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
add_subdirectory(cuda)
