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

namespace telinject::test::compressing_sink_test {
namespace {

const std::string kSuffixes[] = {".zst", ".gz"};

// So many threads that compress.
constexpr size_t kWorkers[] = {1, 2, 5};

std::unique_ptr<Sink> open_sink(const std::string& path, size_t workers = 1) {
  std::string problem;
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem, {.most = workers});
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

namespace {

void write_in_pieces(std::string_view all, Sink* sink) {
  size_t at = 0, piece = 1;
  while (at < all.size()) {
    size_t end = std::min(all.find('\n', std::min(at + piece, all.size() - 1)), all.size() - 1);
    CHECK(sink->write(all.substr(at, end + 1 - at)) == 0);
    at = end + 1;
    piece = piece > (3 << 20) ? 1 : piece * 3;
  }
}

}  // namespace

TEST_CASE("many megabytes, in pieces of all sizes, in order") {
  for (const std::string& suffix : kSuffixes) {
    for (size_t workers : kWorkers) {
      Workshop workshop;
      // Easy and hard to compress in turn: who began first is not who is done first.
      std::string name = "events" + suffix, all;
      for (size_t i = 0; i < 4; i++) {
        all += noise(3 << 19);
        for (size_t j = 0; j < 1 << 17; j++) all += "an event\n";
      }
      write_in_pieces(all, open_sink(workshop.path(name), workers).get());
      CHECK((unpacked(workshop, name) == all));
    }
  }
}

TEST_CASE("a flush waits for all that compress") {
  Workshop workshop;
  std::unique_ptr<Sink> sink = open_sink(workshop.path("events.zst"), 4);
  std::string block = noise(1 << 20), all;
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j <= 3 * i; j++) {
      CHECK(sink->write(block) == 0);
      all += block;
    }
    CHECK(sink->flush() == 0);
    CHECK((unpacked(workshop, "events.zst") == all));
    CHECK(sink->bytes_written() == read_file(workshop.path("events.zst")).size());
  }
}

TEST_CASE("several that compress, and a disk that fills up: a valid file, and the rest counted") {
  Workshop workshop;
  std::string path = workshop.path("events.zst"), lines = noise(8 << 20);
  size_t count = lines_of(lines).size();
  int lost_percent = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 255;
    std::string problem;
    std::unique_ptr<Sink> sink = open_file_sink(path, &problem, {.most = 4});
    if (sink == nullptr) return 254;
    uint64_t lost = 0;
    for (size_t at = 0; at < lines.size();) {
      size_t end =
          std::min(lines.find('\n', std::min(at + (1 << 20), lines.size() - 1)) + 1, lines.size());
      lost += sink->write(std::string_view(lines).substr(at, end - at));
      at = end;
    }
    lost += sink->flush();
    return static_cast<int>(lost * 100 / count);
  });
  std::string written = unpacked(workshop, "events.zst");
  size_t kept = lines_of(written).size();
  CHECK(kept > 0);
  CHECK(kept < count / 2);
  CHECK(lost_percent == static_cast<int>((count - kept) * 100 / count));
}

TEST_CASE("what is written last is in the file soon, without a flush") {
  for (size_t workers : kWorkers) {
    Workshop workshop;
    std::unique_ptr<Sink> sink = open_sink(workshop.path("events.zst"), workers);
    std::string lines = noise(4 << 20);
    write_in_pieces(lines, sink.get());
    CHECK(sink->flush() == 0);
    CHECK(sink->write("one\n") == 0);
    auto all_is_there = [&] { return unpacked(workshop, "events.zst").size() > lines.size(); };
    for (int i = 0; i < 600 && !all_is_there(); i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    CHECK((unpacked(workshop, "events.zst") == lines + "one\n"));
  }
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

}  // namespace telinject::test::compressing_sink_test
