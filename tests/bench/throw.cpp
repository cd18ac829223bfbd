// Throws through five frames and catches, COUNT times; prints the nanoseconds of one throw and
// catch.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

volatile int sink;

struct Guard {
  __attribute__((noinline)) ~Guard() { sink = 1; }
};

__attribute__((noinline)) void f5() {
  throw std::runtime_error("thrown");
}
__attribute__((noinline)) void f4() {
  Guard guard;
  f5();
}
__attribute__((noinline)) void f3() {
  f4();
  sink = 1;
}
__attribute__((noinline)) void f2() {
  Guard guard;
  f3();
}
__attribute__((noinline)) void f1() {
  f2();
  sink = 1;
}

int main(int, char** arguments) {
  long count = atol(arguments[1]);
  timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (long i = 0; i < count; i++) {
    try {
      f1();
    } catch (const std::exception&) {
      sink = 1;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  double ns = 1e9 * static_cast<double>(end.tv_sec - start.tv_sec) +
              static_cast<double>(end.tv_nsec - start.tv_nsec);
  printf("%.1f\n", ns / static_cast<double>(count));
}
