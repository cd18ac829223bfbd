// Which traces are written, and that they are whole.
#include <catch2/catch.hpp>
#include <string>

#include "shim/channel/ids.h"
#include "shim/channel/settings.h"
#include "shim/drain/sampling/tail_sampler.h"
#include "tests/unit/sampling/program.h"

namespace telinject::test::tail_sampler_test {

using drain::TailSampler;

namespace {

uint64_t verdicts(const TailSampler& sampler, TailSampler::Verdict verdict) {
  return sampler.counts().of[static_cast<size_t>(verdict)];
}

}  // namespace

TEST_CASE("traces with an error, slow ones and a share of the others are written whole") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors,slow=250ms,rate=0.1"), false);
  Program program(&sampler);
  constexpr uint64_t kAll = 3000;
  for (uint64_t i = 0; i < kAll; i++) {
    bool slow = i % 100 == 7, error = i % 100 == 8;
    program.request(2 * i + 10, slow ? 300 : 3, error);
  }
  sampler.flush();
  uint64_t kept = 0;
  for (uint64_t i = 0; i < kAll; i++) {
    uint64_t span = 2 * i + 10;
    if (i % 100 == 7 || i % 100 == 8) CHECK(written.whole(span));
    CHECK(written.whole(span) == written.whole(span + 1));
    kept += written.whole(span);
  }
  CHECK(verdicts(sampler, TailSampler::Verdict::kErrors) == 30);
  CHECK(verdicts(sampler, TailSampler::Verdict::kSlow) == 30);
  uint64_t by_rate = verdicts(sampler, TailSampler::Verdict::kRate);
  CHECK(kept == 60 + by_rate);
  CHECK(by_rate > 220);
  CHECK(by_rate < 370);
  CHECK(sampler.counts().events_left_out == 4 * (kAll - kept));
  // Those that stand for others say so.
  for (const auto& event : written.events) {
    uint64_t i = (event.span - 10) / 2 % 100;
    CHECK(event.rate == (i == 7 || i == 8 ? 1000000000 : 100000000));
  }
  CHECK(sampler.account().find("30 with errors, 30 slow") != std::string::npos);
}

TEST_CASE("what is chosen by rate is chosen by the trace's random bits") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("rate=0.25"), false);
  Program program(&sampler);
  for (uint64_t i = 0; i < 400; i++) program.request(2 * i + 10, 1);
  sampler.flush();
  for (uint64_t span = 10; span < 810; span += 2) {
    TraceId trace = {span, span * 0x9e3779b97f4a7c15};
    CHECK(written.has(span) == sampled(trace, sampling_threshold(250000000)));
  }
}

TEST_CASE("a trace in several processes is one: its spans come in any order") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors"), false);
  Program client(&sampler);
  // The client's span is told when the server's has begun.
  client.start(1, 0, "main", kTrace);
  client.start(3, 2, "serve", kTrace);
  client.start(2, 1, "ask", kTrace);
  client.end(2);
  client.end(1);
  client.end(3, /*error=*/true);
  sampler.flush();
  for (uint64_t span : {1, 2, 3}) CHECK(written.whole(span));
}

TEST_CASE("a program that begins when its parent has ended belongs to the trace") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  program.end(1);
  program.now += 100 * Program::kMs;
  program.start(2, 1, "child", kTrace);
  program.end(2, /*error=*/true);
  program.pass_time(300);
  CHECK(written.whole(1));
  CHECK(written.whole(2));
}

TEST_CASE("what comes after the decision follows it, but errors are told") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors"), false);
  Program program(&sampler);
  program.start(1, 0, "fails", kTrace);
  program.end(1, /*error=*/true);
  program.start(11, 0, "works", {6, 6});
  program.end(11);
  program.pass_time(300);
  program.start(2, 1, "late", kTrace);
  program.end(2);
  program.start(12, 11, "late", {6, 6});
  program.end(12);
  program.start(13, 11, "late", {6, 6});
  program.end(13, /*error=*/true);
  sampler.flush();
  CHECK(written.whole(2));
  CHECK_FALSE(written.has(11));
  CHECK(written.whole(13));
  CHECK(sampler.counts().late == 2);
}

TEST_CASE("an exception that was caught is an error of its trace; losses are always told") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors"), false);
  Program program(&sampler);
  program.start(1, 0, "main");
  program.start(2, 1, "catches");
  program.throw_in(2);
  program.end(2);
  program.end(1);
  program.pass_time(300);
  CHECK(written.whole(1));
  CHECK(written.whole(2));
  CHECK(written.count('n') >= 2);  // the exception, and losses
  program.request(20, 1);
  program.pass_time(300);
  CHECK_FALSE(written.has(20));
}

TEST_CASE("a percentile of the root's name") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("slow=p99"), false);
  Program program(&sampler);
  for (uint64_t i = 0; i < 1000; i++) program.request(2 * i + 10, 5);
  program.request(5000, 50);
  sampler.flush();
  CHECK(written.whole(5000));
  CHECK(verdicts(sampler, TailSampler::Verdict::kSlow) == 1);
}

TEST_CASE("memory is bounded: what is over goes first, then the oldest by what is known") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors,memory=1MB"), false);
  Program program(&sampler);
  // Open: one that has failed, and one of which nothing is known.
  program.start(1, 0, "long", {1, 1});
  program.start(2, 1, "fails", {1, 1});
  program.end(2, /*error=*/true);
  program.start(3, 0, "other", {3, 3});
  for (uint64_t i = 0; i < 100000; i++) {
    uint64_t span = 100 + i, parent = i % 2 == 0 ? 1 : 3;
    program.start(span, parent, "step", {parent, parent});
    program.end(span);
    REQUIRE(sampler.memory() < 1100000);
  }
  CHECK(sampler.counts().forced >= 2);
  program.end(1);
  program.end(3);
  sampler.flush();
  CHECK(written.whole(1));
  CHECK(written.whole(100));  // all of the one that failed
  CHECK(written.whole(100 + 99998));
  CHECK(written.whole(3));        // its root is long, and written
  CHECK_FALSE(written.has(101));  // its parts are not
  CHECK(sampler.memory() == 0);
}

TEST_CASE("functions and processes may be forgotten while events speak of them") {
  Written written;
  TailSampler sampler(remembering(&written), rules_of("errors"), false);
  Program program(&sampler);
  program.start(1, 0, "main", kTrace);
  program.start(2, 1, "plugin", kTrace);
  program.end(2);
  program.forget("plugin");
  program.start(3, 1, "another", kTrace);  // takes its number
  program.end(3);
  program.end(1, /*error=*/true);
  program.forget_process();
  sampler.flush();
  REQUIRE(written.events.size() == 6);
  CHECK(written.events[1].name == "plugin");
  CHECK(written.events[3].name == "another");
  CHECK(written.processes.empty());
  CHECK(written.functions.size() == 2);
}

TEST_CASE("at the end what is open is written; another sampler goes on with it") {
  Written written;
  std::string state;
  {
    TailSampler sampler(remembering(&written), rules_of("errors"), false);
    Program program(&sampler);
    program.start(1, 0, "main", kTrace);
    program.start(2, 1, "step", kTrace);
    program.end(2);
    sampler.conclude();
    CHECK(written.has(1));
    CHECK(sampler.counts().undecided == 1);
    state = sampler.save();
  }
  Written later;
  TailSampler sampler(remembering(&later), rules_of("errors"), false);
  REQUIRE(sampler.restore(state, {}));
  Program program(&sampler);
  program.start(3, 1, "step", kTrace);
  program.end(3);
  program.start(4, 1, "fails", kTrace);
  program.end(4, /*error=*/true);
  sampler.flush();
  CHECK_FALSE(later.has(3));
  CHECK(later.whole(4));
  for (const char* bad : {"", "1", "9\n", "1\n1 2 3\n", "0\n1\n2\n3\n70\n"}) {
    TailSampler other(remembering(&later), rules_of("errors"), false);
    CHECK_FALSE(other.restore(bad, {}));
  }
}

}  // namespace telinject::test::tail_sampler_test
