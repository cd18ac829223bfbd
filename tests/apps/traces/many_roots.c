/* Many traces: main is not traced, so each of its calls is the outermost of its own.
 *
 * many_roots CALLS
 */
#include <stdlib.h>

#include "../calls.h"

COUNTED(root);

static volatile int sink;

NOINLINE static void leaf(void) {
  sink = 1;
}

NOINLINE static void middle(void) {
  leaf();
  leaf();
}

NOINLINE static void root(void) {
  CALLED(root);
  middle();
  leaf();
}

UNTRACED int main(int argc, char** argv) {
  (void)argc;
  for (long i = atol(argv[1]); i > 0; i--) root();
  TELL(root);
  return 0;
}
