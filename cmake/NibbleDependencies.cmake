# Dependencies: an installed package first, a pinned download second (for people
# with internet access; scripts/setup needs none).
include(FetchContent)

find_package(hwy 1.2 CONFIG QUIET)
if(NOT hwy_FOUND)
  message(STATUS "Highway >= 1.2 not found: fetching 1.2.0")
  set(HWY_ENABLE_TESTS OFF CACHE BOOL "" FORCE)
  set(HWY_ENABLE_EXAMPLES OFF CACHE BOOL "" FORCE)
  set(HWY_ENABLE_CONTRIB OFF CACHE BOOL "" FORCE)
  set(HWY_ENABLE_INSTALL ON CACHE BOOL "" FORCE)
  FetchContent_Declare(hwy GIT_REPOSITORY https://github.com/google/highway.git
                       GIT_TAG 1.2.0 GIT_SHALLOW TRUE)
  FetchContent_MakeAvailable(hwy)
  if(NOT TARGET hwy::hwy)
    add_library(hwy::hwy ALIAS hwy)
  endif()
endif()

find_package(fmt 9 CONFIG QUIET)
if(NOT fmt_FOUND)
  message(STATUS "fmt >= 9 not found: fetching 10.2.1")
  FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt.git
                       GIT_TAG 10.2.1 GIT_SHALLOW TRUE)
  FetchContent_MakeAvailable(fmt)
endif()
