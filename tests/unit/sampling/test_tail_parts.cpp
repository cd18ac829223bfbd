// Traces that do not end: main of a server, the loops in it.
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "shim/drain/sampling/tail_sampler.h"
#include "tests/unit/sampling/program.h"

namespace telinject::test::tail_parts_test {

using drain::TailSampler;

TEST_CASE("spans that are open for longer than the wait are written, those below them are parts") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors,slow=1s,wait=5s"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  program.start(2, 1, "loop", kTrace);
  for (uint64_t i = 0; i < 1000; i++) {
    uint64_t span = 10 + 2 * i;
    program.start(span, 2, "handle", kTrace);
    program.start(span + 1, span, "step", kTrace);
    program.now += 20 * Program::kMs;
    program.end(span + 1, /*error=*/i % 100 == 50);
    program.end(span);
  }
  CHECK(written.has(1));
  CHECK(written.has(2));
  program.end(2);
  program.end(1);
  sampler.flush();
  CHECK(written.whole(1));
  CHECK(written.whole(2));
  for (uint64_t i = 0; i < 1000; i++) {
    CHECK(written.whole(10 + 2 * i) == (i % 100 == 50));
    CHECK(written.whole(11 + 2 * i) == (i % 100 == 50));
  }
  CHECK(sampler.memory() == 0);
}

TEST_CASE("roots that the rules name begin a part at once, outermost ones only") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors,slow=100ms,roots=handle*"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  program.start(2, 1, "setup", kTrace);
  program.end(2);
  for (uint64_t i = 0; i < 100; i++) {
    uint64_t span = 10 + 2 * i;
    program.start(span, 1, "handle", kTrace);
    program.start(span + 1, span, "handle_more", kTrace);
    program.now += (i % 10 == 3 ? 200 : 2) * Program::kMs;
    program.end(span + 1);
    program.end(span);
  }
  program.end(1, /*error=*/true);
  sampler.flush();
  CHECK(written.whole(1));
  CHECK_FALSE(written.has(2));
  for (uint64_t i = 0; i < 100; i++) {
    CHECK(written.whole(10 + 2 * i) == (i % 10 == 3));
    CHECK(written.whole(11 + 2 * i) == (i % 10 == 3));
  }
}

TEST_CASE("a request between two processes whose traces do not end is one part") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors,wait=1s"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  program.pass_time(2000);
  // The server's side comes first, and fails; then the client tells of its own.
  program.start(10, 1, "fetch", kTrace);
  program.start(12, 11, "serve", kTrace);
  program.end(12, /*error=*/true);
  program.start(11, 10, "ask", kTrace);
  program.end(11);
  program.end(10);
  program.pass_time(300);
  for (uint64_t span : {10, 11, 12}) CHECK(written.whole(span));
  // The other way round, nothing fails.
  program.start(20, 1, "fetch", kTrace);
  program.start(21, 20, "ask", kTrace);
  program.start(22, 21, "serve", kTrace);
  program.end(22);
  program.end(21);
  program.end(20);
  program.pass_time(300);
  for (uint64_t span : {20, 21, 22}) CHECK_FALSE(written.has(span));
}

TEST_CASE("of parts a share is chosen, too") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("rate=0.1,wait=1s"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  program.pass_time(2000);
  std::mt19937_64 random(3);
  std::vector<uint64_t> spans;
  for (int i = 0; i < 2000; i++) {
    spans.push_back(random());
    program.start(spans.back(), 1, "handle", kTrace);
    program.end(spans.back());
  }
  sampler.flush();
  int kept = 0;
  for (uint64_t span : spans) kept += written.whole(span);
  CHECK(kept > 140);
  CHECK(kept < 270);
}

// Each part of it was compared with all others: this took hours.
TEST_CASE("a trace is cut into hundreds of thousands of parts") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors,wait=100s,memory=256MB"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  constexpr uint64_t kParts = 300000, kOpen = 5000;
  for (uint64_t i = 0; i < kParts; i++) {
    program.now += 1000;
    program.start(10 + i, 1, "handle", kTrace);
    if (i % (kParts / kOpen) != 0) program.end(10 + i, /*error=*/i % 1000 == 7);
  }
  CHECK(written.events.empty());
  size_t before = sampler.memory();
  program.now += 100 * 1000 * Program::kMs - 300000000;  // main is long, no other span is
  program.start(5, 0, "another", {6, 6});
  program.end(5);
  CHECK(written.has(1));
  CHECK(sampler.memory() < before + (16 << 20));  // not all parts were there at the same time
  for (uint64_t i = 0; i < kParts; i += kParts / kOpen) program.end(10 + i);
  program.end(1);
  sampler.flush();
  for (uint64_t i = 0; i < kParts; i++) {
    if (written.whole(10 + i) != (i % 1000 == 7 && i % (kParts / kOpen) != 0)) FAIL("part " << i);
  }
  CHECK(written.started == written.ended);
  CHECK(written.events.size() + sampler.counts().events_left_out == 2 * kParts + 4);
  CHECK(sampler.memory() == 0);
}

TEST_CASE("a long span whose end tells of another trace is counted with its own") {
  Written written;
  constexpr TraceId kOther = {8, 8};
  TailSampler sampler(remembering(&written), rules_of("errors,wait=1s"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  program.pass_time(2000);
  CHECK(written.has(1));
  program.change_trace(1, kOther);
  program.end(1);
  CHECK(written.whole(1));
  // Neither trace has a long span: each is one unit, also what has an unknown parent.
  for (TraceId trace : {kTrace, kOther}) {
    uint64_t span = 10 * trace.lo;
    program.start(span, 0, "serve", trace);
    program.start(span + 1, 99, "elsewhere", trace);
    program.end(span + 1);
    program.end(span, /*error=*/true);
  }
  sampler.flush();
  for (uint64_t span : {50, 51, 80, 81}) CHECK(written.whole(span));
  CHECK(sampler.memory() == 0);
}

// Random trees, threads that outlive the calls that began them, and little memory: whatever is
// written is consistent, and whatever fails is written.
TEST_CASE("random programs: errors are written, and all is accounted for") {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    std::mt19937_64 random(seed);
    Written written;
    TailSampler sampler(remembering(&written),
                        rules_of(seed % 2 == 0 ? "errors,wait=50ms,memory=1MB,roots=r*"
                                               : "errors,slow=30ms,rate=0.2,wait=80ms"),
                        false);
    Program program(&sampler);
    struct Span {
      uint64_t id, parent;
      TraceId trace;
    };
    std::vector<Span> open;
    std::vector<uint64_t> failed;
    uint64_t next = 1, events = 0;
    for (int step = 0; step < 20000; step++) {
      program.now += static_cast<int64_t>(random() % 400000);
      if (open.empty() || (open.size() < 60 && random() % 2 == 0)) {
        Span span = {next++, 0, {1 + random() % 4, 1}};
        if (!open.empty() && random() % 20 != 0) {
          const Span& parent = open[random() % open.size()];
          span = {span.id, parent.id, parent.trace};
        } else if (random() % 2 == 0) {
          span.parent = next + random() % 3;  // may come yet
        }
        program.start(span.id, span.parent, random() % 50 == 0 ? "root" : "call", span.trace);
        open.push_back(span);
      } else {
        size_t which = random() % open.size();
        bool error = random() % 40 == 0;
        if (error) failed.push_back(open[which].id);
        program.end(open[which].id, error);
        open.erase(open.begin() + static_cast<ptrdiff_t>(which));
      }
      events++;
    }
    while (!open.empty()) {
      program.end(open.back().id);
      open.pop_back();
      events++;
    }
    sampler.conclude();
    INFO("seed " << seed);
    CHECK(written.events.size() + sampler.counts().events_left_out == events);
    CHECK(written.started == written.ended);
    for (uint64_t span : failed) CHECK(written.whole(span));
    CHECK(sampler.memory() == 0);
  }
}

}  // namespace telinject::test::tail_parts_test
