// Events into files: appended, in whole lines, whatever the disk does.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "children.h"
#include "shim/sinks/new_file.h"
#include "shim/sinks/sink.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::file_sink_test {
namespace {

std::unique_ptr<Sink> open_sink(const std::string& path) {
  std::string problem;
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
  CHECK(problem == "");
  REQUIRE(sink != nullptr);
  return sink;
}

mode_t mode_of(const std::string& path) {
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

std::string problem_of(const std::string& path) {
  std::string problem;
  CHECK(open_file_sink(path, &problem) == nullptr);
  return problem;
}

// Writes with a limit on the file's size, as a full disk would have it: the kernel writes as much
// as fits, then fails. Returns how many lines were lost.
int write_limited(const std::string& path, rlim_t limit, const std::string& lines) {
  return in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit rlimit = {limit, limit};
    if (setrlimit(RLIMIT_FSIZE, &rlimit) != 0) return 100;
    std::string problem;
    std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
    if (sink == nullptr) return 101;
    uint64_t lost = sink->write(lines);
    return static_cast<int>(lost);
  });
}

}  // namespace

TEST_CASE("a file is made, appended to, and never cut") {
  Workshop workshop;
  std::string path = workshop.path("events");
  mode_t mask = umask(022);
  {
    std::unique_ptr<Sink> sink = open_sink(path);
    CHECK(sink->write("one\n") == 0);
    CHECK(sink->write("two\nthree\n") == 0);
    CHECK(sink->bytes_written() == 14);
    CHECK(sink->describe() == "file " + path);
  }
  umask(mask);
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(open_sink(path)->write("four\n") == 0);
  CHECK(read_file(path) == "one\ntwo\nthree\nfour\n");
}

TEST_CASE("several sinks on one file mix lines, not pieces of them") {
  Workshop workshop;
  std::string path = workshop.path("events");
  constexpr int kLines = 2000;
  int status = 0;
  pid_t other = fork();
  REQUIRE(other >= 0);
  std::string problem;
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
  uint64_t lost = 0;
  std::string line(200, other == 0 ? 'a' : 'b');
  for (int i = 0; i < kLines; i++) lost += sink->write(line + "\n");
  if (other == 0) _exit(lost == 0 ? 0 : 1);
  REQUIRE(waitpid(other, &status, 0) == other);
  CHECK(status == 0);
  CHECK(lost == 0);
  size_t whole = 0;
  for (const std::string& text : lines_of(read_file(path))) {
    whole += text == std::string(200, 'a') || text == std::string(200, 'b');
  }
  CHECK(whole == 2 * kLines);
}

TEST_CASE("what cannot be opened is said in one line, with the file and the reason") {
  Workshop workshop;
  CHECK(problem_of(workshop.directory()) ==
        "TELEMETRY_FILE=" + workshop.directory() + ": Is a directory");
  CHECK(problem_of(workshop.path("none/events")) ==
        "TELEMETRY_FILE=" + workshop.path("none/events") + ": No such file or directory");
}

TEST_CASE("a full disk loses whole lines, counted, and leaves no piece of one") {
  Workshop workshop;
  std::string path = workshop.path("events");
  // Room for two lines and a half.
  CHECK(write_limited(path, 25, "line one_\nline two_\nline three\nline four\n") == 2);
  CHECK(read_file(path) == "line one_\nline two_\n");
  // ... for exactly two.
  workshop.write("events", "");
  CHECK(write_limited(path, 20, "line one_\nline two_\nline three\n") == 1);
  CHECK(read_file(path) == "line one_\nline two_\n");
  // ... for half of the first.
  workshop.write("events", "old\n");
  CHECK(write_limited(path, 9, "line one_\nline two_\n") == 2);
  CHECK(read_file(path) == "old\n");
  // ... for nothing at all.
  CHECK(write_limited(path, 4, "line one_\nline two_\n") == 2);
  CHECK(read_file(path) == "old\n");
  // ... for a line but not its end.
  workshop.write("events", "");
  CHECK(write_limited(path, 19, "line one_\nline two_\n") == 1);
  CHECK(read_file(path) == "line one_\n");
}

TEST_CASE("a device without room loses all, and says how many") {
  std::unique_ptr<Sink> sink = open_sink("/dev/full");
  CHECK(sink->write("a\nb\nc\n") == 3);
  CHECK(sink->bytes_written() == 0);
}

TEST_CASE("a pipe that is read slowly gets all of it") {
  Workshop workshop;
  std::string path = workshop.path("fifo");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  std::string line(999, 'x');
  pid_t reader = fork();
  REQUIRE(reader >= 0);
  if (reader == 0) {
    int fd = open(path.c_str(), O_RDONLY);
    char buffer[4096];
    size_t total = 0;
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) total += static_cast<size_t>(n);
    _exit(total == 500 * 1000 ? 0 : 1);
  }
  uint64_t lost = 0;
  {
    std::unique_ptr<Sink> sink = open_sink(path);
    for (int i = 0; i < 500; i++) lost += sink->write(line + "\n");
  }
  int status = 0;
  REQUIRE(waitpid(reader, &status, 0) == reader);
  CHECK(lost == 0);
  CHECK(status == 0);
}

TEST_CASE("a new file is its owner's, or has the permissions asked for; an old one keeps its own") {
  Workshop workshop;
  mode_t umask_before = umask(022);
  open_sink(workshop.path("own"));
  CHECK(mode_of(workshop.path("own")) == 0600);
  set_new_file_mode(0664);
  open_sink(workshop.path("asked"));
  CHECK(mode_of(workshop.path("asked")) == 0664);
  open_sink(workshop.path("own"));
  CHECK(mode_of(workshop.path("own")) == 0600);
  set_new_file_mode(kOwnFileMode);
  open_sink(workshop.path("asked"));
  CHECK(mode_of(workshop.path("asked")) == 0664);
  open_sink(workshop.path("packed.zst"));
  CHECK(mode_of(workshop.path("packed.zst")) == 0600);
  umask(umask_before);
}

}  // namespace telinject::test::file_sink_test
