// What threads did with their time: samples, and what they say of calls.
#include <catch2/catch.hpp>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "tests/unit/drain/program.h"
#include "tests/unit/drain/tree.h"

namespace telinject::test::run_delay_test {
using namespace drain;
namespace {

using nlohmann::json;

constexpr int64_t kMs = 1000000;
constexpr uint64_t kTopOfStack = kStackHi - 0x100;

int this_thread() {
  return static_cast<int>(syscall(SYS_gettid));
}

// A segment of this process, on whose lane 0 this thread writes.
void wrote(RunDelaySampler* sampler, uint32_t lane = 0) {
  sampler->wrote(1, lane, getpid(), getpid(), static_cast<uint32_t>(this_thread()));
}

}  // namespace

TEST_CASE("a thread is found by its number, if that means the same to the program and here") {
  CHECK(schedstat_path(getpid(), getpid(), this_thread()) != "");
  CHECK(schedstat_path(getpid(), getpid() + 1, this_thread()) == "");
  CHECK(schedstat_path(0, 0, this_thread()) == "");
  CHECK(schedstat_path(getpid(), getpid(), 0) == "");
  int tid = 0;
  std::thread([&] { tid = this_thread(); }).join();
  CHECK(schedstat_path(getpid(), getpid(), tid) == "");
  // A fork executes the same, another program does not.
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  pid_t fork_of_this = fork();
  if (fork_of_this == 0) {
    close(ready[1]);
    char byte;
    _exit(read(ready[0], &byte, 1) == 0 ? 0 : 1);
  }
  CHECK(schedstat_path(getpid(), getpid(), fork_of_this) ==
        "/proc/" + std::to_string(fork_of_this) + "/task/" + std::to_string(fork_of_this) +
            "/schedstat");
  close(ready[0]);
  close(ready[1]);
  waitpid(fork_of_this, nullptr, 0);
  CHECK(schedstat_path(getpid(), getpid(), fork_of_this) == "");
  if (getpid() != 1) CHECK(schedstat_path(getpid(), getpid(), 1) == "");
}

TEST_CASE("what the kernel counts is read, and its absence is noticed") {
  uint64_t running = 0, delayed = 0;
  CHECK(read_schedstat(schedstat_path(getpid(), getpid(), this_thread()), &running, &delayed));
  CHECK(running > 0);
  CHECK_FALSE(read_schedstat("/proc/0/schedstat", &running, &delayed));
  Workshop workshop;
  CHECK_FALSE(read_schedstat(workshop.write("off", "0 0 0\n"), &running, &delayed));
  CHECK_FALSE(read_schedstat(workshop.write("other", "nothing\n"), &running, &delayed));
  CHECK(read_schedstat(workshop.write("good", "12 34 5\n"), &running, &delayed));
  CHECK(running == 12);
  CHECK(delayed == 34);
}

TEST_CASE("a thread that writes is sampled at once, again at its end, and seldom between") {
  RunDelaySampler sampler(ClockKind::kMonotonic);
  for (int i = 0; i < 10; i++) wrote(&sampler);
  std::vector<RunDelaySample> samples = sampler.take();
  REQUIRE(!samples.empty());
  CHECK(samples.size() < 10);
  CHECK(samples[0].segment == 1);
  CHECK(samples[0].before <= samples[0].after);
  CHECK(sampler.take().empty());
  sampler.ended(1, 0);
  CHECK(sampler.take().size() == 1);
  sampler.ended(1, 0);
  CHECK(sampler.take().empty());
}

TEST_CASE("many threads at once are not sampled all") {
  RunDelaySampler sampler(ClockKind::kMonotonic);
  for (uint32_t lane = 0; lane < 1000; lane++) wrote(&sampler, lane);
  size_t samples = sampler.take().size();
  CHECK(samples >= RunDelaySampler::kMostInInterval);
  CHECK(samples < 1000);
}

TEST_CASE("calls that were open between two samples contain the delay, others do not say") {
  Tree t;
  Call a = t.call('a', kTopOfStack), b = t.call('b', kTopOfStack - 64),
       c = t.call('c', kTopOfStack - 128);
  t.enter(a);
  t.enter(b);
  auto sampled_at = static_cast<int64_t>(t.ticks);
  t.enter(c);
  t.tree.delayed(5 * kMs, sampled_at);
  t.leave(c);
  CHECK(t.closed_last.delayed_ns == 0);
  t.leave(b);
  CHECK(t.closed_last.delayed_ns == 5 * kMs);
  t.tree.delayed(2 * kMs, static_cast<int64_t>(t.ticks));
  t.leave(a);
  CHECK(t.closed_last.delayed_ns == 7 * kMs);
  t.tree.delayed(kMs, 0);  // nothing is open
}

TEST_CASE("samples are looked at when the records before them have been") {
  Program p;
  uint64_t start = p.ticks;
  auto at = [&](int64_t ms) { p.ticks = start + static_cast<uint64_t>(ms * kMs); };
  auto sample = [&](int64_t ms, int64_t running_ms, int64_t delayed_ms) {
    uint64_t time = start + static_cast<uint64_t>(ms * kMs);
    return RunDelaySample{1,
                          0,
                          time,
                          time + 10,
                          static_cast<uint64_t>(running_ms * kMs),
                          static_cast<uint64_t>(delayed_ms * kMs)};
  };
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  at(15);
  p.enter(&lane, 'b', 1);
  at(45);
  p.leave(&lane, 'b', 1);
  p.enter(&lane, 'c', 1);
  at(60);
  lane.control(p.ticks, ControlKind::kWaited, 0, 4 * kMs);
  at(95);
  p.leave(&lane, 'c', 1);
  p.leave(&lane, 'a', 0);
  Workshop workshop;
  // From 10 to 20 it did not run for 3 ms, from 20 to 40 for 7; then for 6, of which 4 it may have
  // waited for room.
  DrainRun run = drain(&p.segment, {{kTestOsPid, kExited}},
                       {sample(10, 5, 1), sample(20, 10, 4), sample(40, 20, 11), sample(50, 25, 11),
                        sample(90, 45, 17)},
                       workshop.path("totals"));
  CHECK(run.problem == "");
  std::map<char, int64_t> delayed;
  for (const std::string& line : lines_of(run.lines)) {
    json event = json::parse(line);
    if (event["event_type"] != "function_exit") continue;
    std::string name = event["function_name"];
    delayed[static_cast<char>(std::stoul(name, nullptr, 16))] =
        event["attributes"].value("telinject.not_running_ns", int64_t{0});
  }
  CHECK(delayed == std::map<char, int64_t>{{'a', 12 * kMs}, {'b', 7 * kMs}, {'c', 2 * kMs}});
  json threads = json::parse(read_file(workshop.path("totals")))["threads"];
  CHECK(threads == json({{"sampled", 1},
                         {"sampled_ns", 80 * kMs},
                         {"running_ns", 40 * kMs},
                         {"not_running_ns", 16 * kMs},
                         {"blocked_ns", 24 * kMs}}));
}

TEST_CASE("samples that no kernel makes count for nothing") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  uint64_t time = p.ticks;
  p.ticks += 1000;
  p.leave(&lane, 'a', 0);
  constexpr uint64_t kAll = ~uint64_t{0};
  Workshop workshop;
  DrainRun run = drain(&p.segment, {{kTestOsPid, kExited}},
                       {{1, 0, time, time + 1, 5, 5},
                        {1, 0, time + 2, time + 3, kAll, kAll},
                        {1, 0, time + 4, time + 5, 4, 4},
                        {1, 0, time + 9, time + 6, 7, 7},
                        {9, 0, time, time, 1, 1},
                        {1, 99, time, time, 1, 1}},
                       workshop.path("totals"));
  CHECK(run.problem == "");
  json threads = json::parse(read_file(workshop.path("totals")))["threads"];
  CHECK(threads["sampled_ns"] == 0);
  CHECK(threads["not_running_ns"] == 0);
}

}  // namespace telinject::test::run_delay_test
