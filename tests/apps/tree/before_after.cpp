// What is called before main and after it.
#include <stdlib.h>

#include "../calls.h"

static volatile int sink;

NOINLINE static void use() {
  sink = 1;
}

struct Object {
  NOINLINE Object();
  NOINLINE ~Object();
};

Object::Object() {
  use();
}

Object::~Object() {
  use();
}

static Object object;

NOINLINE static Object& lazy() {
  static Object made_in_main;
  return made_in_main;
}

__attribute__((constructor(200))) static void early() {
  use();
}

__attribute__((constructor(300))) static void later() {
  use();
}

__attribute__((destructor(300))) static void before_last() {
  use();
}

__attribute__((destructor(200))) static void last() {
  use();
}

static void at_end() {
  use();
}

static void on_end(int status, void* data) {
  (void)status;
  (void)data;
  use();
}

static void preinit() {
  use();
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit_entry)() = preinit;

int main(int argc, char**) {
  atexit(at_end);
  on_exit(on_end, nullptr);
  lazy();
  if (argc > 1) exit(0);
}
