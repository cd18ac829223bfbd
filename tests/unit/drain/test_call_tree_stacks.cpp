// A thread on several stacks, and on its way into another program.
#include <catch2/catch.hpp>

#include "tree.h"

namespace telinject::test::call_tree_stacks_test {
using namespace drain;
namespace {

constexpr uint64_t kTop = kStackHi - 0x100;
constexpr uint64_t kOther = 0x10000000, kThird = 0x20000000;
constexpr uint64_t kBytes = 0x10000;

}  // namespace

TEST_CASE("the first frame on another stack is a child of the frame that switched to it") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kOther + kBytes - 128), d = t.call('d', kTop - 64);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.enter(c);
  t.go_to(kStackLo, kStackHi - kStackLo, 0);
  t.enter(d);  // b and c stay open, they are suspended
  t.leave(d);
  t.go_to(kOther, kBytes, 0);
  t.leave(c);
  t.leave(b);
  t.go_to(kStackLo, kStackHi - kStackLo, 0);
  t.leave(a);
  CHECK(t.log() == "+a+b+c+d-d-c-b-a");
  CHECK(t.parents() == "a< b<a c<b d<a");
}

TEST_CASE("a stack below the thread's own closes nothing of it") {
  Tree t;
  Call a = t.call('a', kTop), handler = t.call('h', kStackHi + 0x100000 - 64);
  t.enter(a);
  t.go_to(kStackHi + 0x80000, 0x80000, 0);  // an alternate signal stack, above
  t.enter(handler);
  CHECK(t.log() == "+a+h");
  CHECK(t.parents() == "a< h<a");
}

TEST_CASE("coroutines that call each other") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kThird + kBytes - 64);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.go_to(kThird, kBytes, 0);
  t.enter(c);
  t.leave(c);
  CHECK(t.parents() == "a< b<a c<b");
  // Used again: a child of whoever switches to it now.
  t.go_to(kStackLo, kStackHi - kStackLo, 0);
  t.go_to(kThird, kBytes, 0);
  t.enter(c);
  CHECK(t.parents() == "a< b<a c<b c<a");
}

TEST_CASE("an exit on a stack that was not announced is found by its stack pointer") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.leave(a);  // the coroutine was left without a word
  CHECK(t.log() == "+a+b-a");
  t.leave(b);
  CHECK(t.log() == "-b");
}

TEST_CASE("what stands on the first stack when nothing was open is a root there") {
  Tree t(ParentContext{{1, 2}, 3});
  t.go_to(kOther, kBytes, 0);
  CHECK(t.tree.current()->span_id == 3);
  t.enter(t.call('b', kOther + kBytes - 64));
  CHECK(t.last.parent_span_id == 3);
}

TEST_CASE("the end of a thread leaves the frames of coroutines, which others may resume") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.tree.close_all(ExitKind::kThreadEnd, 999);
  CHECK(t.log() == "+a+bta");
  CHECK(t.stacks.find(kOther + 64)->frames.size() == 1);
}

TEST_CASE("the main stack may grow: a later word on its bounds counts") {
  Tree t;
  t.go_to(kStackLo, 2 * (kStackHi - kStackLo), 0);
  uint64_t high = kStackHi + 0x8000;
  t.enter(t.call('a', high));
  CHECK(t.last.sp == high);
}

TEST_CASE("bounds that are a guess do not make a stack of what is known") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kOther + kBytes - 128);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.go_to(kOther + 0x8000, 0x8000, kOther + kBytes - 128);
  t.enter(c);
  CHECK(t.parents() == "a< b<a c<b");
  CHECK(t.stacks.size() == 1);
}

TEST_CASE("an exec that fails changes nothing") {
  Tree t;
  Call a = t.call('a', kTop);
  t.enter(a);
  t.tree.exec(200);
  CHECK(t.tree.executing());
  t.tree.exec_failed();
  CHECK_FALSE(t.tree.executing());
  t.leave(a);
  CHECK(t.log() == "+a-a");
}

TEST_CASE("after vfork the child's frames end with its exec, the parent's go on") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64), c = t.call('c', kTop - 64);
  t.enter(a);
  t.tree.vfork(kTop - 32);
  t.enter(b);  // the child's, in the suspended parent's lane
  t.tree.exec(200);
  CHECK(t.log() == "+a+b");
  t.enter(c);  // the parent's
  CHECK(t.log() == "xb+c");
  CHECK(t.ends['b'] == 200);
  CHECK(t.parents() == "a< b<a c<a");
}

TEST_CASE("after vfork the child may go by _exit") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64);
  t.enter(a);
  t.tree.vfork(kTop - 32);
  t.enter(b);
  t.tree.vfork_end(300);
  CHECK(t.log() == "+a+bvb");
  CHECK(t.ends['b'] == 300);
  t.tree.vfork_end(301);
  CHECK(t.log() == "");
  t.leave(a);
  CHECK(t.log() == "-a");
}

TEST_CASE("when a thread said that it exits is remembered") {
  Tree t;
  CHECK_FALSE(t.tree.exiting());
  t.tree.thread_exit(400);
  CHECK(t.tree.exiting());
  CHECK(t.tree.exit_ticks() == 400);
}

TEST_CASE("a first frame is a child of where the last record was, though no switch was told") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64), c = t.call('c', kTop - 64),
       d = t.call('d', kThird + kBytes - 64);
  t.enter(a);
  t.enter(c);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.leave(c);  // the thread is on its own stack again
  t.go_to(kThird, kBytes, 0);
  t.enter(d);
  CHECK(t.parents() == "a< c<a b<c d<a");
}

TEST_CASE("a stack whose calls have all returned went back to the one it was entered from") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kThird + kBytes - 64), d = t.call('d', 0x30000000 + kBytes - 64);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.go_to(kThird, kBytes, 0);
  t.enter(c);
  t.leave(c);
  t.go_to(0x30000000, kBytes, 0);
  t.enter(d);
  CHECK(t.parents() == "a< b<a c<b d<b");
}

TEST_CASE("a new stack ends what was open in its memory") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kOther + kBytes / 2 - 64), d = t.call('d', kOther + kBytes - 256);
  t.enter(a);
  t.go_to(kOther, kBytes / 2, 0);
  t.enter(c);
  t.go_to(kOther + kBytes / 2, kBytes / 2, 0);
  t.enter(b);
  t.go_to(kStackLo, kStackHi - kStackLo, 0);
  CHECK(t.log() == "+a+c+b");
  t.go_to(kOther, kBytes, kStackIsNew);
  t.enter(d);
  CHECK(t.log() == "~c<~b<+d");
  CHECK(t.parents() == "a< c<a b<c d<a");
  CHECK(t.stacks.size() == 1);
}

TEST_CASE("what is open on a stack that the program has forgotten goes on") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kOther + kBytes - 128);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.go_to(kStackLo, kStackHi - kStackLo, 0);
  t.go_to(kOther + kBytes - 1024, 1000, 0);
  t.tree.root(kRootOnStack | kRootUnsure, 7, 0);
  t.enter(c);
  CHECK(t.log() == "+a+b+c");
  CHECK(t.parents() == "a< b<a c<b");
  CHECK(t.stacks.size() == 1);
}

TEST_CASE("stacks 4 GiB apart are told apart by the functions that are open there") {
  constexpr uint64_t kFar = kOther + (uint64_t{1} << 32);
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kFar + kBytes - 64);
  t.enter(a);
  t.go_to(kOther, kBytes, 0);
  t.enter(b);
  t.go_to(kFar, kBytes, 0);
  t.enter(c);
  t.leave(b);
  t.leave(c);
  t.leave(a);
  CHECK(t.log() == "+a+b+c-b-c-a");
}

TEST_CASE("of too many stacks the one that was left alone longest gives way, and is counted") {
  Tree t(std::nullopt, /*most_stacks=*/2);
  Call a = t.call('a', kTop), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kThird + kBytes - 64), d = t.call('d', 0x30000000 + kBytes - 64);
  t.enter(a);
  t.go_to(kOther, kBytes, kStackIsNew);
  t.enter(b);
  t.go_to(kThird, kBytes, kStackIsNew);
  t.enter(c);
  t.go_to(kOther, kBytes, 0);
  t.go_to(0x30000000, kBytes, kStackIsNew);
  t.enter(d);
  t.go_to(kStackLo, kStackHi - kStackLo, 0);
  t.go_to(0x40000000, kBytes, kStackIsNew);
  CHECK(t.log() == "+a+b+c+d~c<");
  CHECK(t.forgotten == 1);
  CHECK(t.stacks.size() == 3);
}

TEST_CASE("of stacks with nothing open only the last are kept") {
  Tree t;
  for (uint64_t i = 1; i < 10000; i++) {
    Call b = t.call('b', kOther + i * kBytes - 64);
    t.go_to(kOther + (i - 1) * kBytes, kBytes, kStackIsNew);
    t.enter(b);
    t.leave(b);
  }
  CHECK(t.stacks.size() <= SharedStacks::kMostEmpty + 1);
  CHECK(t.forgotten == 0);
}

}  // namespace telinject::test::call_tree_stacks_test
