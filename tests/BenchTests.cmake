# The table programs whose output other tools read.
if(TARGET pp_tg AND NIBBLE_PYTHON)
  add_test(NAME "bench: pp_tg's tables add up"
           COMMAND ${NIBBLE_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/pp_tg_test.py
                   $<TARGET_FILE:pp_tg> $<TARGET_FILE:quantize-gguf>
                   ${PROJECT_SOURCE_DIR}/data/kjv-4.9m-f16.gguf)
endif()
if(NIBBLE_PYTHON)
  add_test(NAME "bench: plots and tables from results"
           COMMAND ${NIBBLE_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/bench_scripts_test.py
                   ${PROJECT_SOURCE_DIR})
  add_test(NAME "docs: benchmarks.md follows its numbers"
           COMMAND ${PROJECT_SOURCE_DIR}/scripts/bench_tables --check)
endif()
