// Does what its arguments say, and prints which library answers:
//   call            through the program's own reference (if it was built with one)
//   local LIBRARY   dlopen, RTLD_LOCAL; global LIBRARY: RTLD_GLOBAL; deep LIBRARY: RTLD_DEEPBIND
//   apart LIBRARY   dlmopen, in a namespace of its own
//   run LIBRARY     calls its `run` and `run_curl`; close LIBRARY: dlclose
//   symbol LIBRARY  what dlsym finds in it; version LIBRARY VERSION: what dlvsym finds in it; next,
//                   default: what it finds there; same LIBRARY: whether it finds the same again
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifdef OWN
int own(void);
int own_curl(void);
#endif

static struct {
  const char* name;
  void* handle;
} libraries[16];

static void** handle_of(const char* name) {
  for (int i = 0; i < 16; i++) {
    if (libraries[i].name == NULL) libraries[i].name = name;
    if (strcmp(libraries[i].name, name) == 0) return &libraries[i].handle;
  }
  return NULL;
}

static void tell(const char* how, int (*function)(void*)) {
  if (function == NULL) {
    printf("%s: none\n", how);
  } else {
    printf("%s: %d\n", how, function(NULL));
  }
}

static void ask(const char* how, void* handle) {
  tell(how, (int (*)(void*))dlsym(handle, "SSL_shutdown"));
}

static void open_library(const char* name, int flags) {
  void** handle = handle_of(name);
  *handle = dlopen(name, RTLD_NOW | flags);
  if (*handle == NULL) printf("%s\n", dlerror());
}

static void run(const char* name) {
  int (*run)(void) = (int (*)(void))dlsym(*handle_of(name), "run");
  int (*run_curl)(void) = (int (*)(void))dlsym(*handle_of(name), "run_curl");
  int first = run(), second = run_curl();
  printf("%s: %d %d\n", strrchr(name, '/') + 1, first, second);
}

int main(int count, char** words) {
  for (int i = 1; i < count; i++) {
    const char* word = words[i];
    if (strcmp(word, "default") == 0) {
      ask("default", RTLD_DEFAULT);
      continue;
    }
    if (strcmp(word, "next") == 0) {
      ask("next", RTLD_NEXT);
      continue;
    }
#ifdef OWN
    if (strcmp(word, "call") == 0) {
      int first = own(), second = own_curl();
      printf("own: %d %d\n", first, second);
      continue;
    }
#endif
    const char* name = words[++i];
    if (strcmp(word, "local") == 0) open_library(name, RTLD_LOCAL);
    if (strcmp(word, "global") == 0) open_library(name, RTLD_GLOBAL);
    if (strcmp(word, "deep") == 0) open_library(name, RTLD_LOCAL | RTLD_DEEPBIND);
    if (strcmp(word, "apart") == 0) *handle_of(name) = dlmopen(LM_ID_NEWLM, name, RTLD_NOW);
    if (strcmp(word, "run") == 0) run(name);
    if (strcmp(word, "close") == 0) dlclose(*handle_of(name));
    if (strcmp(word, "symbol") == 0) ask("symbol", *handle_of(name));
    if (strcmp(word, "version") == 0) {
      tell("version", (int (*)(void*))dlvsym(*handle_of(name), "SSL_shutdown", words[++i]));
    }
    if (strcmp(word, "same") == 0) {
      void* first = dlsym(*handle_of(name), "SSL_shutdown");
      printf("same: %d\n", first == dlsym(*handle_of(name), "SSL_shutdown"));
    }
  }
  return 0;
}
