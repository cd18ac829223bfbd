/* For plugins.c. plugin_b.c differs in names and in size. */
static volatile int sink;

__attribute__((noinline)) static void a_leaf(void) {
  sink = 1;
}

__attribute__((constructor)) static void a_opened(void) {
  a_leaf();
}

__attribute__((destructor)) static void a_closed(void) {
  a_leaf();
}

int plugin_run(int n) {
  for (int i = 0; i < n; i++) a_leaf();
  return n;
}
