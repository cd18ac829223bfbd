#include <algorithm>
#include <cstdio>
#include <vector>

extern "C" int part(const char* text);

static int twice(int x) {
  return 2 * x;
}

int main() {
  std::vector<int> numbers{part("3"), part("1"), twice(1)};
  std::sort(numbers.begin(), numbers.end());
  std::printf("%d\n", numbers[0]);
}
