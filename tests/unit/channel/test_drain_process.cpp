// What a drain is started with: the environment, and the descriptors, signals and arguments that a
// program finds which is executed in its place.
#include <catch2/catch.hpp>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "environ.h"
#include "shim/channel/control.h"
#include "shim/channel/drain_process.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::drain_process_test {
namespace {

using Entries = std::vector<std::string>;

Entries environment_of(std::initializer_list<std::string> entries) {
  Environ given(entries);
  DrainEnvironment environment(given.get(), "1:r:t");
  Entries result;
  for (char* const* e = environment.entries(); *e != nullptr; e++) result.push_back(*e);
  return result;
}

// Runs in a child; what it ends with is its status.
int status_of(const std::function<int()>& child) {
  pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

// A shell script in the drain's place, and files that its descriptors are open on.
class StandIn {
 public:
  StandIn()
      : script_(workshop_.write("drain",
                                "#!/bin/sh\n"
                                "cd \"${0%/*}\"\n"
                                "echo \"$0 $*\" >seen\n"
                                "find /proc/$$/fd -type l -fprintf fds 'fd %f %l\\n'\n"
                                "cat fds >>seen\n"
                                "grep -E 'Sig(Blk|Ign)' /proc/self/status >>seen\n"
                                "env >>seen\n")) {
    REQUIRE(chmod(script_.c_str(), 0755) == 0);
  }
  const char* file() const { return script_.c_str(); }
  int open_file(const std::string& name) const {
    return open(workshop_.write(name, "").c_str(), O_RDWR | O_CLOEXEC);
  }
  // The lines that the script wrote, without the directory.
  Entries seen() const {
    std::string text = read_file(workshop_.path("seen"));
    std::string place = workshop_.directory() + "/";
    for (size_t at; (at = text.find(place)) != std::string::npos;) text.erase(at, place.size());
    return lines_of(text);
  }
  bool has(const std::string& line) const {
    Entries all = seen();
    return std::find(all.begin(), all.end(), line) != all.end();
  }
  // What is open below 10, where the shell has the script.
  Entries descriptors() const {
    Entries result;
    for (const std::string& line : seen()) {
      if (line.rfind("fd ", 0) == 0 && line[4] == ' ') result.push_back(line.substr(3));
    }
    std::sort(result.begin(), result.end());
    return result;
  }

 private:
  Workshop workshop_;
  std::string script_;
};

}  // namespace

TEST_CASE("the drain's environment has this session, and nothing for the program's runtimes") {
  CHECK(environment_of({}) == Entries{"TELINJECT_SESSION=1:r:t"});
  CHECK(environment_of({"A=1", "TELINJECT_SESSION=other", "DEBUG=true"}) ==
        Entries{"A=1", "DEBUG=true", "TELINJECT_SESSION=1:r:t"});
  CHECK(environment_of({"LD_PRELOAD=x", "LD_LIBRARY_PATH=x", "MALLOC_ARENA_MAX=1",
                        "GLIBC_TUNABLES=x"}) == Entries{"TELINJECT_SESSION=1:r:t"});
  CHECK(environment_of({"ASAN_OPTIONS=x", "LSAN_OPTIONS=x", "UBSAN_OPTIONS=x", "RTSAN_OPTIONS=x",
                        "HWASAN_OPTIONS=x"}) == Entries{"TELINJECT_SESSION=1:r:t"});
  CHECK(environment_of({"LDX=1", "TEXT=ASAN_OPTIONS=1", "OPTIONS=1", "MALLOC",
                        "GLIBC_TUNABLESX=1"}) == Entries{"LDX=1", "TEXT=ASAN_OPTIONS=1",
                                                         "OPTIONS=1", "MALLOC", "GLIBC_TUNABLESX=1",
                                                         "TELINJECT_SESSION=1:r:t"});
}

TEST_CASE("a large environment") {
  std::vector<std::string> entries(20000, "LONG=environment");
  std::vector<char*> pointers;
  for (std::string& entry : entries) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  DrainEnvironment environment(pointers.data(), "x");
  CHECK(environment.entries()[19999] == pointers[19999]);
  CHECK(std::string(environment.entries()[20000]) == "TELINJECT_SESSION=x");
  CHECK(environment.entries()[20001] == nullptr);
}

TEST_CASE("the drain's descriptors are where it looks for them, and no others are open") {
  StandIn drain;
  Environ environment({"PATH=/usr/bin:/bin", "A=1"});
  int status = status_of([&] {
    // In each other's way: what is the drain's descriptor 3 is this process's 4, and so on.
    int files[] = {drain.open_file("control"), drain.open_file("path"), drain.open_file("abstract"),
                   drain.open_file("pidfd"), drain.open_file("output")};
    for (int& fd : files) fd = fcntl(fd, F_DUPFD_CLOEXEC, 30);
    dup2(files[0], 4), dup2(files[1], 3), dup2(files[2], 7), dup2(files[3], 5), dup2(files[4], 6);
    dup2(files[0], 20);
    signal(SIGUSR1, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    return static_cast<int>(-become_drain({.file = drain.file(),
                                           .mode = SessionMode::kTelrun,
                                           .envp = environment.get(),
                                           .control_or_segment = 4,
                                           .path_listener = 3,
                                           .abstract_listener = 7,
                                           .pidfd = 5,
                                           .output = 6}));
  });
  CHECK(status == 0);
  CHECK(drain.seen()[0] == "drain --session");
  Entries open = drain.descriptors();
  REQUIRE(open.size() == 8);
  CHECK(open[0] == "0 /dev/null");
  CHECK(open[1] == "1 /dev/null");
  CHECK(open[kDrainControlFd] == "3 control");
  CHECK(open[kDrainListenFd] == "4 path");
  CHECK(open[kDrainAbstractFd] == "5 abstract");
  CHECK(open[kDrainPidfdFd] == "6 pidfd");
  CHECK(open[kDrainOutputFd] == "7 output");
  CHECK_FALSE(drain.has("fd 20 control"));
  CHECK(drain.has("SigBlk:\t0000000000000000"));
  CHECK(drain.has("SigIgn:\t0000000000000000"));
  CHECK(drain.has("A=1"));
}

TEST_CASE("descriptors that are not there stay closed; a closed stderr is /dev/null") {
  StandIn drain;
  Environ environment({"PATH=/usr/bin:/bin"});
  bool taken = GENERATE(false, true);  // its number is that of a descriptor of ours
  CHECK(status_of([&] {
          int segment = drain.open_file("segment");
          close(2);
          if (taken) segment = dup2(segment, 2);
          return static_cast<int>(-become_drain({.file = drain.file(),
                                                 .mode = SessionMode::kPreload,
                                                 .envp = environment.get(),
                                                 .control_or_segment = segment}));
        }) == 0);
  CHECK(drain.seen()[0] == "drain --preload");
  CHECK(drain.descriptors() == Entries{"0 /dev/null", "1 /dev/null", "2 /dev/null", "3 segment"});
}

TEST_CASE("what keeps a drain from starting is said") {
  Environ environment({});
  CHECK(
      status_of([&] {
        return static_cast<int>(-become_drain(
            {.file = "/no/such/drain", .mode = SessionMode::kPreload, .envp = environment.get()}));
      }) == ENOENT);
  CHECK(status_of([&] {
          rlimit few = {8, 8};
          setrlimit(RLIMIT_NOFILE, &few);
          return static_cast<int>(-become_drain({.file = "/bin/true",
                                                 .mode = SessionMode::kPreload,
                                                 .envp = environment.get(),
                                                 .control_or_segment = dup(0)}));
        }) == EMFILE);
}

}  // namespace telinject::test::drain_process_test
