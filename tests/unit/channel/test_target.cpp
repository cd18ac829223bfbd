// Which programs the library can be preloaded into: real ones, built here.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elf.h>

#include <string>

#include "shim/channel/target.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::target_test {
namespace {

Target examine(const std::string& path) {
  return examine_target(AT_FDCWD, path.c_str());
}

// A program with one byte or more replaced.
std::string patched(const Workshop& workshop, const std::string& name, size_t offset,
                    const std::string& bytes) {
  std::string image = read_file(workshop.path("dynamic"));
  REQUIRE(image.size() > offset + bytes.size());
  return workshop.write(name, image.replace(offset, bytes.size(), bytes));
}

std::string with_dynamic(const Workshop& workshop, const std::string& options) {
  workshop.write("main.c", "int main(void) { return 0; }\n");
  workshop.run("gcc main.c -o dynamic " + options);
  return workshop.path("dynamic");
}

}  // namespace

TEST_CASE("programs by how they are linked") {
  Workshop workshop;
  Target target = examine(with_dynamic(workshop, ""));
  CHECK(target.kind == TargetKind::kDynamic);
  CHECK(std::string(target.loader) == "/lib64/ld-linux-x86-64.so.2");
  CHECK_FALSE(target.set_id);
  CHECK_FALSE(target.needs_asan);
  CHECK_FALSE(target.script);
  CHECK(accepts_preload(target));

  target = examine(with_dynamic(workshop, "-static"));
  CHECK(target.kind == TargetKind::kStatic);
  CHECK(accepts_preload(target));
  CHECK(examine(with_dynamic(workshop, "-static-pie")).kind == TargetKind::kStatic);
  CHECK(examine(with_dynamic(workshop, "-no-pie")).kind == TargetKind::kDynamic);

  target = examine(with_dynamic(workshop, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"));
  CHECK(target.kind == TargetKind::kOtherLoader);
  CHECK(std::string(target.loader) == "/lib/ld-musl-x86_64.so.1");
  CHECK_FALSE(accepts_preload(target));

  std::string path(200, 'p');
  target = examine(with_dynamic(workshop, "-Wl,--dynamic-linker=/" + path + "/ld-2.36.so"));
  CHECK(target.kind == TargetKind::kOtherLoader);  // cut: not known
  CHECK(std::string(target.loader).size() == kInterpreterBytes - 1);
}

TEST_CASE("gcc's shared address sanitizer is seen, wherever it stands among the needed") {
  Workshop workshop;
  CHECK(examine(with_dynamic(workshop, "-fsanitize=address")).needs_asan);
  CHECK(examine(with_dynamic(workshop, "-fsanitize=address -no-pie")).needs_asan);
  CHECK_FALSE(examine(with_dynamic(workshop, "-fsanitize=address -static-libasan")).needs_asan);
  CHECK_FALSE(examine(with_dynamic(workshop, "-fsanitize=undefined")).needs_asan);
}

TEST_CASE("other classes and machines") {
  Workshop workshop;
  with_dynamic(workshop, "");
  std::string other = patched(workshop, "i386", EI_CLASS, std::string(1, ELFCLASS32));
  CHECK(examine(other).kind == TargetKind::kOtherMachine);
  CHECK_FALSE(accepts_preload(examine(other)));
  size_t machine = offsetof(Elf64_Ehdr, e_machine);
  CHECK(examine(patched(workshop, "arm", machine, std::string("\xb7\0", 2))).kind ==
        TargetKind::kOtherMachine);
}

TEST_CASE("bits that make the loader ignore a preload") {
  Workshop workshop;
  std::string path = with_dynamic(workshop, "");
  REQUIRE(chmod(path.c_str(), 04755) == 0);
  CHECK(examine(path).set_id);
  REQUIRE(chmod(path.c_str(), 02755) == 0);
  CHECK(examine(path).set_id);
  REQUIRE(chmod(path.c_str(), 0755) == 0);
  CHECK_FALSE(examine(path).set_id);
}

TEST_CASE("scripts are what their interpreter is, as deep as the kernel follows them") {
  Workshop workshop;
  std::string program = with_dynamic(workshop, "");
  std::string script = workshop.write("script", "#! \t" + program + " -x\nrest\n");
  Target target = examine(script);
  CHECK(target.script);
  CHECK(target.kind == TargetKind::kDynamic);
  CHECK(examine(workshop.write("no-argument", "#!" + program + "\n")).kind == TargetKind::kDynamic);
  CHECK(examine(workshop.write("no-newline", "#!" + program)).kind == TargetKind::kDynamic);

  for (int depth = 2; depth <= 4; depth++) {
    script = workshop.write("script" + std::to_string(depth), "#!" + script + "\n");
  }
  CHECK(examine(script).kind == TargetKind::kDynamic);
  script = workshop.write("script5", "#!" + script + "\n");
  CHECK(examine(script).kind == TargetKind::kUnknown);

  std::string loop = workshop.path("loop");
  CHECK(examine(workshop.write("loop", "#!" + loop + "\n")).kind == TargetKind::kUnknown);
  CHECK(examine(workshop.write("none", "#! \n")).kind == TargetKind::kUnknown);
  CHECK(examine(workshop.write("gone", "#!/nonexistent/sh\n")).kind == TargetKind::kUnknown);
  CHECK(examine(workshop.write("long", "#!/" + std::string(1000, 'a') + "\n")).kind ==
        TargetKind::kUnknown);
}

TEST_CASE("what is no program is left to exec") {
  Workshop workshop;
  with_dynamic(workshop, "");
  CHECK(examine("/nonexistent").kind == TargetKind::kUnknown);
  CHECK(examine(workshop.directory()).kind == TargetKind::kUnknown);
  CHECK(examine(workshop.write("empty", "")).kind == TargetKind::kUnknown);
  CHECK(examine(workshop.write("text", "hello")).kind == TargetKind::kUnknown);
  CHECK(examine(workshop.write("short", read_file(workshop.path("dynamic")).substr(0, 40))).kind ==
        TargetKind::kUnknown);
  // A FIFO would hang whoever opens it and waits for a writer.
  std::string fifo = workshop.path("fifo");
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(examine(fifo).kind == TargetKind::kUnknown);
}

TEST_CASE("a program cut short anywhere is survived") {
  Workshop workshop;
  with_dynamic(workshop, "");
  std::string image = read_file(workshop.path("dynamic"));
  for (size_t bytes = 0; bytes < 4096; bytes += 7) {
    Target target = examine(workshop.write("cut", image.substr(0, bytes)));
    CHECK(target.loader[kInterpreterBytes - 1] == 0);
  }
}

TEST_CASE("relative to a directory, or the descriptor's own file") {
  Workshop workshop;
  std::string path = with_dynamic(workshop, "");
  int directory = open(workshop.directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(directory >= 0);
  CHECK(examine_target(directory, "dynamic").kind == TargetKind::kDynamic);
  close(directory);
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  CHECK(examine_target(file, "").kind == TargetKind::kDynamic);
  CHECK(fcntl(file, F_GETFD) >= 0);  // still the caller's
  close(file);
}

}  // namespace telinject::test::target_test
