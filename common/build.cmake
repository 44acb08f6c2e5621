# How things are built here: flags, and the functions that declare a library, a test and a level.

option(WORKSHOP_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(WORKSHOP_FUZZ "Build the targets of common/fuzz (Clang only)" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

add_library(workshop_flags INTERFACE)
target_include_directories(workshop_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(workshop_flags INTERFACE -Wall -Wextra -Wshadow
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # GCC 12 at -O1 sees it in nlohmann's inlined code
if(WORKSHOP_SANITIZE)
  target_compile_options(workshop_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(workshop_flags INTERFACE -fsanitize=address,undefined)
endif()
if(WORKSHOP_FUZZ)
  target_compile_options(workshop_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

enable_testing()
find_package(Threads REQUIRED)
find_package(Catch2 REQUIRED)
find_package(fmt REQUIRED)

# workshop_library(NAME [SOURCES FILE...] [LINK LIBRARY...]): a static library, linked as workshop::NAME.
function(workshop_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(workshop_${name} STATIC ${arg_SOURCES})
  add_library(workshop::${name} ALIAS workshop_${name})
  target_link_libraries(workshop_${name} PUBLIC workshop_flags ${arg_LINK})
endfunction()

# What copies images and starts containers is optimised; for code that nobody steps through, line numbers will do. The rest
# is compiled more often than it runs long. For the targets of the folder that calls it.
macro(workshop_optimise)
  add_compile_options(-O1 -g1)
endmacro()

# Catch2's header is most of the work of compiling a test: compiled once (common/testing/CMakeLists.txt).
function(workshop_use_catch target)
  target_link_libraries(${target} PRIVATE workshop::catch_main)
  target_precompile_headers(${target} REUSE_FROM workshop_testing)
endfunction()

# workshop_test(NAME SOURCE... [LINK LIBRARY...]): a Catch2 test program of common/, run by ctest with the label common.
function(workshop_test name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  workshop_use_catch(${name})
  add_test(NAME common.${name} COMMAND ${name} --reporter workshop)
  set_tests_properties(common.${name} PROPERTIES LABELS common SKIP_RETURN_CODE 77)
endfunction()

# workshop_level(NN NAME): levelNN from the skeleton, solutions/levelNN from the solution, and levelNN_test, which
# judges the first unless WORKSHOP_PROGRAM names another.
function(workshop_level number name)
  set(level level${number})
  set(folder ${PROJECT_SOURCE_DIR}/${level}-${name})

  add_executable(${level} ${folder}/${level}.cpp)
  add_executable(${level}_solution ${PROJECT_SOURCE_DIR}/solutions/${level}.cpp)
  set_target_properties(${level}_solution PROPERTIES
    OUTPUT_NAME ${level} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin/solutions)
  foreach(program ${level} ${level}_solution)
    target_link_libraries(${program} PRIVATE workshop::cli workshop::images workshop::sys)
    if(NOT WORKSHOP_SANITIZE)
      # Half a millisecond less at every start than with libstdc++.so (see common/sys/fmt.cpp).
      target_link_options(${program} PRIVATE -static-libstdc++ -static-libgcc)
    endif()
  endforeach()

  add_executable(${level}_test ${folder}/${level}_test.cpp)
  target_link_libraries(${level}_test PRIVATE workshop::testing)
  workshop_use_catch(${level}_test)
  target_compile_definitions(${level}_test PRIVATE WORKSHOP_CHAPTER="${folder}/README.md")
  add_dependencies(${level}_test image)

  add_test(NAME solution.${level} COMMAND ${level}_test --reporter workshop)
  set_tests_properties(solution.${level} PROPERTIES
    LABELS solution SKIP_RETURN_CODE 77
    ENVIRONMENT WORKSHOP_PROGRAM=${CMAKE_BINARY_DIR}/bin/solutions/${level})

  # The authors' checks (common/runner/gate.hpp). Where somebody is learning, the skeleton is no skeleton any more.
  foreach(check files skeleton walk mutants)
    set(label repository)
    if(check STREQUAL skeleton)
      set(label skeleton)
      set(test skeleton.${level})
    else()
      set(test repository.${check}.${level})
    endif()
    add_test(NAME ${test} COMMAND workshop gate ${number} --${check} --unless-edited)
    set_tests_properties(${test} PROPERTIES LABELS ${label} SKIP_RETURN_CODE 77)
  endforeach()

  # For `./workshop reset` where there is no git: the skeleton as it was before anything could have been tried.
  if(NOT EXISTS ${CMAKE_BINARY_DIR}/skeletons/${level}.cpp)
    file(COPY ${folder}/${level}.cpp DESTINATION ${CMAKE_BINARY_DIR}/skeletons)
  endif()
endfunction()
