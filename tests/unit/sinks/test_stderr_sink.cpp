// Events on standard error: a file, a pipe, a closed one, one that nobody reads.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "children.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::stderr_sink_test {
namespace {

// Runs `work` in a child whose descriptor 2 is `fd` (-1: closed), taken over as in the drain.
template <typename Work>
int with_stderr(int fd, Work&& work) {
  return in_child([&] {
    signal(SIGPIPE, SIG_IGN);  // as the drain's main() does
    if (fd >= 0) {
      dup2(fd, 2);
      close(fd);
    } else {
      close(2);
    }
    StandardError::take_over();
    return work();
  });
}

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    read_end = fds[0];
    write_end = fds[1];
  }
  ~Pipe() {
    close_write();
    close_read();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_write() { close_end(&write_end); }
  void close_read() { close_end(&read_end); }
  std::string read_all() {
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(read_end, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }

 private:
  static void close_end(int* fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
};

}  // namespace

TEST_CASE("descriptor 2 is /dev/null once it is taken over") {
  Workshop workshop;
  int fd = open(workshop.path("out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  CHECK(with_stderr(fd, [] {
          if (!StandardError::get().usable()) return 1;
          (void)!write(2, "stray\n", 6);
          return StandardError::get().tell("kept\n", -1) ? 0 : 2;
        }) == 0);
  close(fd);
  CHECK(read_file(workshop.path("out")) == "kept\n");
}

TEST_CASE("a file's offset stays shared with the program's own descriptor") {
  Workshop workshop;
  int fd = open(workshop.path("out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  REQUIRE(write(fd, "before\n", 7) == 7);
  CHECK(with_stderr(fd, [] { return static_cast<int>(open_stderr_sink()->write("event\n")); }) ==
        0);
  REQUIRE(write(fd, "after\n", 6) == 6);
  close(fd);
  CHECK(read_file(workshop.path("out")) == "before\nevent\nafter\n");
}

TEST_CASE("a closed standard error loses what is written, counted") {
  CHECK(with_stderr(-1, [] {
          if (StandardError::get().usable()) return 100;
          std::unique_ptr<Sink> sink = open_stderr_sink();
          uint64_t lost = sink->write("a\nb\n") + sink->write("c\n");
          return sink->bytes_written() == 0 ? static_cast<int>(lost) : 101;
        }) == 3);
}

TEST_CASE("a standard error that is only for reading counts as closed") {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK(with_stderr(fd, [] { return StandardError::get().usable() ? 1 : 0; }) == 0);
  close(fd);
}

TEST_CASE("a full device loses what is written, without a stop") {
  int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK(with_stderr(fd, [] { return static_cast<int>(open_stderr_sink()->write("a\nb\n")); }) == 2);
  close(fd);
}

TEST_CASE("a pipe gets every line, and the hold on it does not keep its reader waiting") {
  std::string lines;
  for (int i = 0; i < 20; i++) lines += std::string(200, static_cast<char>('a' + i)) + "\n";
  // The one process that still knows the pipe reads it to its end: only a writer would delay that.
  CHECK(in_child([&] {
          Pipe pipe;
          dup2(pipe.write_end, 2);
          pipe.close_write();
          StandardError::take_over();
          StandardError::let_go();
          alarm(20);
          if (open_stderr_sink()->write(lines) != 0) return 1;
          return fcntl(pipe.read_end, F_SETFL, 0) == 0 && pipe.read_all() == lines ? 0 : 2;
        }) == 0);
}

TEST_CASE("a pipe without a reader loses what is written: no signal, no stop") {
  Pipe pipe;
  pipe.close_read();
  CHECK(with_stderr(pipe.write_end, [] {
          std::unique_ptr<Sink> sink = open_stderr_sink();
          return static_cast<int>(sink->write("a\nb\n") + sink->write("c\n"));
        }) == 3);
}

TEST_CASE("in a hurry, a pipe that nobody reads is given up") {
  Pipe pipe;
  CHECK(with_stderr(pipe.write_end, [] {
          std::unique_ptr<Sink> sink = open_stderr_sink();
          sink->hurry();
          std::string lines;
          for (int i = 0; i < 4000; i++) lines += std::string(99, 'x') + "\n";
          uint64_t lost = sink->write(lines);
          uint64_t written = sink->bytes_written();
          if (written == 0 || written >= lines.size()) return 1;
          return lost == (lines.size() - written + 99) / 100 ? 0 : 2;
        }) == 0);
}

TEST_CASE("in a pipe, pieces are whole lines of at most PIPE_BUF bytes, so that none is split") {
  // Two writers at once on one pipe; each line must come out whole.
  Pipe pipe;
  constexpr int kLines = 300;
  pid_t writers[2];
  for (int w = 0; w < 2; w++) {
    writers[w] = fork();
    REQUIRE(writers[w] >= 0);
    if (writers[w] == 0) {
      dup2(pipe.write_end, 2);
      StandardError::take_over();
      std::string lines;
      for (int i = 0; i < kLines; i++) {
        lines += std::string(static_cast<size_t>(100 + 37 * (i % 80)), static_cast<char>('a' + w));
        lines += "\n";
      }
      _exit(static_cast<int>(open_stderr_sink()->write(lines)));
    }
  }
  pipe.close_write();
  std::string text = pipe.read_all();
  for (pid_t writer : writers) {
    int status = 0;
    REQUIRE(waitpid(writer, &status, 0) == writer);
    CHECK(status == 0);
  }
  size_t whole = 0, lines = 0;
  for (const std::string& line : lines_of(text)) {
    lines++;
    whole += !line.empty() && line.find_first_not_of(line[0]) == std::string::npos;
  }
  CHECK(lines == 2 * kLines);
  CHECK(whole == lines);
}

TEST_CASE("a socket is kept, for it cannot be opened anew") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  CHECK(with_stderr(ends[0], [] { return static_cast<int>(open_stderr_sink()->write("a\n")); }) ==
        0);
  char text[3] = {};
  CHECK(read(ends[1], text, 2) == 2);
  CHECK(std::string(text) == "a\n");
  close(ends[0]);
  close(ends[1]);
}

}  // namespace telinject::test::stderr_sink_test
