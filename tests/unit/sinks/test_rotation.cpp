// A file that another program moves away, or that reaches its size: no line is lost, and each file
// is whole.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "shim/sinks/rotation.h"
#include "shim/sinks/sink.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::rotation_test {
namespace {

std::unique_ptr<Sink> open_sink(const std::string& path, Rotation rotation = {}) {
  std::string problem;
  std::unique_ptr<Sink> sink = open_file_sink(path, &problem, {}, std::move(rotation));
  CHECK(problem == "");
  REQUIRE(sink != nullptr);
  return sink;
}

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

}  // namespace

TEST_CASE("a file that was renamed or removed is begun anew") {
  Workshop workshop;
  std::string path = workshop.path("events"), old = workshop.path("events.old");
  std::unique_ptr<Sink> sink = open_sink(path);
  CHECK(sink->write("one\n") == 0);
  REQUIRE(std::rename(path.c_str(), old.c_str()) == 0);
  CHECK(sink->write("two\n") == 0);
  CHECK(read_file(old) == "one\n");
  CHECK(read_file(path) == "two\n");
  REQUIRE(unlink(path.c_str()) == 0);
  CHECK(sink->write("three\n") == 0);
  CHECK(read_file(path) == "three\n");
}

TEST_CASE("a new file at the path is appended to, even if it ends in a torn line") {
  Workshop workshop;
  std::string path = workshop.path("events");
  std::unique_ptr<Sink> sink = open_sink(path);
  CHECK(sink->write("one\n") == 0);
  REQUIRE(std::rename(path.c_str(), workshop.path("old").c_str()) == 0);
  workshop.write("events", "theirs\ntorn");
  CHECK(sink->write("two\n") == 0);
  CHECK(read_file(path) == "theirs\ntorn\ntwo\n");
}

TEST_CASE("a file that was cut to nothing is written on") {
  Workshop workshop;
  std::string path = workshop.path("events");
  std::unique_ptr<Sink> sink = open_sink(path);
  CHECK(sink->write("one\n") == 0);
  REQUIRE(truncate(path.c_str(), 0) == 0);
  CHECK(sink->write("two\n") == 0);
  CHECK(read_file(path) == "two\n");
}

TEST_CASE("where no new file can be made, the old one takes the lines") {
  Workshop workshop;
  workshop.run("mkdir folder");
  std::unique_ptr<Sink> sink = open_sink(workshop.path("folder/events"));
  workshop.run("mv folder moved");
  CHECK(sink->write("one\n") == 0);
  CHECK(read_file(workshop.path("moved/events")) == "one\n");
  // What is no file is not written to.
  workshop.run("mkdir -p folder/events");
  CHECK(sink->write("two\n") == 0);
  CHECK(read_file(workshop.path("moved/events")) == "one\ntwo\n");
}

TEST_CASE("a file that has reached its size becomes an older one, up to their number") {
  Workshop workshop;
  std::string path = workshop.path("events");
  std::unique_ptr<Sink> sink = open_sink(path, {.most_bytes = 8, .most_files = 3});
  for (int i = 0; i < 10; i++) CHECK(sink->write("line " + std::to_string(i) + "\n") == 0);
  CHECK(read_file(path) == "line 8\nline 9\n");
  CHECK(read_file(path + ".1") == "line 6\nline 7\n");
  CHECK(read_file(path + ".2") == "line 4\nline 5\n");
  CHECK_FALSE(exists(path + ".3"));
}

TEST_CASE("of a single file the lines that do not fit are dropped with it") {
  Workshop workshop;
  std::string path = workshop.path("events");
  std::unique_ptr<Sink> sink = open_sink(path, {.most_bytes = 8, .most_files = 1});
  for (int i = 0; i < 3; i++) CHECK(sink->write("line " + std::to_string(i) + "\n") == 0);
  CHECK(read_file(path) == "line 2\n");
  CHECK_FALSE(exists(path + ".1"));
}

TEST_CASE("several writers rotate once") {
  Workshop workshop;
  std::string path = workshop.path("events");
  Rotation rotation = {.most_bytes = 16, .most_files = 100};
  std::unique_ptr<Sink> one = open_sink(path, rotation), two = open_sink(path, rotation);
  std::string all;
  for (int i = 0; i < 20; i++) {
    CHECK(one->write("one " + std::to_string(10 + i) + "\n") == 0);
    CHECK(two->write("two " + std::to_string(10 + i) + "\n") == 0);
  }
  size_t lines = lines_of(read_file(path)).size();
  for (int i = 1; exists(rotated_name(path, i)); i++) {
    std::string text = read_file(rotated_name(path, i));
    CHECK(text.size() == 21);
    lines += lines_of(text).size();
  }
  CHECK(lines == 40);
}

TEST_CASE("files that cannot be renamed are told once, and grow") {
  Workshop workshop;
  std::string path = workshop.path("events");
  std::vector<std::string> told;
  Rotation rotation = {.most_bytes = 4, .most_files = 2, .tell = [&](const std::string& line) {
                         told.push_back(line);
                       }};
  std::unique_ptr<Sink> sink = open_sink(path, rotation);
  workshop.run("mkdir -p events.1/not-empty");
  for (int i = 0; i < 3; i++) CHECK(sink->write("line\n") == 0);
  CHECK(read_file(path) == "line\nline\nline\n");
  REQUIRE(told.size() == 1);
  CHECK(told[0] == "TELEMETRY_FILE=" + path +
                       ": cannot make way for a new file (Is a directory): it grows beyond "
                       "TELEMETRY_MAX_FILE_SIZE");
  // It is tried again.
  workshop.run("rm -r events.1");
  CHECK(sink->write("next\n") == 0);
  CHECK(read_file(path + ".1") == "line\nline\nline\n");
  CHECK(read_file(path) == "next\n");
  CHECK(told.size() == 1);
}

TEST_CASE("a symbolic link stays, and so does what it links to") {
  Workshop workshop;
  workshop.run("mkdir disk && ln -s disk/events events");
  std::vector<std::string> told;
  Rotation rotation = {.most_bytes = 4, .most_files = 2, .tell = [&](const std::string& line) {
                         told.push_back(line);
                       }};
  std::unique_ptr<Sink> sink = open_sink(workshop.path("events"), rotation);
  for (int i = 0; i < 3; i++) CHECK(sink->write("line\n") == 0);
  CHECK(read_file(workshop.path("disk/events")) == "line\nline\nline\n");
  CHECK_FALSE(exists(workshop.path("events.1")));
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("it is a symbolic link") != std::string::npos);
}

TEST_CASE("a torn end is mended before the file is rotated") {
  Workshop workshop;
  std::string path = workshop.write("events", "whole\ntorn");
  std::string problem;
  std::unique_ptr<Sink> sink =
      open_file_sink(path, &problem, {}, {.most_bytes = 4, .most_files = 2});
  CHECK(problem.find("torn line") != std::string::npos);
  CHECK(sink->write("line\n") == 0);
  CHECK(read_file(path + ".1") == "whole\ntorn\n");
  CHECK(read_file(path) == "line\n");
}

TEST_CASE("files beyond a smaller number go") {
  Workshop workshop;
  std::string path = workshop.write("events", "long enough\n");
  for (int i = 1; i < 6; i++) workshop.write("events." + std::to_string(i), "old\n");
  std::unique_ptr<Sink> sink = open_sink(path, {.most_bytes = 4, .most_files = 3});
  CHECK(sink->write("line\n") == 0);
  CHECK(workshop.run("ls") == "events\nevents.1\nevents.2\n");
}

TEST_CASE("names of older files keep what tells their compression") {
  CHECK(rotated_name("/var/log/a.jsonl", 1) == "/var/log/a.jsonl.1");
  CHECK(rotated_name("a.jsonl.zst", 12) == "a.jsonl.12.zst");
  CHECK(rotated_name("a.gz", 2) == "a.2.gz");
}

TEST_CASE("each compressed file can be read by itself") {
  Workshop workshop;
  std::string path = workshop.path("events.zst");
  for (int i = 0; i < 3; i++) {
    std::unique_ptr<Sink> sink = open_sink(path, {.most_bytes = 10, .most_files = 5});
    CHECK(sink->write("line " + std::to_string(i) + "\n") == 0);
    CHECK(sink->finish() == 0);
  }
  CHECK(workshop.run("zstd -dc events.2.zst events.1.zst events.zst") ==
        "line 0\nline 1\nline 2\n");
  CHECK(workshop.run("zstd -dc events.1.zst") == "line 1\n");
}

}  // namespace telinject::test::rotation_test
