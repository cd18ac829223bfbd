// Sleeps 30 times for 20 milliseconds, with calls between.
#include <time.h>

void nothing(void) {}

void doze(void) {
  struct timespec time = {0, 20000000};
  nanosleep(&time, NULL);
}

int main(void) {
  for (int i = 0; i < 30; i++) {
    nothing();
    doze();
  }
  return 0;
}
