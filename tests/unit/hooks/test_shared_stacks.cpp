// The table of coroutines' stacks: found by page, the newest first, never too many.
#include "hooks/calls/shared_stacks.h"

#include <catch2/catch.hpp>

#include "hooked_thread.h"

namespace telinject::test::shared_stacks_test {
using namespace program;
namespace {

constexpr uintptr_t kLow = 0x10000000, kBytes = 0x10000;

struct Stacks : HookedThread {
  ~Stacks() { forget_all_shared_stacks(); }
};

}  // namespace

TEST_CASE("none is found before one is added") {
  Stacks stacks;
  CHECK(find_shared_stack(kLow) == nullptr);
  CHECK(find_exact_stack(kLow) == nullptr);
  forget_shared_stacks(kLow, kLow + kBytes);
}

TEST_CASE("a stack is found in its uppermost page, and in those in which a call was seen") {
  Stacks stacks;
  Stack* stack = add_shared_stack(kLow, kLow + kBytes, /*exact=*/true);
  REQUIRE(stack != nullptr);
  CHECK(stack->kind == StackKind::kShared);
  CHECK(stack->exact);
  CHECK(stack->fresh);
  CHECK_FALSE(stack->unsure);
  CHECK(find_shared_stack(kLow + kBytes - 1) == stack);
  CHECK(find_shared_stack(kLow + kBytes) == nullptr);
  CHECK(find_shared_stack(kLow) == nullptr);
  remember_page(stack, kLow);
  CHECK(find_shared_stack(kLow) == stack);
  CHECK(find_shared_stack(kLow - 1) == nullptr);
}

TEST_CASE("a page in which no call was seen is that of an exact stack not far above") {
  Stacks stacks;
  Stack* exact = add_shared_stack(kLow, kLow + kBytes, /*exact=*/true);
  CHECK(find_exact_stack(kLow) == exact);
  Stack* guess = add_shared_stack(kLow - kBytes, kLow, /*exact=*/false);
  CHECK(find_shared_stack(kLow - 1) == guess);
  CHECK(find_exact_stack(kLow - kBytes) == nullptr);
}

TEST_CASE("several stacks share a page") {
  Stacks stacks;
  Stack* upper = add_shared_stack(kLow + 0x800, kLow + 0x1000, true);
  Stack* lower = add_shared_stack(kLow, kLow + 0x800, true);
  CHECK(find_shared_stack(kLow + 0x900) == upper);
  CHECK(find_shared_stack(kLow + 0x7ff) == lower);
}

TEST_CASE("where stacks overlap the newest counts") {
  Stacks stacks;
  add_shared_stack(kLow, kLow + kBytes, true);
  Stack* newer = add_shared_stack(kLow, kLow + kBytes, true);
  CHECK(find_shared_stack(kLow + kBytes - 1) == newer);
}

TEST_CASE("a stack that begins in memory that is used anew is forgotten, others are not") {
  Stacks stacks;
  Stack* kept = add_shared_stack(kLow + kBytes, kLow + 2 * kBytes, true);
  Stack* gone = add_shared_stack(kLow, kLow + kBytes, true);
  forget_shared_stacks(kLow, kLow + kBytes);
  CHECK(find_shared_stack(kLow + kBytes - 1) == nullptr);
  CHECK(gone->hi == 0);
  CHECK(find_shared_stack(kLow + 2 * kBytes - 1) == kept);
  forget_all_shared_stacks();
  CHECK(find_shared_stack(kLow + 2 * kBytes - 1) == nullptr);
}

TEST_CASE("more stacks than are remembered take the place of those without open calls") {
  Stacks stacks;
  // Under a seccomp filter there is no memory for more than 64.
  g_process.restricted = 1;
  constexpr uint32_t kFew = 64;
  auto top = [](uint32_t number) { return kLow + (number + 1) * kBytes; };
  auto add = [&](uint32_t number, bool open) {
    Stack* stack = add_shared_stack(top(number) - kBytes, top(number), /*exact=*/false);
    REQUIRE(stack != nullptr);
    stack->root.open = open;
    return stack;
  };
  for (uint32_t i = 0; i < kFew; i++) add(i, i != 40);
  Stack* more = add(kFew, true);
  CHECK(find_shared_stack(top(40) - 1) == nullptr);
  CHECK(find_shared_stack(top(39) - 1) != nullptr);
  CHECK(find_shared_stack(top(kFew) - 1) == more);
  CHECK_FALSE(more->unsure);
  // All have calls open: one is forgotten, and no stack is certain to be new any more.
  Stack* last = add(kFew + 1, true);
  CHECK(last->unsure);
  CHECK_FALSE(last->fresh);
}

TEST_CASE("a stack that a thread is on keeps its place") {
  Stacks stacks;
  g_process.restricted = 1;
  Lane lanes[64] = {};
  for (uint32_t i = 0; i < 64; i++) {
    uintptr_t top = kLow + (i + 1) * kBytes;
    Stack* stack = add_shared_stack(top - kBytes, top, true);
    REQUIRE(stack != nullptr);
    stack->user = &lanes[i];
    lanes[i].current = stack;
  }
  CHECK(add_shared_stack(kLow - kBytes, kLow, true) == nullptr);
  lanes[7].current = nullptr;  // it has gone elsewhere since
  Stack* stack = add_shared_stack(kLow - kBytes, kLow, true);
  REQUIRE(stack != nullptr);
  CHECK(stack->lo == kLow - kBytes);
}

}  // namespace telinject::test::shared_stacks_test
