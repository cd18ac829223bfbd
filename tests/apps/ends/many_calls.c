/* Makes as many calls as it is told, without a pause, and ends at once: by return or by SIGKILL. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../calls.h"

COUNTED(work);

NOINLINE static void work(void) {
  CALLED(work);
}

int main(int argc, char** argv) {
  (void)argc;
  for (long i = atol(argv[1]); i > 0; i--) work();
  TELL(work);
  puts("main 1");
  fflush(stdout);
  if (strcmp(argv[2], "SIGKILL") == 0) kill(getpid(), SIGKILL);
  if (strcmp(argv[2], "_exit") == 0) _exit(0);
  return 0;
}
