#include <stdio.h>

int square(int number) {
  return number * number;
}

int sum_of_squares(int count) {
  int sum = 0;
  for (int i = 1; i <= count; i++) sum += square(i);
  return sum;
}

int main(void) {
  printf("%d\n", sum_of_squares(3));
  return 0;
}
