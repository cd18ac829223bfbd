// Non-local exits: recorded by the program, and what they close.
#include <catch2/catch.hpp>

#include "tree.h"

namespace telinject::test::call_tree_unwind_test {
using namespace drain;
namespace {

constexpr uint64_t kTop = kStackHi - 0x100;
constexpr uint64_t kPc = 0x55559999;

// a calls b, into which c and d are inlined (d in c), and d calls e.
struct Nested {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64), c = Tree::inlined('c', b, 1),
       d = Tree::inlined('d', b, 2), e = t.call('e', kTop - 128);
  Nested() {
    t.chain_at(a.return_address, "a");
    t.chain_at(b.return_address, "b");
    t.chain_at(c.return_address, "bc");
    t.chain_at(d.return_address, "bcd");
    t.chain_at(e.return_address, "e");
    for (const Call& call : {a, b, c, d, e}) t.enter(call);
    CHECK(t.log() == "+a+b+c+d+e");
  }
};

}  // namespace

TEST_CASE("longjmp closes what lies below its target, when it happens") {
  Nested n;
  n.t.chain_at(kPc, "a");
  n.t.unwind(UnwindKind::kLongjmp, kPc, kTop);
  CHECK(n.t.log() == "jejdjcjb");
  CHECK(n.t.ends['e'] == n.t.ticks);
  n.t.leave(n.a);
  CHECK(n.t.log() == "-a");
}

TEST_CASE("longjmp into a function leaves those that are inlined in it, too") {
  Nested n;
  n.t.chain_at(kPc, "bc");  // setjmp is never inlined: the target's own function is what counts
  n.t.unwind(UnwindKind::kLongjmp, kPc, kTop - 64);
  CHECK(n.t.log() == "jejdjc");
}

TEST_CASE("longjmp to a place that nobody knows closes only what is strictly below") {
  Nested n;
  n.t.unwind(UnwindKind::kLongjmp, kPc, kTop - 64);
  CHECK(n.t.log() == "je");
  n.t.unwind(UnwindKind::kLongjmp, 0, kTop - 64);
  CHECK(n.t.log() == "");
}

TEST_CASE("a catch closes what is not on the inline chain of its place") {
  Nested n;
  n.t.chain_at(kPc, "bc");
  n.t.unwind(UnwindKind::kBeginCatch, kPc, kTop - 64);
  CHECK(n.t.log() == "~e~d");
  n.t.leave(n.c);
  n.t.leave(n.b);
  n.t.leave(n.a);
  CHECK(n.t.log() == "-c-b-a");
}

TEST_CASE("a catch in the innermost inlined function closes none of its frame") {
  Nested n;
  n.t.chain_at(kPc, "bcd");
  n.t.unwind(UnwindKind::kBeginCatch, kPc, kTop - 64);
  CHECK(n.t.log() == "~e");
}

TEST_CASE("a catch in another function of that stack pointer closes none of it") {
  Nested n;
  n.t.chain_at(kPc, "xy");
  n.t.unwind(UnwindKind::kBeginCatch, kPc, kTop - 64);
  CHECK(n.t.log() == "~e");
}

TEST_CASE("a landing pad closes what is below it and nothing at it") {
  Nested n;
  n.t.chain_at(kPc, "b");
  n.t.unwind(UnwindKind::kLandingPad, kPc, kTop - 64);
  CHECK(n.t.log() == "~e");
  // g++'s exit hooks of the inlined functions follow from their cleanups.
  n.t.leave(n.d);
  n.t.leave(n.c);
  CHECK(n.t.log() == "-d-c");
}

TEST_CASE("an unwind above all frames closes all, one below none") {
  Nested n;
  n.t.unwind(UnwindKind::kLandingPad, kPc, kTop - 4096);
  CHECK(n.t.log() == "");
  n.t.unwind(UnwindKind::kLandingPad, kPc, kStackHi);
  CHECK(n.t.log() == "~e~d~c~b~a");
  n.t.unwind(UnwindKind::kBeginCatch, kPc, kStackHi);
  CHECK(n.t.log() == "");
}

TEST_CASE("the frame that catches is never closed, nor the lowest of its stack pointer") {
  Tree t;
  Call a = t.call('a', kTop), b = Tree::inlined('b', a, 1);
  t.chain_at(a.return_address, "a");
  t.chain_at(b.return_address, "ab");
  t.chain_at(kPc, "a");
  t.enter(a);
  t.enter(b);
  t.unwind(UnwindKind::kBeginCatch, kPc, kTop);
  CHECK(t.log() == "+a+b~b");
  t.unwind(UnwindKind::kBeginCatch, kPc, kTop);
  CHECK(t.log() == "");
}

TEST_CASE("an entry after an exception that nobody recorded repairs the tree") {
  // clang calls no exit hooks while it unwinds.
  Nested n;
  Call f = n.t.call('f', kTop - 32);
  n.t.enter(f);
  CHECK(n.t.log() == "~e<~d<~c<~b<+f");
}

}  // namespace telinject::test::call_tree_unwind_test
