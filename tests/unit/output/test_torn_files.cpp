// Files whose last writer was killed within a line or a frame, and others that only look so.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>

#include "shim/sinks/frame_end.h"
#include "shim/sinks/sink.h"
#include "tests/unit/lib/workshop.h"
#include "tests/unit/sinks/children.h"

namespace telinject::test::torn_files_test {
namespace {

// Opens, writes, ends. Returns what it had to say of the file.
std::string append(const std::string& path, const std::string& lines) {
  std::string problem;
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
  REQUIRE(sink != nullptr);
  CHECK(sink->write(lines) == 0);
  CHECK(sink->flush() == 0);
  return problem;
}

std::string unpacked(const Workshop& workshop, const std::string& name) {
  bool zstd = name.ends_with(".zst");
  workshop.run((zstd ? "zstd -tq " : "gzip -t ") + name);
  workshop.run((zstd ? "zstd -dcq " : "gzip -dc ") + name + " > plain");
  return read_file(workshop.path("plain"));
}

std::string numbers(int from, int to) {
  std::string text;
  for (int i = from; i < to; i++) text += "line " + std::to_string(i * 7919) + "\n";
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("behind a torn line events begin on a new one") {
  Workshop workshop;
  std::string path = workshop.path("events");
  workshop.write("events", "one\ntw");
  std::string problem = append(path, "three\n");
  CHECK(contains(problem, "TELEMETRY_FILE=" + path + ": ends in a torn line"));
  CHECK(read_file(path) == "one\ntw\nthree\n");
  CHECK(append(path, "four\n").empty());
  CHECK(read_file(path) == "one\ntw\nthree\nfour\n");

  workshop.write("events", std::string("one\n\0\0\0", 7));  // as a crash of the machine leaves it
  append(path, "two\n");
  CHECK(read_file(path) == std::string("one\n\0\0\0\ntwo\n", 12));
  workshop.write("events", "");
  CHECK(append(path, "one\n").empty());
  CHECK(read_file(path) == "one\n");
}

TEST_CASE("a line that another writer tears meanwhile is not continued") {
  Workshop workshop;
  std::string path = workshop.path("events"), problem;
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
  sink->write("one\n");
  int other = open(path.c_str(), O_WRONLY | O_APPEND);
  REQUIRE(write(other, "to", 2) == 2);
  close(other);
  sink->write("three\n");
  sink->write("four\n");
  CHECK(read_file(path) == "one\nto\nthree\nfour\n");
}

TEST_CASE("of many that find a torn line one ends it") {
  Workshop workshop;
  std::string path = workshop.path("events");
  constexpr int kWriters = 8, kLines = 50;
  workshop.write("events", "torn");
  pid_t writers[kWriters];
  for (int i = 0; i < kWriters; i++) {
    writers[i] = fork();
    REQUIRE(writers[i] >= 0);
    if (writers[i] != 0) continue;
    std::string problem;
    std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
    for (int line = 0; line < kLines; line++) sink->write("whole\n");
    _exit(0);
  }
  for (pid_t writer : writers) waitpid(writer, nullptr, 0);
  std::string expected = "torn\n";
  for (int i = 0; i < kWriters * kLines; i++) expected += "whole\n";
  CHECK(read_file(path) == expected);
}

TEST_CASE("a file that another program has locked is written all the same") {
  Workshop workshop;
  std::string path = workshop.path("events");
  workshop.write("events", "torn");
  int lock = open(path.c_str(), O_RDWR);
  REQUIRE(flock(lock, LOCK_EX) == 0);
  append(path, "one\n");
  CHECK(read_file(path) == "torn\none\n");
  close(lock);
}

TEST_CASE("a torn frame is replaced by its whole lines") {
  std::string suffix = GENERATE(".zst", ".gz");
  Workshop workshop;
  std::string name = "events" + suffix, path = workshop.path(name);
  append(path, numbers(0, 1000));
  size_t first = read_file(path).size();
  append(path, numbers(1000, 60000));  // several blocks
  std::string whole = read_file(path);
  for (size_t kept : {first + 1, first + 3, first + 10, first + 20, (first + whole.size()) / 2,
                      whole.size() - 9, whole.size() - 1}) {
    INFO(suffix << " " << kept << " of " << whole.size());
    workshop.write(name, whole.substr(0, kept));
    std::string problem = append(path, "after\n");
    CHECK(contains(problem, "TELEMETRY_FILE=" + path + ": ends in a torn frame"));
    std::string text = unpacked(workshop, name);
    REQUIRE(text.ends_with("\nafter\n"));
    text.resize(text.size() - std::string("after\n").size());
    CHECK(numbers(0, 60000).starts_with(text));
    CHECK(text.size() >= numbers(0, 1000).size());
    if (kept >= whole.size() - 9) CHECK(text.size() > numbers(0, 50000).size());
    CHECK(append(path, "again\n").empty());
    CHECK(unpacked(workshop, name) == text + "after\nagain\n");
  }
}

TEST_CASE("a file that is nothing but a torn frame begins anew with its whole lines") {
  std::string suffix = GENERATE(".zst", ".gz");
  Workshop workshop;
  std::string name = "events" + suffix, path = workshop.path(name);
  append(path, numbers(0, 60000));
  std::string whole = read_file(path);
  for (size_t kept : {size_t{2}, size_t{15}, whole.size() / 2}) {
    workshop.write(name, whole.substr(0, kept));
    CHECK(contains(append(path, "after\n"), "torn frame"));
    CHECK(unpacked(workshop, name).ends_with("after\n"));
  }
}

TEST_CASE("a frame that another writer tears meanwhile hides nothing") {
  std::string suffix = GENERATE(".zst", ".gz");
  Workshop workshop;
  std::string name = "events" + suffix, path = workshop.path(name), problem;
  append(workshop.path("other" + suffix), numbers(0, 5000));
  std::string other = read_file(workshop.path("other" + suffix));
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem);
  sink->write("one\n");
  sink->flush();
  int fd = open(path.c_str(), O_WRONLY | O_APPEND);
  REQUIRE(write(fd, other.data(), other.size() / 2) == static_cast<ssize_t>(other.size() / 2));
  close(fd);
  sink->write("two\n");
  sink->flush();
  std::string text = unpacked(workshop, name);
  CHECK(text.starts_with("one\n"));
  CHECK(text.ends_with("two\n"));
}

TEST_CASE("compressed files of others are left as they are") {
  std::string suffix = GENERATE(".zst", ".gz");
  Workshop workshop;
  std::string name = "events" + suffix, path = workshop.path(name);
  std::string tool = suffix == ".zst" ? "zstd -q" : "gzip";
  for (const char* bytes : {"0", "100", "20000000"}) {  // the last is longer than what is searched
    INFO(bytes);
    workshop.run("rm -f events* && head -c " + std::string(bytes) +
                 " /dev/urandom | base64 > events && " + tool + " events");
    std::string before = unpacked(workshop, name);
    CHECK(append(path, "after\n").empty());
    CHECK(unpacked(workshop, name) == before + "after\n");
  }
  workshop.write(name, "this is no compressed file");
  CHECK(append(path, "after\n").empty());
  CHECK(read_file(path).starts_with("this is no compressed file"));
}

}  // namespace telinject::test::torn_files_test
