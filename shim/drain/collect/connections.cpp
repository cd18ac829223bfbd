#include "shim/drain/collect/connections.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "shim/channel/clock.h"
#include "shim/drain/base/warn.h"

namespace telinject::drain {

namespace {

// A program says Hello right after it has connected, so few are silent at any moment.
constexpr size_t kMostOfUser = 64;
constexpr size_t kMostSilent = 512;
constexpr uint64_t kSilentNs = 2000000000;
// At once, so that whoever connects without end does not keep us from our other work; and if all
// are to be heard, as many as a backlog holds.
constexpr size_t kMostAtOnce = 64;
constexpr size_t kMostOfAll = 4096;
// Descriptors that wait to be closed before no more connections are taken.
constexpr size_t kMostUnclosed = 256;
constexpr size_t kMostUsersTold = 4;

struct Look {
  ssize_t bytes;  // of the whole message; 0: none, and none will come
  bool cut = false;
  int fds[2] = {-1, -1};
};

// Looks at the next message, which stays where it is: nothing that came with it is closed by this.
// Takes copies of the first `most_fds` descriptors.
Look look_at(int socket, void* data, size_t capacity, size_t most_fds) {
  Look look;
  iovec vector = {data, capacity};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (most_fds > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_LEN(most_fds * sizeof(int));
  }
  look.bytes = recvmsg(socket, &message, MSG_PEEK | MSG_TRUNC | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (look.bytes < 0) return look;
  look.cut = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = std::min((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), most_fds);
    memcpy(look.fds, CMSG_DATA(c), count * sizeof(int));
  }
  return look;
}

bool watch(int epoll, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

// It needs no file: /dev may be empty.
int open_spare() {
  return eventfd(0, EFD_CLOEXEC);
}

}  // namespace

Connections::Connections(const Session& session, const std::vector<int>& listeners, Closer* closer,
                         Hooks hooks)
    : session_(session), closer_(closer), hooks_(std::move(hooks)) {
  std::copy_if(listeners.begin(), listeners.end(), std::back_inserter(listeners_),
               [](int fd) { return fd >= 0; });
  if (listeners_.empty()) return;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  for (int listener : listeners_) watch(epoll_, listener);
  open_spares();
}

Connections::~Connections() {
  for (const auto& [fd, silent] : silent_) closer_->close(fd);
  for (int listener : listeners_) closer_->close(listener);  // and what waits in its queue
  if (epoll_ >= 0) close(epoll_);
  for (int spare : {spare_, sent_spare_}) {
    if (spare >= 0) close(spare);
  }
}

void Connections::close_spares() {
  has_no_spares_ = true;
  for (int* spare : {&spare_, &sent_spare_}) {
    if (*spare >= 0) close(std::exchange(*spare, -1));
  }
}

void Connections::open_spares() {
  if (has_no_spares_) return;
  for (int* spare : {&spare_, &sent_spare_}) {
    if (*spare < 0) *spare = open_spare();
  }
}

// With both of them there, a newcomer that takes the last free descriptor can still be told. What
// took their numbers is closed by another thread, in a moment.
bool Connections::has_spares() {
  open_spares();
  return has_no_spares_ || (spare_ >= 0 && sent_spare_ >= 0);
}

bool Connections::hear(bool all) {
  // Closing hangs: they wait in the queue, and so do we.
  if (closer_->waiting() >= kMostUnclosed) poll(nullptr, 0, 1);
  bool all_taken = true;
  for (int listener : listeners_) {
    all_taken = accept_from(listener, all ? kMostOfAll : kMostAtOnce) && all_taken;
  }
  if (!all && !all_taken) poll(nullptr, 0, 1);
  std::vector<int> ready;
  if (all) {
    for (const auto& [fd, silent] : silent_) ready.push_back(fd);
  } else {
    epoll_event events[kMostAtOnce];
    int n = epoll_wait(epoll_, events, kMostAtOnce, 0);
    for (int i = 0; i < n; i++) ready.push_back(events[i].data.fd);
  }
  for (int fd : ready) {
    if (silent_.contains(fd)) listen_to(fd);
  }
  return all_taken && closer_->waiting() < kMostUnclosed;
}

// What waits in a listener's queue loses nothing: its program runs and records meanwhile.
bool Connections::may_accept() {
  if (hooks_.room_is_coming != nullptr && hooks_.room_is_coming()) return false;
  return has_spares() || (hooks_.make_room() && has_spares());
}

// False if some have to wait for descriptors.
bool Connections::accept_from(int listener, size_t most) {
  for (size_t i = 0; i < most && closer_->waiting() < kMostUnclosed; i++) {
    if (!may_accept()) return false;
    int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      begin(fd);
    } else if (errno == EMFILE || errno == ENFILE) {
      if (!hooks_.make_room()) return accept_without_room(listener);
    } else if (errno != ECONNABORTED && errno != EINTR) {
      return true;
    }
  }
  return true;
}

// No room will come: with the spare descriptor it is taken, and told that it is not traced.
bool Connections::accept_without_room(int listener) {
  if (has_no_spares_) return false;
  close(std::exchange(spare_, -1));
  int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) {
    begin(fd);
    if (silent_.contains(fd)) drop(fd);
  }
  return true;
}

// What the process has said before it executed the program that connects now comes first.
void Connections::hear_earlier(int pid) {
  std::vector<int> earlier;
  for (const auto& [fd, silent] : silent_) {
    if (silent.peer.pid == pid) earlier.push_back(fd);
  }
  for (int fd : earlier) listen_to(fd);
}

void Connections::begin(int fd) {
  Silent silent = {peer_of(fd), monotonic_ns()};
  hear_earlier(silent.peer.pid);
  make_way(silent.peer.uid);
  silent_[fd] = silent;
  of_user_[silent.peer.uid].emplace(silent.since_ns, fd);
  listen_to(fd);  // it has usually spoken already
  if (silent_.contains(fd) && !watch(epoll_, fd)) drop(fd);
}

// The oldest of the same user goes, or of whoever has most: so nobody keeps others out.
void Connections::make_way(uint32_t uid) {
  auto oldest_of = [](const auto& fds) { return fds.begin()->second; };
  auto own = of_user_.find(uid);
  if (own != of_user_.end() && own->second.size() >= kMostOfUser) drop(oldest_of(own->second));
  if (silent_.size() < kMostSilent) return;
  auto most = std::max_element(of_user_.begin(), of_user_.end(), [](const auto& a, const auto& b) {
    return a.second.size() < b.second.size();
  });
  drop(oldest_of(most->second));
}

void Connections::listen_to(int fd) {
  Hello hello = {};
  Look look = look_at(fd, &hello, sizeof hello, 0);
  if (look.bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
  Peer peer = silent_[fd].peer;
  bool whole = look.bytes == sizeof hello;
  bool asks = whole && hello.magic == Hello::kDumpMagic;
  bool knows =
      whole && (asks || hello.magic == Hello::kMagic) && is_session_secret(session_, hello.secret);
  if (knows && asks) {
    if (hooks_.asked != nullptr && (peer.uid == 0 || peer.uid == geteuid())) {
      let_go(fd);
      return hooks_.asked(fd);
    }
  } else if (knows) {
    welcome(fd, peer, hello);
  } else if (look.bytes > 0) {
    refuse(peer);
  }
  drop(fd);
}

void Connections::welcome(int fd, const Peer& peer, const Hello& hello) {
  Newcomer newcomer;
  newcomer.peer = peer;
  newcomer.groups = peer_groups(fd);
  newcomer.hello = hello;
  newcomer.pidfd = peer_pidfd(fd);
  newcomer.pidfd_is_of_peer = newcomer.pidfd >= 0;
  take_descriptors(fd, &newcomer);
  if (newcomer.out_of_descriptors && hooks_.make_room()) take_descriptors(fd, &newcomer);
  if (newcomer.out_of_descriptors) {
    // Its memory file all the same, through which it is told.
    for (int* room : {&sent_spare_, &spare_, &newcomer.pidfd}) {
      if (*room >= 0) close(std::exchange(*room, -1));
    }
    newcomer.pidfd_is_of_peer = true;  // none is wanted
    take_descriptors(fd, &newcomer);
    newcomer.out_of_descriptors = true;
  }
  hooks_.welcome(std::move(newcomer));
}

// The memfd, and the pidfd if the kernel gave us none. It sends the memfd first.
void Connections::take_descriptors(int fd, Newcomer* newcomer) {
  if (newcomer->hello.untraced_reason != 0) return;
  Hello again;
  size_t wanted = newcomer->pidfd_is_of_peer ? 1 : 2;
  Look look = look_at(fd, &again, sizeof again, wanted);
  newcomer->memfd = look.fds[0];
  if (wanted == 2) newcomer->pidfd = look.fds[1];
  newcomer->out_of_descriptors = look.cut && look.fds[0] < 0;
}

void Connections::refuse(const Peer& peer) {
  if (refused_users_.size() >= kMostUsersTold || !refused_users_.insert(peer.uid).second) return;
  warn("a process of user ", peer.uid,
       " tried to join this trace without its secret: it was refused, as all further ones will be");
}

void Connections::drop(int fd) {
  let_go(fd);
  // What was sent and not taken is closed with it.
  closer_->close(fd);
}

void Connections::let_go(int fd) {
  auto found = silent_.find(fd);
  auto user = of_user_.find(found->second.peer.uid);
  user->second.erase({found->second.since_ns, fd});
  if (user->second.empty()) of_user_.erase(user);
  silent_.erase(found);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Connections::drop_stale() {
  if (!listeners_.empty()) open_spares();
  uint64_t now = monotonic_ns();
  std::vector<int> stale;
  for (const auto& [fd, silent] : silent_) {
    if (now - silent.since_ns > kSilentNs) stale.push_back(fd);
  }
  for (int fd : stale) drop(fd);
}

}  // namespace telinject::drain
