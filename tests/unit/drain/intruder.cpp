// A hostile process, for tests/cases/test_other_users.py: it joins sessions that are not its own,
// or its own in ways that the library never would.
//
//   intruder WAY [ARGUMENT...]
//
// With TELINJECT_SESSION in its environment it joins that session with its secret; else each one
// whose name /proc/net/unix shows, with a guess. Prints one line for each session.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "descriptors.h"
#include "segment.h"
#include "shim/channel/hello.h"

namespace telinject::test {
namespace {

constexpr uint64_t kBase = 0x555555554000;

uint64_t now_ns() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

void pause_ms(long ms) {
  timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, nullptr);
}

std::vector<Session> sessions() {
  Session session = {};
  if (const char* text = getenv(kSessionVariable)) {
    if (parse_session(text, &session)) return {session};
    return {};
  }
  std::vector<Session> found;
  std::ifstream sockets("/proc/net/unix");
  std::string line;
  const std::string mark = "@telinject-";
  while (std::getline(sockets, line)) {
    size_t at = line.find(mark);
    if (at == line.npos || line.size() < at + mark.size() + kSessionNameDigits) continue;
    line.copy(session.name, kSessionNameDigits, at + mark.size());
    // The listener and all its connections have the name.
    auto is_same = [&](const Session& each) { return std::strcmp(each.name, session.name) == 0; };
    if (std::none_of(found.begin(), found.end(), is_same)) found.push_back(session);
  }
  return found;
}

int connect_to(const Session& session) {
  sockaddr_un address;
  uint32_t length = session_abstract_address(session, &address);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) return fd;
  close(fd);
  return -1;
}

Hello hello_to(const Session& session) {
  Hello hello = {Hello::kMagic, kLayoutVersion, getpid(), 0, {}};
  std::memcpy(hello.secret, session.secret, kSecretBytes);
  return hello;
}

void join(const Session& session, const std::vector<int>& fds) {
  int fd = connect_to(session);
  Hello hello = hello_to(session);
  bool sent = fd >= 0 && send_with(fd, &hello, sizeof hello, fds);
  printf("%s %s\n", sent ? "sent to" : "not sent to", session.name);
  fflush(stdout);
  close(fd);
}

int own_pidfd() {
  return static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
}

// A segment in which a function of `path` was called.
class Forged {
 public:
  Forged(const std::string& path, uint64_t offset, bool sealed = true)
      : segment_(2, 32, sealed), writer_(prepare(), 0) {
    uint64_t now = now_ns();
    ThreadMessage thread = {};
    thread.pid = thread.tid = getpid();
    thread.process = 0x1234567;
    thread.stack_lo = 0x7f0000000000;
    thread.stack_hi = 0x7f0000100000;
    std::memcpy(thread.name, "forged", 6);
    writer_.message(now, MessageType::kThread, &thread, sizeof thread);
    ModuleMessage module = {};
    module.start = kBase;
    module.end = kBase + 0x1000000;
    std::string bytes(reinterpret_cast<const char*>(&module), sizeof module);
    bytes += path;
    writer_.message(now, MessageType::kModule, bytes.data(), bytes.size());
    uint64_t sp = 0x7f000000f000;
    writer_.control(now, ControlKind::kRoot, 0, 1, sp);
    writer_.entry(now + 10, kBase + offset, kBase + offset + 1, sp, 0x10);
    writer_.exit(now + 1010, kBase + offset, sp);
  }

  int descriptor() const { return segment_.descriptor(); }

 private:
  TestSegment* prepare() {
    SegmentHeader* header = segment_.header();
    header->pid = getpid();
    header->start_ticks = now_ns();
    header->start_monotonic_ns = static_cast<int64_t>(header->start_ticks);
    timespec wall = {};
    clock_gettime(CLOCK_REALTIME, &wall);
    header->start_realtime_ns = int64_t{wall.tv_sec} * 1000000000 + wall.tv_nsec;
    constexpr char kCommand[] = "forged\0--by-intruder";
    std::memcpy(header->command_line, kCommand, sizeof kCommand);
    header->command_line_bytes = sizeof kCommand;
    std::memcpy(header->path, "/bin/forged", 11);
    header->path_bytes = 11;
    return &segment_;
  }

  TestSegment segment_;
  LaneWriter writer_;
};

// The end of a socket pair in whose queue is a socket that lingers.
int lingering() {
  int listener;  // kept open, never read
  int client = lingering_socket(&listener);
  if (client < 0) {
    perror("intruder: no loopback");
    exit(2);
  }
  accept(listener, nullptr, nullptr);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || !send_with(pair[0], "x", 1, {client})) {
    exit(2);
  }
  close(client);
  close(pair[0]);
  return pair[1];
}

// What is opened there, as the memory file.
int opened(const std::string& what) {
  int pair[2];
  if (what == "socket") return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? pair[0] : -1;
  if (what == "pipe") return pipe(pair) == 0 ? pair[0] : -1;
  return open(what.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

void hold_idle(const Session& session, int seconds) {
  rlimit most = {};
  getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = most.rlim_max;
  setrlimit(RLIMIT_NOFILE, &most);
  for (uint64_t end = now_ns() + static_cast<uint64_t>(seconds) * 1000000000; now_ns() < end;) {
    std::vector<int> held;
    int fd;
    while (held.size() < 20000 && now_ns() < end && (fd = connect_to(session)) >= 0) {
      held.push_back(fd);
    }
    for (int each : held) close(each);
  }
}

int attack(const Session& session, const std::string& way, const std::string& argument) {
  Forged forged(way == "name" || way == "drop" ? argument : "/usr/bin/true", 0x1000,
                way != "shrink");
  int memfd = forged.descriptor();
  if (way == "name" || way == "join") {
    join(session, {memfd, own_pidfd()});
  } else if (way == "drop") {
    // It connects as root, and speaks as nobody.
    int fd = connect_to(session);
    Hello hello = hello_to(session);
    bool dropped = setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;
    printf("%d\n", dropped && send_with(fd, &hello, sizeof hello, {memfd, own_pidfd()}));
  } else if (way == "as-memory") {
    join(session, {opened(argument), own_pidfd()});
  } else if (way == "as-pidfd") {
    join(session, {memfd, opened(argument)});
  } else if (way == "linger") {
    join(session, {lingering(), lingering()});
  } else if (way == "many") {
    std::vector<int> fds = {memfd, own_pidfd()};
    while (fds.size() < 100) fds.push_back(fds.size() < 10 ? lingering() : memfd);
    join(session, fds);
  } else if (way == "twice") {
    join(session, {memfd, own_pidfd()});
    join(session, {memfd, own_pidfd()});
  } else if (way == "sealed") {
    fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL);
    join(session, {memfd, own_pidfd()});
  } else if (way == "sealed-later") {
    join(session, {memfd, own_pidfd()});
    pause_ms(500);
    if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL) != 0) perror("intruder: seal");
  } else if (way == "shrink") {
    join(session, {memfd, own_pidfd()});
    if (ftruncate(memfd, 0) != 0) perror("intruder: shrink");
  } else if (way == "half") {
    int fd = connect_to(session);
    Hello hello = hello_to(session);
    printf("%d\n", send_with(fd, &hello, sizeof hello / 2, {}));
    fflush(stdout);
    char byte;
    printf("closed %zd\n", recv(fd, &byte, 1, 0));
  } else if (way == "idle") {
    hold_idle(session, atoi(argument.c_str()));
  } else if (way == "wait-for-close") {
    uint64_t start = now_ns();
    char byte;
    ssize_t n = recv(connect_to(session), &byte, 1, 0);
    printf("closed %zd after %llu ms\n", n,
           static_cast<unsigned long long>((now_ns() - start) / 1000000));
  } else {
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace telinject::test

int main(int count, char** arguments) {
  using namespace telinject::test;
  if (count < 2) return 2;
  int status = 3;  // no session
  for (const telinject::Session& session : sessions()) {
    status = attack(session, arguments[1], count > 2 ? arguments[2] : "");
  }
  fflush(stdout);
  const char* hold = getenv("INTRUDER_HOLD_MS");
  pause_ms(hold != nullptr ? atol(hold) : 0);
  return status;
}
