# g++
# needs: g++
cxx_source

g++ -std=c++20 -O1 -o a a.cc && ./a
echo $?
strip a
./a
echo 'template <class T> T f(T x) { return x.y; } int z = f(3);' | g++ -x c++ -c - 2>&1 | grep -c error
