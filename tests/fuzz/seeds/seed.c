extern int sink(int);
static inline __attribute__((always_inline)) int inner(int x) {
  return sink(x) + 1;
}
static int twice(int value) {
  return inner(value) * 2;
}
__attribute__((noinline, cold)) static int part(int x) {
  return sink(x);
}
int outer(int first, const char* second) {
  for (int i = 0; i < first; i++) {
    if (twice(i) > second[0]) return part(i);
  }
  return inner(first);
}
