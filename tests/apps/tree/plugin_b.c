/* For plugins.c. */
static volatile int sink;

__attribute__((noinline)) static void b_inner(int n) {
  sink = n;
}

__attribute__((noinline)) static void b_outer(int n) {
  b_inner(n);
  b_inner(n + 1);
}

__attribute__((constructor)) static void b_opened(void) {
  b_inner(0);
}

int plugin_run(int n) {
  for (int i = 0; i < n; i++) b_outer(i);
  return n;
}
