// What telrun says at the end.
#include <catch2/catch.hpp>

#include <string>

#include "shim/drain/report/summary.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test {
using namespace drain;
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

SummaryFacts facts_of(uint64_t spans) {
  SummaryFacts facts;
  facts.spans = spans;
  facts.events = 2 * spans;
  facts.processes = 1;
  facts.joined = 1;
  facts.bytes = 12345678;
  facts.destination = "file /tmp/t.jsonl";
  facts.file = "/tmp/t.jsonl";
  return facts;
}

FunctionTotals total(const std::string& name, int64_t self_ns, uint64_t calls = 2) {
  FunctionTotals totals;
  totals.name = name;
  totals.calls = calls;
  totals.self_ns = self_ns;
  totals.total_ns = 2 * self_ns;
  totals.min_ns = 0;
  totals.max_ns = self_ns + 1;
  return totals;
}

}  // namespace

TEST_CASE("numbers, losses, where the data is, and what to do next") {
  Losses losses;
  std::string text = summary_text(facts_of(1234567), losses, {});
  CHECK(has(text, "telrun: 1,234,567 spans in 1 process\n"));
  CHECK(has(text, "lost       nothing\n"));
  CHECK(has(text, "data       file /tmp/t.jsonl, 2,469,134 events, 12.3 MB\n"));
  CHECK(has(text, "/tmp/t.jsonl | sort"));
  CHECK(text.back() == '\n');
  losses.add(LossReason::kQueueFull, 1000);
  losses.add(LossReason::kNoLane, 2);
  text = summary_text(facts_of(1), losses, {});
  CHECK(has(text, "telrun: 1 span in 1 process\n"));
  CHECK(has(text, "lost       queue_full 1,000, no_lane 2\n"));
  CHECK(has(text, "TELEMETRY_ON_FULL=block"));
}

TEST_CASE("how long threads waited for room, if they did") {
  SummaryFacts facts = facts_of(1);
  CHECK_FALSE(has(summary_text(facts, {}, {}), "waited"));
  facts.waits = 1;
  facts.waited_ns = 1500000;
  CHECK(has(summary_text(facts, {}, {}),
            "  waited     1.5 ms in 1 wait for room, taken out of all times\n"));
  facts.waits = 1234;
  CHECK(has(summary_text(facts, {}, {}), " in 1,234 waits for room, "));
}

TEST_CASE("how much of their time threads were running, if it is known") {
  SummaryFacts facts = facts_of(1);
  CHECK_FALSE(has(summary_text(facts, {}, {}), "  ran "));
  facts.run = {1, 10000000, 6000000, 1500000};
  CHECK(has(summary_text(facts, {}, {}),
            "  ran        6.0 ms, ready but not running 1.5 ms, blocked 2.5 ms (1 thread for 10.0 "
            "ms)\n"));
}

TEST_CASE("functions by their own time, those that ended") {
  std::deque<FunctionTotals> totals = {total("tiny", 5),         total("never", 1000000000, 0),
                                       total("big", 2000000000), total("mid", 1500000),
                                       total("small", 1500),     total("fifth", 10),
                                       total("sixth", 1)};
  std::string text = summary_text(facts_of(10), {}, totals);
  size_t at = 0;
  for (const char* name : {"big", "mid", "small", "fifth", "tiny", "sixth"}) {
    size_t found = text.find(std::string("    ") + name + " ", at);
    CAPTURE(name);
    REQUIRE(found != std::string::npos);
    at = found;
  }
  CHECK_FALSE(has(text, "never"));
  CHECK(has(text, "2.00 s"));
  CHECK(has(text, "1.5 ms"));
  CHECK(has(text, "1.5 us"));
  CHECK(has(text, "10 ns"));
}

TEST_CASE("a long name is cut, in whole characters") {
  std::string text = summary_text(facts_of(1), {}, {total(std::string(60, 'n'), 1)});
  CHECK(has(text, "    " + std::string(33, 'n') + "... "));
  std::string umlauts;
  for (int i = 0; i < 40; i++) umlauts += "\xc3\xbc";
  text = summary_text(facts_of(1), {}, {total(umlauts, 1)});
  size_t dots = text.find("...");
  REQUIRE(dots != std::string::npos);
  CHECK(text[dots - 1] == '\xbc');
}

TEST_CASE(
    "what filters left out is told, by filter, and is no reason to ask why nothing was seen") {
  SummaryFacts facts = facts_of(0);
  facts.events = 0;
  facts.filtered[static_cast<size_t>(FilteredBy::kMinDuration)] = 1234;
  facts.filtered[static_cast<size_t>(FilteredBy::kExclude)] = 5;
  std::string text = summary_text(facts, {}, {});
  CHECK(has(text, "telrun: 0 spans in 1 process\n"));
  CHECK(has(text,
            "  left out   1,234 by --min-duration, 5 by --exclude; the totals below have them\n"));
  CHECK(has(text, "lost       nothing\n"));
}

TEST_CASE("a compressed file is read through the program for it") {
  SummaryFacts facts = facts_of(1);
  facts.file = "/tmp/t.jsonl.zst";
  CHECK(has(summary_text(facts, {}, {}), "  next       zstdcat /tmp/t.jsonl.zst | jq -c "));
  facts.file = "/tmp/t.jsonl.gz";
  CHECK(has(summary_text(facts, {}, {}), "  next       zcat /tmp/t.jsonl.gz | jq -c "));
}

TEST_CASE("events among the output of the program: a hint to keep them apart") {
  SummaryFacts facts = facts_of(3);
  facts.file = "";
  facts.destination = "standard error";
  CHECK(has(summary_text(facts, {}, {}), "--file trace.jsonl"));
}

TEST_CASE("if no function was seen, the reason and what to do") {
  Workshop workshop;
  workshop.write("main.c", "int main(void) { return 0; }\n");
  workshop.run("gcc main.c -o plain && gcc -static main.c -o static");
  workshop.run("gcc -finstrument-functions main.c -o traced");
  workshop.write("hooks.c",
                 "void __cyg_profile_func_enter(void* a, void* b) {}\n"
                 "void __cyg_profile_func_exit(void* a, void* b) {}\n");
  workshop.run("gcc main.c hooks.c -o own");
  workshop.run("cp plain setuid && chmod u+s setuid");
  workshop.run("gcc main.c -o musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1");
  auto why = [&](const std::string& name, uint64_t joined) {
    SummaryFacts facts;
    facts.program = workshop.path(name);
    facts.joined = joined;
    std::string text = summary_text(facts, {}, {});
    CHECK(has(text, "telrun: no function was seen\n"));
    return text;
  };
  CHECK(has(why("plain", 1), "was not compiled with -finstrument-functions"));
  CHECK(has(why("plain", 1), "CC=telcc"));
  CHECK(has(why("static", 0), "is statically linked"));
  CHECK(has(why("setuid", 0), "set-user-ID"));
  CHECK(has(why("musl", 0), "ld-musl"));
  CHECK(has(why("own", 1), "brings hooks of its own"));
  CHECK(has(why("traced", 0), "the library was not loaded"));
  CHECK(has(why("traced", 1), "made no call"));
  SummaryFacts facts;
  facts.program = workshop.path("plain");
  facts.untraced = {"no memory for its segment"};
  CHECK(has(summary_text(facts, {}, {}), "because    no memory for its segment\n"));
}

TEST_CASE("the cost of a call is measured") {
  double ns = measure_pair_cost_ns();
  CHECK(ns > 0);
  CHECK(ns < 1e6);
}

}  // namespace telinject::test
