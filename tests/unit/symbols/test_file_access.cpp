// With whose rights files are opened. What has the tag [root] needs root's rights, and fails
// without them.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "shim/symbols/file_access.h"
#include "shim/symbols/module.h"
#include "shim/symbols/process_rights.h"
#include "tests/unit/lib/workshop.h"
#include "tests/unit/symbols/tools.h"

namespace telinject::test::file_access_test {
namespace {

constexpr uint32_t kNobody = 65534, kSomeGroup = 54321;

void require_root() {
  if (geteuid() != 0) FAIL("only root can open files as another user; leave these out: ~[root]");
}

std::string text_at(int fd) {
  char text[100];
  ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
  if (fd >= 0) close(fd);
  return {text, static_cast<size_t>(n > 0 ? n : 0)};
}

// What a process with this access would be given; "" and the reason in *error if it is nothing.
std::string read_as(const FileAccess* access, const std::string& path, std::string* error,
                    const std::string& root = "") {
  FileAccess::Scope scope(access, root);
  error->clear();
  return text_at(FileAccess::open_file(path, error));
}

// A child that does something, says so, and waits to be killed.
class Waiting {
 public:
  explicit Waiting(const std::function<bool()>& prepare) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      bool done = prepare();
      [[maybe_unused]] ssize_t n = write(ends[1], done ? "y" : "n", 1);
      for (;;) pause();
    }
    close(ends[1]);
    char answer = 0;
    REQUIRE(read(ends[0], &answer, 1) == 1);
    REQUIRE(answer == 'y');
    close(ends[0]);
  }
  ~Waiting() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  int pid() const { return pid_; }

 private:
  int pid_;
};

bool become_nobody() {
  return setresgid(kNobody, kNobody, kNobody) == 0 && setresuid(kNobody, kNobody, kNobody) == 0;
}

bool can_be_opened(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

// What a library, which opens files by itself, is given for a process with this access.
bool library_reads(const FileAccess* access, const std::string& path) {
  const std::string no_root;
  FileAccess::Scope scope(access, no_root);
  FileAccess::LibraryOpening opening;
  return opening.allowed() && can_be_opened(path);
}

// A folder that anybody may look into.
struct OpenWorkshop : Workshop {
  OpenWorkshop() { chmod(directory().c_str(), 0755); }
};

}  // namespace

TEST_CASE("only regular files are opened, through links, too") {
  Workshop workshop;
  workshop.write("file", "text");
  workshop.run(
      "mkfifo fifo; mkdir folder; ln -s file link; ln -s fifo to-fifo; ln -s /dev/zero "
      "to-device; ln -s loop loop; : > empty");
  std::string error;
  CHECK(read_as(nullptr, workshop.path("file"), &error) == "text");
  CHECK(read_as(nullptr, workshop.path("link"), &error) == "text");
  for (const char* name : {"fifo", "folder", "to-fifo", "to-device"}) {
    CAPTURE(name);
    CHECK(read_as(nullptr, workshop.path(name), &error) == "");
    CHECK(error == "not a regular file");
  }
  CHECK(read_as(nullptr, "/dev/null", &error) == "");
  CHECK(error == "not a regular file");
  CHECK(read_as(nullptr, workshop.path("absent"), &error) == "");
  CHECK(error == "No such file or directory");
  CHECK(read_as(nullptr, workshop.path("loop"), &error) == "");
  CHECK(error == "Too many levels of symbolic links");
}

TEST_CASE("of our own user's processes all is opened that we may open") {
  Workshop workshop;
  workshop.write("file", "text");
  chmod(workshop.path("file").c_str(), 0600);
  std::string error;
  auto access = FileAccess::of_process(getpid(), {geteuid(), getegid(), {}});
  CHECK(read_as(access.get(), workshop.path("file"), &error) == "text");
  CHECK(access->key() == "");
  CHECK(access->key_now() == "");
  CHECK_FALSE(access->confined());
}

TEST_CASE("a file is opened as its process's user and groups", "[root]") {
  require_root();
  OpenWorkshop workshop;
  std::string path = workshop.write("file", "text");
  auto nobody = FileAccess::of_process(0, {kNobody, kNobody, {}});
  auto member = FileAccess::of_process(0, {kNobody, kNobody, {1, kSomeGroup}});
  auto in_group = FileAccess::of_process(0, {kNobody, kSomeGroup, {}});
  REQUIRE(chown(path.c_str(), 0, kSomeGroup) == 0);
  struct Example {
    mode_t mode;
    bool all, group;
  };
  std::string error;
  for (Example each : {Example{0644, true, true}, Example{0640, false, true},
                       Example{0600, false, false}, Example{0000, false, false}}) {
    CAPTURE(each.mode);
    REQUIRE(chmod(path.c_str(), each.mode) == 0);
    CHECK(read_as(nullptr, path, &error) == "text");
    CHECK((read_as(nobody.get(), path, &error) == "text") == each.all);
    if (!each.all) CHECK(error == "Permission denied, as user 65534 sees it");
    CHECK((read_as(member.get(), path, &error) == "text") == each.group);
    CHECK((read_as(in_group.get(), path, &error) == "text") == each.group);
  }
  CHECK(nobody->key() != member->key());
  CHECK(nobody->key() != in_group->key());
  // A folder that may not be entered.
  REQUIRE(chmod(path.c_str(), 0644) == 0);
  REQUIRE(chmod(workshop.directory().c_str(), 0700) == 0);
  CHECK(read_as(nobody.get(), path, &error) == "");
}

TEST_CASE("a library opens files as the process's user, too", "[root]") {
  require_root();
  OpenWorkshop workshop;
  std::string path = workshop.write("file", "text");
  REQUIRE(chmod(path.c_str(), 0600) == 0);
  auto own = FileAccess::of_process(0, {geteuid(), getegid(), {}});
  CHECK(library_reads(nullptr, path));
  CHECK(library_reads(own.get(), path));
  auto nobody = FileAccess::of_process(0, {kNobody, kNobody, {}});
  CHECK_FALSE(library_reads(nobody.get(), path));
  CHECK(can_be_opened(path));
  REQUIRE(chmod(path.c_str(), 0644) == 0);
  CHECK(library_reads(nobody.get(), path));
  REQUIRE(chmod(path.c_str(), 0600) == 0);
  Waiting dropped(become_nobody);
  auto was_root = FileAccess::of_process(dropped.pid(), {0, 0, {}});
  CHECK(library_reads(was_root.get(), path));
  CHECK(was_root->key_now() != "");
  CHECK_FALSE(library_reads(was_root.get(), path));
}

TEST_CASE("a .dwo file that the program's user may not read is not read", "[root]") {
  require_root();
  OpenWorkshop workshop;
  workshop.write("split.c",
                 "int secret(int parameter) { return parameter; }\n"
                 "int main(void) { return secret(0); }\n");
  std::string version = GENERATE("-gdwarf-4", "-gdwarf-5");
  workshop.run("gcc -g -gsplit-dwarf " + version + " split.c -o split && chmod 755 split");
  std::string dwo = workshop.run("ls *.dwo");
  dwo = workshop.path(dwo.substr(0, dwo.find('\n')));
  ModuleIdentity identity;
  identity.path = workshop.path("split");
  identity.access = FileAccess::of_process(0, {kNobody, kNobody, {}});
  uint64_t vaddr = 0;
  for (const NmSymbol& symbol : nm(workshop, "split", "")) {
    if (symbol.name == "secret") vaddr = symbol.vaddr;
  }
  for (mode_t mode : {0644u, 0600u}) {
    CAPTURE(mode);
    REQUIRE(chmod(dwo.c_str(), mode) == 0);
    std::string problem;
    std::shared_ptr<Module> module = Module::open(identity, &problem);
    FunctionDescription function = module->function(vaddr);
    CHECK(function.name == "secret");
    CHECK(function.parameters == (mode == 0644 ? "parameter" : ""));
  }
}

TEST_CASE("afterwards this thread is what it was", "[root]") {
  require_root();
  int count = getgroups(0, nullptr);
  std::vector<gid_t> before(static_cast<size_t>(count)), after(before);
  getgroups(count, before.data());
  auto nobody = FileAccess::of_process(0, {kNobody, kNobody, {kSomeGroup}});
  std::string error;
  read_as(nobody.get(), "/etc/shadow", &error);
  CHECK(setfsuid(~0u) == 0);
  CHECK(setfsgid(~0u) == static_cast<int>(getegid()));
  REQUIRE(getgroups(0, nullptr) == count);
  getgroups(count, after.data());
  CHECK(before == after);
  CHECK(geteuid() == 0);
  Workshop workshop;
  std::string path = workshop.write("file", "text");
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK(status.st_uid == 0);
}

TEST_CASE("a process that root has started may open less once it is nobody", "[root]") {
  require_root();
  OpenWorkshop workshop;
  std::string path = workshop.write("file", "text"), readable = workshop.write("readable", "all");
  chmod(path.c_str(), 0600);
  chmod(readable.c_str(), 0644);
  std::string error;
  SECTION("the process itself") {
    Waiting process(become_nobody);
    auto access = FileAccess::of_process(process.pid(), {0, 0, {}});
    CHECK(access->key() == "");
    CHECK(access->key_now() != "");
    CHECK(read_as(access.get(), path, &error) == "");
    CHECK(error == "Permission denied, as user 65534 sees it");
    CHECK(read_as(access.get(), readable, &error) == "all");
  }
  SECTION("a child of it, and also after the child has ended") {
    auto access = FileAccess::of_process(getpid(), {0, 0, {}});
    {
      Waiting child(become_nobody);
      access->add_process(child.pid());
      CHECK(access->key_now() != "");
    }
    CHECK(access->key_now() != "");
    CHECK(read_as(access.get(), path, &error) == "");
  }
  SECTION("the last of many children") {
    auto access = FileAccess::of_process(getpid(), {0, 0, {}});
    for (int i = 0; i < 1000; i++) access->add_process(getpid());
    Waiting child(become_nobody);
    access->add_process(child.pid());
    CHECK(access->key_now() != "");
  }
  SECTION("not if it can be root again") {
    Waiting process([] { return setresuid(kNobody, kNobody, 0) == 0; });
    auto access = FileAccess::of_process(process.pid(), {0, 0, {}});
    CHECK(access->key_now() == "");
    CHECK(read_as(access.get(), path, &error) == "text");
  }
  SECTION("but what it has mapped, and what was executed") {
    Waiting process([&] {
      int fd = open(path.c_str(), O_RDONLY);
      bool mapped = mmap(nullptr, 4, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED;
      return close(fd) == 0 && mapped && become_nobody();
    });
    auto access = FileAccess::of_process(process.pid(), {0, 0, {}});
    CHECK(access->key_now() != "");
    CHECK(read_as(access.get(), path, &error) == "text");
    CHECK(read_as(access.get(), "/proc/self/exe", &error).substr(0, 4) == "\177ELF");
  }
}

TEST_CASE("a process with another root folder has files below that only", "[root]") {
  require_root();
  Workshop outside;
  OpenWorkshop jail;
  std::string secret = outside.write("secret", "outside");
  jail.write("file", "inside");
  jail.run("mkdir -p etc; echo jailed > etc/secret; ln -s " + secret +
           " absolute; ln -s "
           "../../../../../../" +
           secret + " relative; ln -s /etc/secret local");
  // A program without libraries, executed in the jail.
  jail.write("wait.c", "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n");
  jail.run("gcc -static -O1 wait.c -o wait");
  pid_t pid = fork();
  if (pid == 0) {
    if (chroot(jail.directory().c_str()) == 0 && chdir("/") == 0) execl("/wait", "wait", nullptr);
    _exit(1);
  }
  struct stat wanted = {}, executed = {};
  REQUIRE(stat(jail.path("wait").c_str(), &wanted) == 0);
  std::string program = "/proc/" + std::to_string(pid) + "/exe";
  for (int i = 0; i < 2000 && executed.st_ino != wanted.st_ino; i++) {
    usleep(5000);
    stat(program.c_str(), &executed);
  }
  auto access = FileAccess::of_process(pid, {0, 0, {}});
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  REQUIRE(access->confined());
  CHECK(access->key() != "");
  const std::string& root = access->root();
  std::string error;
  CHECK(read_as(access.get(), root + "/file", &error, root) == "inside");
  CHECK(read_as(access.get(), root + "/local", &error, root) == "jailed\n");
  CHECK(read_as(access.get(), root + "/absolute", &error, root) == "");
  CHECK(read_as(access.get(), root + "/relative", &error, root) == "");
  CHECK(read_as(access.get(), root + "/../../../../" + secret, &error, root) == "");
  CHECK(read_as(access.get(), secret, &error, root) == "");
  CHECK_FALSE(library_reads(access.get(), root + "/file"));  // it would follow links outside
  CHECK(error == "outside of its program's root folder");
  CHECK(read_as(access.get(), "/usr/lib/debug/.build-id/../../../../" + secret, &error, root) ==
        "");
  CHECK(error == "outside of its program's root folder");
}

TEST_CASE("a process that has gone to another root folder since it was executed is not confined",
          "[root]") {
  require_root();
  OpenWorkshop jail;
  Waiting process([&] { return chroot(jail.directory().c_str()) == 0 && chdir("/") == 0; });
  auto access = FileAccess::of_process(process.pid(), {0, 0, {}});
  CHECK_FALSE(access->confined());
}

TEST_CASE("links below the root of a process are followed as that process would") {
  Workshop jail;
  jail.write("file", "inside");
  jail.run("ln -s /file absolute; ln -s /etc/passwd out");
  const std::string& root = jail.directory();
  std::string error;
  CHECK(read_as(nullptr, root + "/absolute", &error, root) == "inside");
  CHECK(read_as(nullptr, root + "/out", &error, root) == "");
  CHECK(read_as(nullptr, root + "/out", &error) != "");
}

}  // namespace telinject::test::file_access_test
