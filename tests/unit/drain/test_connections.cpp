// Who may join: connections are heard, refused and dropped.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shim/channel/clock.h"
#include "shim/drain/collect/connections.h"
#include "tests/unit/drain/descriptors.h"

namespace telinject::test::connections_test {
using namespace drain;
namespace {

constexpr uint8_t kSecret[kSecretBytes] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

bool is_closed(int fd, int within_ms = 2000) {
  pollfd ready = {fd, POLLIN, 0};
  char byte;
  return poll(&ready, 1, within_ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

class Door {
 public:
  Door() {
    session_.uid = geteuid();
    set_session_secret(kSecret, &session_);
    // A name of its own for each: a listener's is free again a moment after it is closed.
    static int count = 0;
    std::string own = "test-" + std::to_string(getpid()) + "-" + std::to_string(count++);
    own.copy(session_.name, sizeof session_.name - 1);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address;
    uint32_t length = session_abstract_address(session_, &address);
    REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(listen(listener, 4096) == 0);
    connections_.emplace(
        session_, std::vector<int>{-1, listener}, &closer_,
        Connections::Hooks{[this](Newcomer newcomer) { newcomers.push_back(std::move(newcomer)); },
                           [this] {
                             asked_for_room++;
                             return false;
                           },
                           [this] { return room_is_coming; },
                           [this](int fd) { asked_for_dump.push_back(fd); }});
  }
  ~Door() {
    connections_.reset();
    while (closer_.waiting() > 0) poll(nullptr, 0, 1);
    for (const Newcomer& each : newcomers) {
      if (each.memfd >= 0) close(each.memfd);
      if (each.pidfd >= 0) close(each.pidfd);
    }
    for (int fd : asked_for_dump) close(fd);
  }

  int knock() const {
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address;
    uint32_t length = session_abstract_address(session_, &address);
    REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
    return fd;
  }
  Hello hello() const {
    Hello hello = {Hello::kMagic, kLayoutVersion, getpid(), 0, {}};
    std::memcpy(hello.secret, kSecret, sizeof kSecret);
    return hello;
  }
  bool hear(bool all = true) { return connections_->hear(all); }
  void drop_stale() { connections_->drop_stale(); }

  std::vector<Newcomer> newcomers;
  int asked_for_room = 0;
  bool room_is_coming = false;
  std::vector<int> asked_for_dump;

 private:
  Session session_ = {};
  Closer closer_;
  std::optional<Connections> connections_;
};

int some_memfd() {
  return memfd_create("test", MFD_CLOEXEC);
}

size_t open_descriptors() {
  size_t count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("what a process has said comes before what it says on its next connection") {
  Door door;
  int first = door.knock();
  door.hear();  // it is silent still
  Hello hello = door.hello();
  for (uint32_t which : {1u, 2u}) {
    int client = which == 1 ? first : door.knock();
    hello.untraced_reason = which;
    REQUIRE(send_with(client, &hello, sizeof hello, {}));
  }
  door.hear(/*all=*/false);
  REQUIRE(door.newcomers.size() == 2);
  CHECK(door.newcomers[0].hello.untraced_reason == 1);
  CHECK(door.newcomers[1].hello.untraced_reason == 2);
}

TEST_CASE("who asks for a dump needs the secret, and is answered on his connection") {
  Door door;
  int asker = door.knock(), stranger = door.knock();
  Hello hello = door.hello();
  hello.magic = Hello::kDumpMagic;
  REQUIRE(send_with(asker, &hello, sizeof hello, {}));
  hello.secret[3] ^= 1;
  REQUIRE(send_with(stranger, &hello, sizeof hello, {}));
  door.hear();
  CHECK(door.newcomers.empty());
  REQUIRE(door.asked_for_dump.size() == 1);
  CHECK(is_closed(stranger));
  CHECK_FALSE(is_closed(asker, /*within_ms=*/10));
  REQUIRE(send(door.asked_for_dump[0], "x", 1, MSG_NOSIGNAL) == 1);
  char answer = 0;
  CHECK(recv(asker, &answer, 1, 0) == 1);
  CHECK(answer == 'x');
  close(asker);
  close(stranger);
}

TEST_CASE("a process that knows the secret comes in, as the kernel knows it") {
  Door door;
  int client = door.knock();
  Hello hello = door.hello();
  hello.pid = 1;  // a lie
  int memfd = some_memfd();
  REQUIRE(send_with(client, &hello, sizeof hello, {memfd}));
  door.hear();
  REQUIRE(door.newcomers.size() == 1);
  const Newcomer& newcomer = door.newcomers[0];
  CHECK(newcomer.peer.pid == getpid());
  CHECK(newcomer.peer.uid == geteuid());
  CHECK(newcomer.peer.gid == getegid());
  CHECK(newcomer.memfd >= 0);
  CHECK((fcntl(newcomer.memfd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK_FALSE(newcomer.out_of_descriptors);
  CHECK(is_closed(client));
  close(client);
  close(memfd);
}

TEST_CASE("Hello without the secret, or with all but a bit of it, is refused") {
  Door door;
  for (size_t wrong = 0; wrong <= 8 * kSecretBytes; wrong++) {
    int client = door.knock();
    Hello hello = door.hello();
    if (wrong < 8 * kSecretBytes) {
      hello.secret[wrong / 8] = static_cast<uint8_t>(hello.secret[wrong / 8] ^ 1 << wrong % 8);
    } else {
      std::memset(hello.secret, 0, sizeof hello.secret);
    }
    int memfd = some_memfd();
    REQUIRE(send_with(client, &hello, sizeof hello, {memfd}));
    door.hear();
    CHECK(is_closed(client));
    close(client);
    close(memfd);
  }
  CHECK(door.newcomers.empty());
}

TEST_CASE("half a Hello, a longer one, another message and an empty one are refused") {
  Door door;
  Hello hello = door.hello();
  char longer[2 * sizeof hello] = {};
  std::memcpy(longer, &hello, sizeof hello);
  for (size_t bytes : {sizeof hello / 2, sizeof hello - 1, sizeof hello + 1, sizeof longer,
                       size_t{1}, size_t{0}}) {
    CAPTURE(bytes);
    int client = door.knock();
    REQUIRE(send_with(client, longer, bytes, {}));
    door.hear();
    CHECK(is_closed(client));
    close(client);
  }
  CHECK(door.newcomers.empty());
}

TEST_CASE("of a hundred descriptors none stays open") {
  Door door;
  int client = door.knock();
  int memfd = some_memfd();
  size_t before = open_descriptors();
  Hello hello = door.hello();
  REQUIRE(send_with(client, &hello, sizeof hello, std::vector<int>(100, memfd)));
  door.hear();
  REQUIRE(is_closed(client));
  REQUIRE(door.newcomers.size() == 1);
  size_t kept = (door.newcomers[0].memfd >= 0) + (door.newcomers[0].pidfd >= 0);
  CHECK(kept == 2);
  CHECK(open_descriptors() <= before + kept);
  CHECK_FALSE(door.newcomers[0].out_of_descriptors);
  close(client);
  close(memfd);
}

TEST_CASE("those who say nothing are few, and are dropped after a while") {
  Door door;
  std::vector<int> silent;
  constexpr size_t kMany = 300, kMost = 64;
  for (size_t i = 0; i < kMany; i++) silent.push_back(door.knock());
  door.hear();
  // The oldest have gone, the youngest are there.
  CHECK(is_closed(silent.front()));
  CHECK(is_closed(silent[kMany - kMost - 1]));
  CHECK_FALSE(is_closed(silent.back(), 0));
  // Somebody with something to say is heard.
  int client = door.knock();
  Hello hello = door.hello();
  REQUIRE(send_with(client, &hello, sizeof hello, {}));
  door.hear();
  CHECK(door.newcomers.size() == 1);
  timespec wait = {2, 100000000};
  nanosleep(&wait, nullptr);
  door.drop_stale();
  CHECK(is_closed(silent.back()));
  silent.push_back(client);
  for (int fd : silent) close(fd);
}

TEST_CASE("without a descriptor left, newcomers are asked room for and told") {
  Door door;
  int memfd = some_memfd();
  Hello hello = door.hello();
  std::vector<int> clients;
  for (int i = 0; i < 3; i++) {
    clients.push_back(door.knock());
    REQUIRE(send_with(clients.back(), &hello, sizeof hello, {memfd}));
  }
  std::vector<int> taken;
  rlimit before = {}, few = {};
  getrlimit(RLIMIT_NOFILE, &before);
  few = before;
  few.rlim_cur = 64;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  int fd;
  while ((fd = some_memfd()) >= 0) taken.push_back(fd);
  // One by one, each with the spare descriptors that the one before has given back.
  std::vector<bool> told;
  uint64_t until = monotonic_ns() + 10 * 1000000000ull;
  while (told.size() < clients.size() && monotonic_ns() < until) {
    door.drop_stale();
    door.hear();
    for (Newcomer& each : door.newcomers) {
      told.push_back(each.memfd >= 0 && each.out_of_descriptors);
      if (each.pidfd >= 0) close(each.pidfd);
      if (each.memfd >= 0) close(each.memfd);
    }
    door.newcomers.clear();
  }
  setrlimit(RLIMIT_NOFILE, &before);
  for (int each : taken) close(each);
  CHECK(door.asked_for_room > 0);
  CHECK(told == std::vector<bool>(clients.size(), true));
  for (int client : clients) {
    CHECK(is_closed(client));
    close(client);
  }
  close(memfd);
}

constexpr uint64_t kMinute = 60000000000;  // a busy machine's; the close would take an hour

TEST_CASE("newcomers wait while descriptors are about to be free") {
  Door door;
  door.room_is_coming = true;
  int client = door.knock(), memfd = some_memfd();
  Hello hello = door.hello();
  REQUIRE(send_with(client, &hello, sizeof hello, {memfd}));
  close(client);  // its program has ended meanwhile
  for (bool all : {true, false}) CHECK_FALSE(door.hear(all));
  CHECK(door.newcomers.empty());
  CHECK(door.asked_for_room == 0);
  door.room_is_coming = false;
  CHECK(door.hear());
  REQUIRE(door.newcomers.size() == 1);
  CHECK(door.newcomers[0].memfd >= 0);
  CHECK_FALSE(door.newcomers[0].out_of_descriptors);
  close(memfd);
}

TEST_CASE("a descriptor whose close waits for an hour delays nobody") {
  int listener;
  int slow = lingering_socket(&listener);
  REQUIRE(slow >= 0);

  Closer closer;
  uint64_t start = monotonic_ns();
  closer.close(slow);
  while (closer.waiting() > 0 && monotonic_ns() - start < kMinute) {
    timespec wait = {0, 1000000};
    nanosleep(&wait, nullptr);
  }
  CHECK(closer.waiting() == 0);
  CHECK(monotonic_ns() - start < kMinute);
  CHECK(fcntl(slow, F_GETFD) < 0);
  close(listener);
}

}  // namespace telinject::test::connections_test
