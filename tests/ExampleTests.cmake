# The short examples are run; the demo takes a real model through every type.
foreach(example first-steps moe threads)
  if(TARGET ${example})
    add_test(NAME "example: ${example}" COMMAND ${example})
  endif()
endforeach()
if(TARGET decode)
  add_test(NAME "example: decode" COMMAND decode q8_0 32
           ${CMAKE_CURRENT_SOURCE_DIR}/golden/q8_0.blocks)
endif()
if(TARGET nibble-demo)
  add_test(NAME "demo: a model through every type"
           COMMAND ${PROJECT_SOURCE_DIR}/scripts/demo
                   --build ${PROJECT_BINARY_DIR})
  set_tests_properties("demo: a model through every type" PROPERTIES
                       LABELS demo TIMEOUT 900 RUN_SERIAL ON)
endif()
if(TARGET nibble-mixes)
  add_test(NAME "demo: the automatic mix beats every type and recipe"
           COMMAND nibble-mixes ${PROJECT_SOURCE_DIR}/data/kjv-4.9m-f16.gguf
                   --imatrix ${PROJECT_SOURCE_DIR}/data/kjv.imatrix.gguf
                   --candidates .* --scratch ${PROJECT_BINARY_DIR}/mixes.gguf)
  set_tests_properties("demo: the automatic mix beats every type and recipe"
                       PROPERTIES LABELS demo TIMEOUT 1800 RUN_SERIAL ON)
endif()
