// A thread's tree, by the rules of call_tree.h: calls, inlining, exits that were skipped.
#include <catch2/catch.hpp>

#include "tree.h"

namespace telinject::test::call_tree_test {
using namespace drain;
namespace {

constexpr uint64_t kTop = kStackHi - 0x100;

}  // namespace

TEST_CASE("calls nest, and siblings share their parent") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64), c = t.call('c', kTop - 64);
  t.enter(a);
  t.enter(b);
  t.leave(b);
  t.enter(c);
  t.leave(c);
  t.leave(a);
  CHECK(t.log() == "+a+b-b+c-c-a");
  CHECK(t.parents() == "a< b<a c<a");
  CHECK_FALSE(t.tree.has_open());
}

TEST_CASE("a span's id is that of its entry's place, all are of the root's trace") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64);
  t.tree.root(0, 42, 0);
  uint64_t first = t.enter(a);
  CHECK(t.last.span_id == span_id(kKey, 3, first));
  CHECK(t.last.parent_span_id == 0);
  CHECK(t.last.first_of_trace);
  CHECK(t.last.trace.lo == trace_id(kKey, 3, 42).lo);
  CHECK(t.last.trace.hi == trace_id(kKey, 3, 42).hi);
  uint64_t second = t.enter(b);
  CHECK(t.last.span_id == span_id(kKey, 3, second));
  CHECK(t.last.parent_span_id == span_id(kKey, 3, first));
  CHECK(t.last.trace.lo == trace_id(kKey, 3, 42).lo);
  CHECK_FALSE(t.last.first_of_trace);
}

TEST_CASE("recursion, of functions and of inlined ones") {
  Tree t;
  Call a1 = t.call('a', kTop), a2 = t.call('a', kTop - 64), a3 = t.call('a', kTop - 128);
  for (const Call& call : {a1, a2, a3}) t.enter(call);
  for (const Call& call : {a3, a2, a1}) t.leave(call);
  CHECK(t.log() == "+a+a+a-a-a-a");
  CHECK(t.parents() == "a< a<a a<a");
  Call outer = t.call('f', kTop), in1 = Tree::inlined('f', outer, 1),
       in2 = Tree::inlined('f', outer, 2);
  for (const Call& call : {outer, in1, in2}) t.enter(call);
  CHECK(t.log() == "+f+f+f");
}

TEST_CASE("inlined functions share sp and call site with the frame they stand in") {
  Tree t;
  Call a = t.call('a', kTop), b = Tree::inlined('b', a, 1), c = Tree::inlined('c', a, 2),
       d = Tree::inlined('d', a, 3);
  t.enter(a);
  t.enter(b);
  t.enter(c);
  t.leave(c);
  t.leave(b);
  t.enter(d);
  t.leave(d);
  t.leave(a);
  CHECK(t.log() == "+a+b+c-c-b+d-d-a");
  CHECK(t.parents() == "a< b<a c<b d<a");
}

TEST_CASE("an inlined function that moved its own sp down is still inside") {
  // alloca: sp of a later hook call in the same physical frame is lower, the call site the same.
  Tree t;
  Call a = t.call('a', kTop), b = Tree::inlined('b', a, 1), c = Tree::inlined('c', a, 2);
  t.enter(a);
  b.sp = kTop - 256;
  t.enter(b);
  c.sp = kTop;
  t.enter(c);
  CHECK(t.log() == "+a+b+c");
  CHECK(t.parents() == "a< b<a c<b");
}

TEST_CASE("an exit closes the nearest open frame of its function, and what lies on it") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64), c = t.call('c', kTop - 128);
  for (const Call& call : {a, b, c}) t.enter(call);
  t.leave(b);
  CHECK(t.log() == "+a+b+c~c<-b");
  t.leave(a);
  CHECK(t.log() == "-a");
}

TEST_CASE("an exit that belongs to no open frame is an orphan, and changes nothing") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64);
  t.leave(a);
  CHECK(t.log() == "?");
  t.enter(a);
  t.leave(b);
  t.leave(a);
  CHECK(t.log() == "+a?-a");
}

TEST_CASE("at an entry, frames not above it that were called from elsewhere are gone") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64), c = t.call('c', kTop - 128),
       d = t.call('d', kTop - 64);
  for (const Call& call : {a, b, c}) t.enter(call);
  t.enter(d);
  CHECK(t.log() == "+a+b+c~c<~b<+d");
  CHECK(t.parents() == "a< b<a c<b d<a");
}

TEST_CASE("at an entry, frames above its caller's are gone, as far as the call site tells") {
  // An exception leaves c and b; a destructor is called from a, below them.
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64), c = t.call('c', kTop - 128),
       d = t.call('d', kTop - 256);
  t.chain_at(a.return_address, "a");
  t.chain_at(b.return_address, "b");
  t.chain_at(c.return_address, "c");
  t.caller_is(d, 'a');
  for (const Call& call : {a, b, c}) t.enter(call);
  t.enter(d);
  CHECK(t.log() == "+a+b+c~c<~b<+d");
  CHECK(t.parents() == "a< b<a c<b d<a");
  // Where the caller is not instrumented, and so not open, nothing can be said.
  Call e = t.call('e', kTop - 320);
  t.caller_is(e, 'x');
  t.enter(e);
  CHECK(t.log() == "+e");
}

TEST_CASE("the same hook call in the same frame again: what was entered there has been left") {
  Tree t;
  Call a = t.call('a', kTop), b = Tree::inlined('b', a, 1), c = Tree::inlined('c', a, 2);
  t.enter(a);
  for (int i = 0; i < 3; i++) {
    t.enter(b);
    t.enter(c);  // both left without an exit, in a loop
  }
  CHECK(t.log() == "+a+b+c~c<~b<+b+c~c<~b<+b+c");
  CHECK(t.parents() == "a< b<a c<b b<a c<b b<a c<b");
}

TEST_CASE("a root record says that nothing is open") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64);
  t.enter(a);
  t.enter(b);
  t.tree.root(0, 2, 0);
  CHECK(t.log() == "+a+b");  // by the next entry
  t.enter(t.call('c', kTop - 64));
  CHECK(t.log() == "~b<~a<+c");
  CHECK(t.last.parent_span_id == 0);
}

TEST_CASE("a root without a record of its own gets a trace that no other has") {
  Tree t;
  Call a = t.call('a', kTop);
  t.enter(a);
  TraceId first = t.last.trace;
  t.leave(a);
  t.enter(a);
  CHECK(t.last.trace.lo != first.lo);
  CHECK(t.last.first_of_trace);
}

TEST_CASE("roots continue the thread's context if they say so, and start anew if not") {
  ParentContext context = {{1, 2}, 3};
  Tree t(context);
  Call a = t.call('a', kTop);
  t.tree.root(kRootInherited, 1, 0);
  t.enter(a);
  CHECK(t.last.trace.hi == 1);
  CHECK(t.last.trace.lo == 2);
  CHECK(t.last.parent_span_id == 3);
  CHECK(t.last.first_of_trace);
  t.leave(a);
  t.tree.root(0, 2, 0);
  t.enter(a);
  CHECK(t.last.trace.lo == trace_id(kKey, 3, 2).lo);
  CHECK(t.last.parent_span_id == 0);
}

TEST_CASE("what the thread is in: its innermost span, else what it continues, else nothing") {
  Tree none;
  CHECK_FALSE(none.tree.current().has_value());
  Tree t(ParentContext{{1, 2}, 3});
  CHECK(t.tree.current()->span_id == 3);
  Call a = t.call('a', kTop);
  uint64_t position = t.enter(a);
  CHECK(t.tree.current()->span_id == span_id(kKey, 3, position));
}

TEST_CASE("at the end all that is open is closed, innermost first, at that time") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64);
  t.enter(a);
  t.enter(b);
  t.tree.close_all(ExitKind::kKilled, 999);
  CHECK(t.log() == "+a+bkbka");
  CHECK(t.ends['a'] == 999);
  CHECK_FALSE(t.tree.has_open());
}

TEST_CASE("exits that did not fit: frames up to a stack pointer are gone, in one record") {
  Tree t;
  Call a = t.call('a', kTop), b = t.call('b', kTop - 64), c = t.call('c', kTop - 128),
       d = Tree::inlined('d', b, 1);
  for (const Call& call : {a, b, d, c}) t.enter(call);
  t.log();
  t.tree.closed_up_to(b.sp, static_cast<uint32_t>(Tree::function('d')), 500);
  CHECK(t.log() == "-c<-d<");
  t.tree.closed_up_to(b.sp, 0, 500);
  CHECK(t.log() == "");
  t.tree.closed_up_to(a.sp, static_cast<uint32_t>(Tree::function('a')), 501);
  CHECK(t.log() == "-b<-a<");
}

TEST_CASE("stack pointers are kept as low halves, also of stacks that cross 4 GiB") {
  FrameStack stack;
  stack.lo = 0x7fffffff0000;
  stack.hi = 0x800000010000;
  CHECK(stack.widen(0xffff8000) == 0x7fffffff8000);
  CHECK(stack.widen(0x00008000) == 0x800000008000);
  CHECK(stack.holds32(0xffff8000));
  CHECK(stack.holds32(0x00008000));
  CHECK_FALSE(stack.holds32(0x00010001));
  CHECK_FALSE(stack.holds32(0xfffeffff));
}

TEST_CASE("what a served request's calls are children of, and whether they are sampled") {
  Tree t;
  Call loop = t.call('l', kStackHi - 100), handle = t.call('h', kStackHi - 200);
  const ParentContext server = {{7, 8}, 9, GENERATE(true, false)};
  uint64_t flags = GENERATE(uint64_t{0}, uint64_t{kRootNotSampled});
  bool chosen = flags == 0, both = chosen && server.sampled;
  t.tree.root(flags, 1, 0);
  t.enter(loop);
  CHECK(t.last.sampled == chosen);
  t.tree.adopt(server, t.ticks);
  t.enter(handle);
  CHECK((t.last.trace.hi == server.trace.hi && t.last.trace.lo == server.trace.lo));
  CHECK(t.last.parent_span_id == server.span_id);
  CHECK(t.last.sampled == both);
  t.leave(handle);
  t.leave(loop);
  t.tree.root(flags | kRootInherited, 2, 0);
  t.enter(handle);
  CHECK((t.last.trace.hi == server.trace.hi && t.last.trace.lo == server.trace.lo));
  CHECK(t.last.sampled == both);
}

TEST_CASE("recursion 100,000 deep") {
  Tree t;
  constexpr uint64_t kDepth = 100000;
  std::vector<Call> calls;
  for (uint64_t i = 0; i < kDepth; i++) calls.push_back({'r', kStackHi - 8 - i * 8, 0x1000 + i, 4});
  for (const Call& call : calls) t.enter(call);
  for (size_t i = kDepth; i-- > 0;) t.leave(calls[i]);
  std::string log = t.log();
  CHECK(log.size() == 4 * kDepth);
  CHECK(log.find_first_not_of("+-r") == std::string::npos);
  CHECK(log.rfind('+') == 2 * kDepth - 2);
}

}  // namespace telinject::test::call_tree_test
