// Exceptions through several frames: caught, rethrown, replaced, with destructors on the way.
#include <exception>
#include <stdexcept>

#include "../calls.h"

static volatile int sink;

struct Guard {
  UNTRACED Guard() {}
  NOINLINE ~Guard();
};

NOINLINE static void tidy() {
  sink = 1;
}

Guard::~Guard() {
  tidy();
}

NOINLINE static void handle() {
  sink = 2;
}

NOINLINE static void after() {
  sink = 3;
}

NOINLINE static void thrower(int what) {
  if (what == 1) throw std::runtime_error("one");
  if (what == 2) throw 2;
  sink = what;
}

// A frame with nothing to clean up: no landing pad.
NOINLINE static void plain(int what) {
  thrower(what);
  sink = 4;
}

NOINLINE static void guarded(int what) {
  Guard guard;
  plain(what);
  after();
}

NOINLINE static void caught() {
  try {
    guarded(1);
  } catch (const std::runtime_error&) {
    handle();
  }
  after();
}

NOINLINE static void middle() {
  Guard guard;
  try {
    guarded(2);
  } catch (int) {
    handle();
    throw;
  }
}

NOINLINE static void rethrown() {
  try {
    middle();
  } catch (...) {
    handle();
  }
  after();
}

NOINLINE static void replace() {
  try {
    plain(1);
  } catch (const std::exception&) {
    thrower(2);
  }
}

NOINLINE static void replaced() {
  try {
    replace();
  } catch (int) {
    handle();
  }
  after();
}

NOINLINE static void carry(std::exception_ptr* kept) {
  try {
    thrower(1);
  } catch (...) {
    *kept = std::current_exception();
  }
}

NOINLINE static void carried() {
  std::exception_ptr kept;
  carry(&kept);
  try {
    std::rethrow_exception(kept);
  } catch (const std::runtime_error&) {
    handle();
  }
}

NOINLINE static void repeated() {
  for (int i = 0; i < 3; i++) {
    try {
      guarded(i % 2 + 1);
    } catch (const std::runtime_error&) {
      handle();
    } catch (int) {
      after();
    }
  }
}

// Nothing is thrown: all return.
NOINLINE static void quiet() {
  try {
    guarded(3);
  } catch (...) {
    handle();
  }
}

int main() {
  caught();
  rethrown();
  replaced();
  carried();
  repeated();
  quiet();
}
