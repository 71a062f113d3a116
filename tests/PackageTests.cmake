# The library as other projects meet it: installed, as a subproject, shared and
# static, and misused.

# ---- Mistakes that must not compile, and with which words they fail.
function(nibble_no_compile number name words)
  add_test(NAME "no_compile: ${name}"
           COMMAND ${CMAKE_CXX_COMPILER} -std=c++17 -fsyntax-only
                   -Werror=unused-result -DNIBBLE_MISTAKE=${number}
                   -I${PROJECT_SOURCE_DIR}/include -I${NIBBLE_GENERATED_INCLUDE}
                   ${CMAKE_CURRENT_SOURCE_DIR}/no_compile/no_compile.cc)
  if(words)
    set_tests_properties("no_compile: ${name}" PROPERTIES
                         PASS_REGULAR_EXPRESSION "error: .*${words}")
  endif()
endfunction()
nibble_no_compile(0 "correct code compiles" "")
nibble_no_compile(1 "an ignored status" "(nodiscard|unused-result)")
nibble_no_compile(2 "a constant view as the result" "ConstMatrix|BasicMatrix")
nibble_no_compile(3 "a number as a type" "(int.*Type|no matching function)")
nibble_no_compile(4 "a status as a bool" "Status.*bool|bool.*Status")
nibble_no_compile(5 "constant floats as the result" "ConstMatrix|BasicMatrix")

# ---- Consumers: projects of their own, configured, built and run by a test.
set(nibble_consumers ${CMAKE_CURRENT_BINARY_DIR}/consumer)

# nibble_consumer(name project [prefix...]): `project` under tests/consumer,
# finding packages below the prefixes. They travel in the environment, since
# ctest would take a list apart.
function(nibble_consumer name project)
  set(options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
              -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}
              "-DCMAKE_CXX_FLAGS=${CMAKE_CXX_FLAGS}"
              "-DCMAKE_C_FLAGS=${CMAKE_C_FLAGS}"
              -DCMAKE_INSTALL_PREFIX=${nibble_consumers}/shared-prefix)
  foreach(language C CXX)
    if(CMAKE_${language}_COMPILER_LAUNCHER)
      list(APPEND options -DCMAKE_${language}_COMPILER_LAUNCHER=${CMAKE_${language}_COMPILER_LAUNCHER})
    endif()
  endforeach()
  string(JOIN ":" prefixes ${ARGN})
  list(JOIN CMAKE_PREFIX_PATH ":" more_prefixes)
  add_test(NAME "consumer: ${name}"
           COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test
                   ${CMAKE_CURRENT_SOURCE_DIR}/consumer/${project}
                   ${nibble_consumers}/${name}
                   --build-generator ${CMAKE_GENERATOR}
                   --build-options ${options}
                   --test-command ${CMAKE_CTEST_COMMAND} --output-on-failure)
  set_tests_properties("consumer: ${name}" PROPERTIES
    LABELS consumer TIMEOUT 900 PROCESSORS 2
    ENVIRONMENT "CMAKE_PREFIX_PATH=${prefixes}:${more_prefixes}")
endfunction()

# The static library of this build, installed and found.
add_test(NAME "consumer: install"
         COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR}
                 --prefix ${nibble_consumers}/prefix)
nibble_consumer("find_package" find_package ${nibble_consumers}/prefix)

# A subproject and a shared library at once, then that one installed and found:
# one more build of the library for two more ways to use it.
nibble_consumer("add_subdirectory" add_subdirectory)
add_test(NAME "consumer: install shared"
         COMMAND ${CMAKE_COMMAND} --install ${nibble_consumers}/add_subdirectory)
nibble_consumer("find_package shared" find_package
                ${nibble_consumers}/shared-prefix)

set_tests_properties("consumer: install" "consumer: install shared" PROPERTIES
                     LABELS consumer)
set_tests_properties("consumer: install" PROPERTIES
                     FIXTURES_SETUP nibble_installed)
set_tests_properties("consumer: find_package" PROPERTIES
                     FIXTURES_REQUIRED nibble_installed)
set_tests_properties("consumer: add_subdirectory" PROPERTIES
                     FIXTURES_SETUP nibble_shared_built)
set_tests_properties("consumer: install shared" PROPERTIES
                     FIXTURES_REQUIRED nibble_shared_built
                     FIXTURES_SETUP nibble_shared_installed)
set_tests_properties("consumer: find_package shared" PROPERTIES
                     FIXTURES_REQUIRED nibble_shared_installed)
