// What telrun says at the end.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "shim/drain/report/summary.h"
#include "shim/drain/report/totals_report.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::summary_test {
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
  facts.destinations = {{"file /tmp/t.jsonl", 12345678, ""}};
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

// Another value of a variable of the environment, for a while.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    const char* before = getenv(name);
    before_ = before != nullptr ? before : "";
    setenv(name, value, 1);
  }
  ~Variable() { setenv(name_, before_.c_str(), 1); }

 private:
  const char* name_;
  std::string before_;
};

}  // namespace

TEST_CASE("numbers, losses, where the data is, and what to do next") {
  Workshop workshop;
  chmod(workshop.write("jq", "").c_str(), 0700);
  Variable path("PATH", workshop.directory().c_str());
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

TEST_CASE("what failed, and a command that shows it") {
  CHECK_FALSE(has(summary_text(facts_of(1), {}, {}), "  failed "));
  ErrorTotals errors;
  errors.process("SIGSEGV", "SIGSEGV: address not mapped, at 0x10",
                 "#0 crash (a.cpp:3) a+0x1\n#1 main");
  std::string stack = "#0 find_user (users.cpp:33) app+0x10\n#1 main (m.cpp:1) app+0x2";
  for (int i = 0; i < 1000; i++) errors.exception("std::runtime_error", "no such user", stack);
  for (const char* type : {"A", "B", "C"}) errors.exception(type, "", "");
  std::string text = summary_text(facts_of(1), {}, {}, {}, errors);
  CHECK(has(text, "  failed     SIGSEGV: address not mapped, at 0x10, in crash (a.cpp:3) a+0x1\n"));
  CHECK(has(text,
            "  thrown     std::runtime_error: no such user, in find_user (users.cpp:33) app+0x10"
            "  (the first of 1,000)\n             A\n             B\n"
            "             and 1 other\n"));
  errors.exception("E\x1b[2J", "\x1b[31m", "");
  CHECK_FALSE(has(summary_text(facts_of(1), {}, {}, {}, errors), "\x1b"));
}

TEST_CASE("a command for what the file is, and with what is installed") {
  SummaryFacts facts = facts_of(1);
  facts.file = "/tmp/my trace.jsonl.zst";
  ErrorTotals errors;
  errors.exception("E", "", "");
  Workshop workshop;
  Variable path("PATH", workshop.directory().c_str());
  CHECK_FALSE(has(summary_text(facts, {}, {}), "  next "));
  CHECK(has(summary_text(facts, {}, {}, {}, errors),
            "  next       zstdcat '/tmp/my trace.jsonl.zst' | grep '\"error\":' | head\n"));
  chmod(workshop.write("jq", "").c_str(), 0700);
  CHECK(
      has(summary_text(facts, {}, {}), "  next       zstdcat '/tmp/my trace.jsonl.zst' | jq -c "));
  facts.file = "/tmp/t.jsonl";
  CHECK(has(summary_text(facts, {}, {}, {}, errors),
            "  next       jq -c 'select(.error) | [.function_name, .error.type, .error.message]' "
            "/tmp/t.jsonl | head\n"));
  facts.sample_rate = kRateOne / 2;  // of the error no event may have been written
  CHECK_FALSE(has(summary_text(facts, {}, {}, {}, errors), "select(.error)"));
}

TEST_CASE("how long threads waited for room, if they did") {
  SummaryFacts facts = facts_of(1);
  CHECK_FALSE(has(summary_text(facts, {}, {}), "waited"));
  facts.waits = 1;
  facts.waited_ns = 1500000;
  CHECK(has(summary_text(facts, {}, {}),
            "  waited     1.5 ms in 1 wait for room, not counted in the other times\n"));
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
  CHECK(
      has(text,
          "  left out   1,234 by --min-duration, 5 by --exclude; the totals below include them\n"));
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
  facts.destinations = {{"standard error", 1, ""}};
  CHECK(has(summary_text(facts, {}, {}), "--file trace.jsonl"));
}

TEST_CASE("each destination has a line, with what became of the events") {
  SummaryFacts facts = facts_of(3);
  facts.bytes_before = 1000;
  facts.destinations = {{"file /tmp/t.jsonl", 2000, ""},
                        {"http http://host/path", 500, "4 sent, 2 rejected"}};
  CHECK(has(summary_text(facts, {}, {}),
            "  data       file /tmp/t.jsonl, 6 events, 3000 bytes\n"
            "             http http://host/path, 4 sent, 2 rejected, 500 bytes\n"));
  facts.file = "";
  facts.destinations.erase(facts.destinations.begin());
  CHECK_FALSE(has(summary_text(facts, {}, {}), "next  "));
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
    CHECK(has(text, "telrun: no function call was recorded\n"));
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
  facts.untraced = {{"no memory for its segment", 1}};
  CHECK(has(summary_text(facts, {}, {}), "because    no memory for its segment\n"));
}

TEST_CASE("the cost of a call is measured") {
  double ns = measure_pair_cost_ns();
  CHECK(ns > 0);
  CHECK(ns < 1e6);
}

TEST_CASE("a number that is not known is called so") {
  Losses losses;
  losses.add(LossReason::kQueueFull, 5);
  losses.add_unknown(LossReason::kQueueFull);
  losses.add(LossReason::kQueueFull, 7);
  CHECK(has(summary_text(facts_of(1), losses, {}), "lost       queue_full an unknown number\n"));
  CHECK(losses.total() == Losses::kUnknown);
  CHECK(has(totals_json(facts_of(1), losses, {}, {}), "\"lost_calls\": null"));
}

TEST_CASE("names in the summary are printable, and stay on their line") {
  SummaryFacts facts = facts_of(1);
  facts.destinations = {{"file a\x1b[2J\nlost       nothing"}};
  facts.file = "a\x1b[2J\nb";
  std::string text = summary_text(facts, {}, {total("f\x1b]0;x\a\n  lost       nothing", 1)});
  for (const std::string& line : lines_of(text)) {
    CAPTURE(line);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(!line.starts_with("b"));
  }
  CHECK(has(text, "data       file a\\x1b[2J\\nlost       nothing, 2 events"));
  CHECK(has(text, "  f\\x1b]0;x\\x07\\n  lost       nothing"));
  CHECK(has(
      text,
      "jq -c 'select(.duration_ms > 1) | [.duration_ms, .function_name]' $'a\\033[2J\\012b' |"));
  facts.file = "my file's.zst";
  CHECK(has(summary_text(facts, {}, {}), "zstdcat 'my file'\\''s.zst' | "));
}

}  // namespace telinject::test::summary_test
