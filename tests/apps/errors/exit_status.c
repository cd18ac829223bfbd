// Ends with the status that is its second argument, in the way that is its first.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void deep(const char* how, int status) {
  if (strcmp(how, "exit") == 0) exit(status);
  if (strcmp(how, "_exit") == 0) _exit(status);
}

int main(int count, char** arguments) {
  int status = atoi(arguments[count - 1]);
  deep(arguments[1], status);
  return status;
}
