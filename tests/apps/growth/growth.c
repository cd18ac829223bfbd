/* Does one thing many times over: what the drain keeps of it must not grow with how often.
   growth WHAT TIMES [LIBRARY or MEBIBYTES] */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void __cyg_profile_func_enter(void* function, void* site);
void __cyg_profile_func_exit(void* function, void* site);

__attribute__((noinline)) static int work(int n) {
  volatile int same = n;
  return same + 1;
}

static void wait_for(pid_t child) {
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) exit(3);
}

static void forks(long times) {
  for (long i = 0; i < times; i++) {
    pid_t child = fork();
    if (child == 0) {
      work(1);
      _exit(0);
    }
    wait_for(child);
  }
}

/* A child that has a child, which has one. */
static void nested(long times) {
  for (long i = 0; i < times; i += 3) {
    pid_t child = fork();
    if (child == 0) {
      for (int depth = 1; depth < 3; depth++) {
        work(depth);
        pid_t below = fork();
        if (below != 0) {
          wait_for(below);
          _exit(0);
        }
      }
      work(3);
      _exit(0);
    }
    wait_for(child);
  }
}

/* Its children are programs: a shell starts this one, which calls work once. */
static void programs(long times, const char* self) {
  char loop[200];
  snprintf(loop, sizeof loop,
           "i=0; while [ $i -lt %ld ]; do \"$0\" calls 1 || exit 1; i=$((i+1)); done", times);
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", loop, self, (char*)NULL);
    _exit(127);
  }
  wait_for(child);
}

static void* thread(void* unused) {
  work(1);
  return unused;
}

static void threads(long times) {
  for (long i = 0; i < times; i++) {
    pthread_t one;
    if (pthread_create(&one, NULL, thread, NULL) != 0) exit(3);
    pthread_join(one, NULL);
  }
}

/* It has a frame of its own, as a function that a just-in-time compiler made. */
__attribute__((noinline, no_instrument_function)) static void made_code(uintptr_t address) {
  __cyg_profile_func_enter((void*)address, (void*)(address + 8));
  __cyg_profile_func_exit((void*)address, (void*)(address + 8));
}

/* Each at an address of its own, called once. */
static void functions(long times) {
  uintptr_t address = 0x100000000000;
  for (long i = 0; i < times; i++) made_code(address += 64);
}

/* Copies of a library, each loaded, called and unloaded once. */
static void modules(long times, const char* library) {
  static char image[1 << 20];
  FILE* file = fopen(library, "rb");
  size_t bytes = file != NULL ? fread(image, 1, sizeof image, file) : 0;
  if (bytes == 0 || bytes == sizeof image) exit(3);
  fclose(file);
  char path[4096];
  for (long i = 0; i < times; i++) {
    snprintf(path, sizeof path, "%s.%ld", library, i);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(image, 1, bytes, file) != bytes || fclose(file) != 0) exit(3);
    void* module = dlopen(path, RTLD_NOW);
    int (*called)(int) = module != NULL ? (int (*)(int))dlsym(module, "in_library") : NULL;
    if (called == NULL) exit(3);
    called(1);
    dlclose(module); /* the drain may read the file yet */
  }
}

/* Calls beside so many MiB that are in use all the time. */
static void hungry(long times, long mebibytes) {
  size_t bytes = (size_t)mebibytes << 20;
  volatile char* memory = malloc(bytes);
  if (memory == NULL) exit(3);
  for (long i = 0; i < times; i++) {
    if (i % 1000 == 0) {
      for (size_t at = 0; at < bytes; at += 4096) memory[at]++;
    }
    work(1);
  }
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const char* what = argv[1];
  long times = atol(argv[2]);
  if (strcmp(what, "calls") == 0) {
    for (long i = 0; i < times; i++) work(1);
  } else if (strcmp(what, "forks") == 0) {
    forks(times);
  } else if (strcmp(what, "nested") == 0) {
    nested(times);
  } else if (strcmp(what, "programs") == 0) {
    programs(times, argv[0]);
  } else if (strcmp(what, "threads") == 0) {
    threads(times);
  } else if (strcmp(what, "functions") == 0) {
    functions(times);
  } else if (strcmp(what, "hungry") == 0 && argc > 3) {
    hungry(times, atol(argv[3]));
  } else if (strcmp(what, "modules") == 0 && argc > 3) {
    modules(times, argv[3]);
  } else {
    return 2;
  }
  return 0;
}
