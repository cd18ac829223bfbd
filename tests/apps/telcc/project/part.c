#include <stdlib.h>

int part(const char* text) {
  return atoi(text);
}
