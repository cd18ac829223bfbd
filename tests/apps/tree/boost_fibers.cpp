// Fibers of Boost.Context: NUMBER alive at once, on stacks of the three kinds it has by turns; each
// throws and catches, also over a switch; the last third is destroyed before it comes to its end.
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <vector>

#include "../calls.h"

namespace context = boost::context;

COUNTED(resume);
COUNTED(work);
COUNTED(fail);
COUNTED(leaf);
COUNTED(caught);
COUNTED(left);

extern "C" {
NOINLINE static void leaf() {
  CALLED(leaf);
}

NOINLINE static void caught() {
  CALLED(caught);
}

NOINLINE static void left() {
  CALLED(left);
}

struct Scope {
  UNTRACED Scope() {}
  UNTRACED ~Scope() { left(); }
};

NOINLINE static void fail(context::fiber* caller, int depth) {
  CALLED(fail);
  Scope scope;
  if (depth > 0) {
    fail(caller, depth - 1);
  } else {
    *caller = std::move(*caller).resume();
    throw std::runtime_error("failed");
  }
  leaf();
}

NOINLINE static void work(context::fiber* caller, int number) {
  CALLED(work);
  for (int i = 0; i < 2; i++) {
    try {
      fail(caller, number % 4);
    } catch (const std::runtime_error&) {
      caught();
    }
    leaf();
  }
}

NOINLINE static void resume(context::fiber* fiber) {
  CALLED(resume);
  *fiber = std::move(*fiber).resume();
}
}

template <typename Allocator>
UNTRACED static context::fiber make(Allocator&& allocator, int number) {
  return context::fiber(std::allocator_arg, allocator, [number](context::fiber&& caller) {
    work(&caller, number);
    return std::move(caller);
  });
}

int main(int argc, char** argv) {
  int number = argc > 1 ? std::atoi(argv[1]) : 30;
  context::fixedsize_stack plain;
  context::pooled_fixedsize_stack pooled(32768);
  context::protected_fixedsize_stack guarded;
  std::vector<context::fiber> fibers;
  for (int i = 0; i < number; i++) {
    fibers.push_back(i % 3 == 0 ? make(plain, i) : i % 3 == 1 ? make(pooled, i) : make(guarded, i));
  }
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < (round < 2 ? number : number * 2 / 3); i++) {
      resume(&fibers[static_cast<size_t>(i)]);
    }
  }
  fibers.clear();
  TELL(resume);
  TELL(work);
  TELL(fail);
  TELL(leaf);
  TELL(caught);
  TELL(left);
  return 0;
}
