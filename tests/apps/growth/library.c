int in_library(int n) {
  return n + 1;
}
