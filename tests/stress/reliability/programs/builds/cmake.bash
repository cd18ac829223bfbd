# cmake
# needs: cmake ninja gcc
c_source

cat >CMakeLists.txt <<'E'
cmake_minimum_required(VERSION 3.20)
project(a C)
add_library(l STATIC a.c)
add_executable(a a.c)
enable_testing()
add_test(NAME t COMMAND a)
set_tests_properties(t PROPERTIES WILL_FAIL ON)
execute_process(COMMAND sh -c "echo sub; exit 3" RESULT_VARIABLE r OUTPUT_VARIABLE o)
message(STATUS "result ${r} ${o}")
E
cmake -G Ninja -B b . | grep result
cmake --build b >/dev/null
b/a
echo $?
(cd b && ctest 2>&1 | grep passed)
cmake -P missing.cmake 2>/dev/null
echo $?
rm -rf b
