# Compiler options, as interface targets.
#
#   telinject_base       language level and warnings, for all code
#   telinject_inprocess  code that runs in the traced program: no exceptions, no RTTI, no libstdc++,
#                        nothing from libc but weak symbols, one load to reach thread-local state

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# Presets that compile everything compile several sources at once (CMAKE_UNITY_BUILD), in a third of
# the time; `dev` compiles each by itself. So names without linkage are unique within a library.
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12 CACHE STRING "How many sources are compiled at once")

add_library(telinject_base INTERFACE)
target_compile_features(telinject_base INTERFACE cxx_std_20)
target_include_directories(telinject_base INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(telinject_base INTERFACE _GNU_SOURCE
                           TELINJECT_VERSION="${PROJECT_VERSION}")
target_compile_options(telinject_base INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wundef -fvisibility=hidden
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual -fvisibility-inlines-hidden>
  # A source that others are compiled with is not a header, and does not shadow their names.
  $<$<AND:$<BOOL:${CMAKE_UNITY_BUILD}>,$<COMPILE_LANG_AND_ID:CXX,GNU>>:-Wno-subobject-linkage>
  $<$<AND:$<BOOL:${CMAKE_UNITY_BUILD}>,$<COMPILE_LANG_AND_ID:CXX,Clang>>:-Wno-shadow>
  $<$<BOOL:${TELINJECT_WERROR}>:-Werror>)

add_library(telinject_inprocess INTERFACE)
target_link_libraries(telinject_inprocess INTERFACE telinject_base)
target_compile_options(telinject_inprocess INTERFACE
  -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector -U_FORTIFY_SOURCE
  -ftls-model=initial-exec -fno-sanitize=all -fno-builtin
  $<$<CXX_COMPILER_ID:GNU>:-fno-tree-loop-distribute-patterns>)
