// Says what it was told to: in exceptions, in a thread's name, and in a failed assertion.
//
//   secrets throw TEXT...     catches each, then returns
//   secrets thread NAME       has a thread of that name
//   secrets assert TEXT       an assertion on a comparison with it fails
#include <pthread.h>

#include <cassert>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

__attribute__((noinline)) void throws(const char* text) {
  throw std::runtime_error(text);
}

__attribute__((noinline)) void throws_string(const char* text) {
  throw std::string(text);
}

__attribute__((noinline)) void works(const char* name) {
  pthread_setname_np(pthread_self(), name);
  std::thread([] { [[maybe_unused]] volatile int done = 1; }).join();
}

__attribute__((noinline)) void fails() {
  const char* password = "other";
  assert(strcmp(password, "s3cr3tV4lu3xQ") == 0);
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  for (int i = 2; i < argc; i++) {
    if (strcmp(what, "throw") == 0) {
      try {
        throws(argv[i]);
      } catch (const std::exception&) {
      }
      try {
        throws_string(argv[i]);
      } catch (const std::string&) {
      }
    }
    if (strcmp(what, "thread") == 0) std::thread(works, argv[i]).join();
  }
  if (strcmp(what, "assert") == 0) fails();
  return 0;
}
