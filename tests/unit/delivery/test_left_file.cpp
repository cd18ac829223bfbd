// The file of what could not be sent.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "shim/delivery/left_file.h"
#include "tests/unit/delivery/items.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::left_file_test {
using namespace delivery;
namespace {

class Saved final : public Framing {
 public:
  void append_body(const Batch&, size_t, size_t, std::string*) const override {}
  std::string_view kind() const override { return "saved"; }
  std::string save() const override { return std::string("a\0b", 3); }
};

std::string make_file(const std::string& directory) {
  std::string problem;
  auto writer = LeftWriter::create(directory, &problem);
  REQUIRE(writer != nullptr);
  CHECK(writer->write(items(0, 5)));
  Batch other = items(5, 7);
  other.framing = std::make_shared<Saved>();
  CHECK(writer->write(other));
  return writer->path();
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// How many batches can be read.
int read_all(const std::string& path, std::string* problem) {
  auto reader = LeftReader::open(path, problem);
  if (reader == nullptr) return -1;
  int batches = 0;
  while (reader->next()) batches++;
  *problem = reader->problem();
  return batches;
}

}  // namespace

TEST_CASE("batches come back with what makes their framing; nobody else may read the file") {
  Workshop workshop;
  std::string path = make_file(workshop.directory()), problem;
  struct stat about = {};
  REQUIRE(stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  CHECK(path.ends_with(".telleft"));
  CHECK(LeftReader::is_left_file(path));
  auto reader = LeftReader::open(path, &problem);
  REQUIRE(reader != nullptr);
  REQUIRE(reader->next());
  CHECK(reader->kind() == "test");
  CHECK(reader->batch().encoded == "0;1;2;3;4;");
  REQUIRE(reader->next());
  CHECK(reader->kind() == "saved");
  CHECK(reader->text() == std::string("a\0b", 3));
  CHECK(reader->batch().size() == 2);
  CHECK_FALSE(reader->next());
  CHECK(reader->problem().empty());
}

TEST_CASE("a file that breaks off, or is damaged anywhere, is a problem") {
  Workshop workshop;
  std::string whole = content(make_file(workshop.directory()));
  std::string path = workshop.path("damaged"), problem;
  auto write = [&](const std::string& bytes) { std::ofstream(path) << bytes; };
  for (size_t cut = 0; cut < whole.size(); cut++) {
    write(whole.substr(0, cut));
    int batches = read_all(path, &problem);
    CAPTURE(cut);
    CHECK(batches < 2);
    // Between two frames it looks whole.
    if (batches != 1 && cut != 8) CHECK_FALSE(problem.empty());
  }
  for (size_t at = 0; at < whole.size(); at++) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    write(damaged);
    CAPTURE(at);
    CHECK(read_all(path, &problem) < 2);
    CHECK_FALSE(problem.empty());
  }
  CHECK_FALSE(LeftReader::is_left_file(workshop.path("none")));
  CHECK_FALSE(LeftReader::is_left_file(workshop.directory()));
}

TEST_CASE("a folder that cannot be written is a reason") {
  std::string problem;
  CHECK(LeftWriter::create("/nowhere/at/all", &problem) == nullptr);
  CHECK(problem == "cannot make a file in /nowhere/at/all: No such file or directory");
}

}  // namespace telinject::test::left_file_test
