// Throws and catches while the drain, telrun's other child, is stopped, until the lane is full,
// again and again: whatever is written last before it is full, another record does not fit behind
// it.
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#define UNSEEN __attribute__((no_instrument_function))

volatile int sink;

UNSEEN static int find_drain() {
  DIR* processes = opendir("/proc");
  while (dirent* entry = readdir(processes)) {
    char path[300], name[64] = "";
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE* file = fopen(path, "r");
    if (file == nullptr) continue;
    int pid = 0, parent = 0;
    int read = fscanf(file, "%d (%63[^)]) %*c %d", &pid, name, &parent);
    fclose(file);
    if (read == 3 && parent == getppid() && strncmp(name, "telinject-drain", 15) == 0) return pid;
  }
  exit(9);
}

struct Guard {
  __attribute__((noinline)) ~Guard() { sink = 1; }
};

__attribute__((noinline)) void thrower(int length) {
  Guard guard;
  throw std::runtime_error(std::string(static_cast<size_t>(length), 'x'));
}

int main(int, char** arguments) {
  int rounds = atoi(arguments[1]), throws = atoi(arguments[2]), drain = find_drain();
  for (int round = 0; round < rounds; round++) {
    kill(drain, SIGSTOP);
    for (int i = 0; i < throws; i++) {
      try {
        thrower(150 + round * 7 % 50);
      } catch (const std::exception&) {
        sink = 1;
      }
    }
    kill(drain, SIGCONT);
    usleep(50000);
  }
}
