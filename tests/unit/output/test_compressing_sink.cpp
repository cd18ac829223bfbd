// Compressed files: valid after each flush, whole lines, whatever the disk does.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "shim/sinks/sink.h"
#include "tests/unit/lib/workshop.h"
#include "tests/unit/sinks/children.h"

namespace telinject::test {
namespace {

const std::string kSuffixes[] = {".zst", ".gz"};

std::unique_ptr<Sink> open_sink(const std::string& path) {
  std::string problem;
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
  CHECK(problem == "");
  REQUIRE(sink != nullptr);
  return sink;
}

// What is in the file, which must be valid to its end.
std::string unpacked(const Workshop& workshop, const std::string& name) {
  bool zstd = name.ends_with(".zst");
  workshop.run((zstd ? "zstd -tq " : "gzip -t ") + name);
  workshop.run((zstd ? "zstd -dcq " : "gzip -dc ") + name + " > plain");
  return read_file(workshop.path("plain"));
}

// Lines that do not compress well, `bytes` or a little more of them.
std::string noise(size_t bytes) {
  std::string text;
  uint64_t state = 88172645463325252;
  while (text.size() < bytes) {
    for (int i = 0; i < 10; i++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      text += std::to_string(state);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("lines are there after a flush, and after the end; a further run appends") {
  for (const std::string& suffix : kSuffixes) {
    Workshop workshop;
    std::string name = "events" + suffix, path = workshop.path(name);
    {
      std::unique_ptr<Sink> sink = open_sink(path);
      CHECK(sink->describe() == "file " + path);
      CHECK(sink->write("one\n") == 0);
      CHECK(sink->flush() == 0);
      CHECK(unpacked(workshop, name) == "one\n");
      CHECK(sink->bytes_written() == read_file(path).size());
      CHECK(sink->flush() == 0);  // nothing new: no empty frame
      CHECK(sink->bytes_written() == read_file(path).size());
      CHECK(sink->write("two\n") == 0);
      CHECK(sink->write("three\n") == 0);
    }
    CHECK(unpacked(workshop, name) == "one\ntwo\nthree\n");
    CHECK(open_sink(path)->write("four\n") == 0);
    CHECK(unpacked(workshop, name) == "one\ntwo\nthree\nfour\n");
  }
}

TEST_CASE("many megabytes, in pieces of all sizes, in order") {
  for (const std::string& suffix : kSuffixes) {
    Workshop workshop;
    std::string name = "events" + suffix, all = noise(6 << 20);
    {
      std::unique_ptr<Sink> sink = open_sink(workshop.path(name));
      size_t at = 0, piece = 1;
      while (at < all.size()) {
        size_t end = std::min(all.find('\n', std::min(at + piece, all.size() - 1)), all.size() - 1);
        CHECK(sink->write(std::string_view(all).substr(at, end + 1 - at)) == 0);
        at = end + 1;
        piece = piece > (3 << 20) ? 1 : piece * 3;
      }
    }
    CHECK((unpacked(workshop, name) == all));
  }
}

TEST_CASE("what is written last is in the file soon, without a flush") {
  Workshop workshop;
  std::unique_ptr<Sink> sink = open_sink(workshop.path("events.zst"));
  CHECK(sink->write("one\n") == 0);
  for (int i = 0; i < 600 && read_file(workshop.path("events.zst")).empty(); i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(unpacked(workshop, "events.zst") == "one\n");
}

TEST_CASE("a full disk: whole lines, a valid file, and the rest counted") {
  for (const std::string& suffix : kSuffixes) {
    Workshop workshop;
    std::string name = "events" + suffix, path = workshop.path(name);
    std::string lines = noise(200000);
    size_t count = lines_of(lines).size();
    auto limited = [&](rlim_t limit) {
      return in_child([&] {
        signal(SIGXFSZ, SIG_IGN);
        rlimit rlimit = {limit, limit};
        if (setrlimit(RLIMIT_FSIZE, &rlimit) != 0) return 255;
        std::string problem;
        std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
        if (sink == nullptr) return 254;
        uint64_t lost = sink->write(lines) + sink->flush();
        // A child's status has a byte.
        return static_cast<int>(lost * 100 / count);
      });
    };
    int lost_percent = limited(30000);
    std::string written = unpacked(workshop, name);
    size_t kept = lines_of(written).size();
    CHECK(kept > count / 10);
    CHECK(kept < count / 2);
    CHECK(lines.starts_with(written));
    CHECK(lost_percent == static_cast<int>((count - kept) * 100 / count));
    // No room at all: what was there stays.
    CHECK(limited(read_file(path).size()) == 100);
    CHECK(unpacked(workshop, name) == written);
  }
}

TEST_CASE("a device without room loses all, and says how many") {
  Workshop workshop;
  workshop.run("ln -s /dev/full full.zst");
  std::unique_ptr<Sink> sink = open_sink(workshop.path("full.zst"));
  uint64_t lost = sink->write("a\nb\nc\n");
  CHECK(lost + sink->flush() == 3);
  CHECK(sink->bytes_written() == 0);
}

TEST_CASE("a pipe gets all of it") {
  Workshop workshop;
  std::string path = workshop.path("fifo.gz");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  std::string lines = noise(3 << 20);
  pid_t reader = fork();
  REQUIRE(reader >= 0);
  if (reader == 0) {
    execlp("sh", "sh", "-c", ("gzip -dc < " + path + " > " + workshop.path("plain")).c_str(),
           nullptr);
    _exit(1);
  }
  {
    // Once the reader is there: a FIFO that nobody reads is refused.
    std::unique_ptr<Sink> sink;
    std::string problem;
    for (int i = 0; i < 600 && sink == nullptr; i++) {
      sink = open_file_sink(path, &problem);
      if (sink == nullptr) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    REQUIRE(sink != nullptr);
    CHECK(sink->write(lines) == 0);
    CHECK(sink->flush() == 0);
  }
  int status = 0;
  REQUIRE(waitpid(reader, &status, 0) == reader);
  CHECK(status == 0);
  CHECK((read_file(workshop.path("plain")) == lines));
}

}  // namespace telinject::test
