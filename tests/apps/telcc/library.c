/* Uses the functions that the C library and the compiler define in headers: at -O2 and with
 * _FORTIFY_SOURCE most of what is called here is one of those. Prints "42 A 1122 5 21". */
#define _GNU_SOURCE
#include <assert.h>
#include <byteswap.h>
#include <ctype.h>
#include <emmintrin.h>
#include <endian.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <wchar.h>

static int sum(const int* numbers) {
  __m128i four = _mm_loadu_si128((const __m128i*)(const void*)numbers);
  int out[4];
  _mm_storeu_si128((__m128i*)(void*)out, four);
  return out[0] + out[1] + out[2] + out[3];
}

int number(const char* text) {
  char copy[16];
  strncpy(copy, text, sizeof copy - 1);
  copy[sizeof copy - 1] = 0;
  return atoi(copy);
}

int main(int argc, char** argv) {
  static const int numbers[4] = {1, 2, 3, 15};
  assert(argc > 0 && argv != NULL);
  printf("%d %c %x %u %d\n", number("42"), toupper('a'), bswap_16(0x2211),
         gnu_dev_major(gnu_dev_makedev(5, 1)),
         sum(numbers) * pthread_equal(pthread_self(), pthread_self()));
  return fflush(stdout) == 0 && btowc('a') == L'a' && htole32(1) == 1 && ntohl(htonl(2)) == 2 &&
                 getpid() > 0 && fabs(-1.0) > 0
             ? 0
             : 1;
}
