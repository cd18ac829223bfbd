/* Instrumented libraries that come and go, perhaps at the same addresses.
 *
 * plugins TIMES LIBRARY...
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "../calls.h"

NOINLINE static void use(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  int (*run)(int) = (int (*)(int))dlsym(library, "plugin_run");
  fprintf(stdout, "%p %d\n", (void*)run, run(2));
  dlclose(library);
}

int main(int argc, char** argv) {
  for (int i = 0; i < atoi(argv[1]); i++) {
    for (int k = 2; k < argc; k++) use(argv[k]);
  }
  return 0;
}
