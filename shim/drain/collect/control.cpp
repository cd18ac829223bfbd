#include "shim/drain/collect/control.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"
#include "shim/channel/message.h"
#include "shim/drain/base/text_of_file.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/collect/process_end.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kSecondNs = 1000000000;
// After the last segment has gone: a child that was forked before may be about to execute a program
// and join.
constexpr uint64_t kLingerNs = 2 * kSecondNs;
constexpr uint64_t kPreloadLingerNs = kSecondNs / 5;
constexpr uint64_t kHelloNs = kSecondNs;
constexpr int kTickMs = 50;
// Between two looks at processes without a pidfd: a zombie is to be seen before its parent has
// asked for it.
constexpr int kPollMs = 10;
// Rounds of what is ready when telrun's program ends, for more may always come.
constexpr int kMostBefore = 64;

const char* untraced_text(uint32_t reason) {
  switch (static_cast<UntracedReason>(reason)) {
    case UntracedReason::kNone:
      return "";
    case UntracedReason::kNoMemory:
      return "no memory or address space for its lanes (ulimit -v)";
    case UntracedReason::kFileSizeLimit:
      return "the file size limit (ulimit -f) forbids its lanes";
    case UntracedReason::kNoDescriptor:
      return "no file descriptor was free (ulimit -n)";
    case UntracedReason::kNoMemoryFile:
      return "it may not make a memory file: memfd_create(2) is forbidden (a seccomp filter, a "
             "container's profile) or not known (Linux before 3.17)";
  }
  return "an unknown reason";
}

// Is there a process with this session in its environment? Such as a child that a shell has just
// forked and that is about to execute a program. Those that started before us cannot be of it.
bool session_in_use(const Session& session) {
  namespace fs = std::filesystem;
  std::error_code error;
  int own = getpid();
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
    int pid = atoi(entry.path().filename().c_str());
    if (pid <= own) continue;
    if (text_of_file(entry.path() / "environ").find(session.name) != std::string::npos) return true;
  }
  return false;
}

// The descriptors that came with a message, at most two.
struct Received {
  ssize_t bytes;
  int fds[2] = {-1, -1};
};

Received receive(int socket, void* data, size_t capacity) {
  Received received;
  iovec vector = {data, capacity};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  received.bytes = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (received.bytes < 0) return received;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      if (i < 2 && received.fds[i] < 0) {
        received.fds[i] = fd;
      } else {
        close(fd);
      }
    }
  }
  return received;
}

}  // namespace

Control::Control(const ControlFds& fds, const Session& session, Collector* collector, Hooks hooks)
    : session_(session), collector_(collector), hooks_(std::move(hooks)), fds_(fds) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  add(wake_, {Source::kWake});
  if (fds.supervisor >= 0) add(fds.supervisor, {Source::kSupervisor});
  if (fds.listener >= 0) add(fds.listener, {Source::kListener});
  if (fds.abstract_listener >= 0) add(fds.abstract_listener, {Source::kListener});
  ended_told_ = fds.supervisor < 0;
}

Control::~Control() {
  while (!watched_.empty()) remove(watched_.begin()->first);
  close(epoll_);
}

bool Control::add(int fd, Watched watched) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return false;
  watched_[fd] = watched;
  return true;
}

void Control::remove(int fd) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  watched_.erase(fd);
  close(fd);
}

void Control::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_, &one, sizeof one);
}

void Control::add_program(int memfd, int pidfd) {
  join(memfd, pidfd, 0);
}

void Control::watch(SegmentId segment, int pid) {
  std::lock_guard lock(mutex_);
  to_watch_.push_back({segment, pid});
  wake();
}

void Control::written() {
  std::lock_guard lock(mutex_);
  written_ = true;
  wake();
}

void Control::run() {
  while (!over()) {
    handle_ready(unwatchable_.empty() ? kTickMs : kPollMs, -1);
    poll_unwatchable();
    handle_requests();
    drop_stale_connections();
    hooks_.tick();
  }
  collector_->tell({Notice(Notice::Kind::kLastWords)});
}

bool Control::handle_ready(int timeout_ms, int but) {
  epoll_event events[64];
  int n = epoll_wait(epoll_, events, 64, timeout_ms);
  bool any = false;
  for (int i = 0; i < n; i++) {
    auto found = watched_.find(events[i].data.fd);
    if (found == watched_.end() || found->first == but) continue;
    any = true;
    handle(found->first, Watched(found->second));
  }
  return any;
}

void Control::handle(int fd, const Watched& watched) {
  switch (watched.source) {
    case Source::kListener:
      accept_all(fd);
      break;
    case Source::kConnection:
      receive_hello(fd);
      break;
    case Source::kProcess:
      pidfd_rang(fd);
      break;
    case Source::kSupervisor:
      receive_control(fd);
      break;
    case Source::kWake: {
      uint64_t value;
      [[maybe_unused]] ssize_t n = read(fd, &value, sizeof value);
      break;
    }
  }
}

void Control::accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    add(fd, {Source::kConnection, monotonic_ns()});
    receive_hello(fd);  // it is usually there already
  }
}

void Control::receive_hello(int fd) {
  Hello hello = {};
  Received received = receive(fd, &hello, sizeof hello);
  if (received.bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
  ucred peer = {};
  socklen_t length = sizeof peer;
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  remove(fd);
  bool valid = received.bytes == sizeof hello && hello.magic == Hello::kMagic;
  if (valid && hello.layout_version != kLayoutVersion) {
    warn("process ", peer.pid, " has another release of libtelinject.so; it is not traced");
    valid = false;
  }
  if (valid && hello.untraced_reason != 0) {
    Notice notice(Notice::Kind::kUntraced);
    notice.os_pid = peer.pid;
    notice.text = untraced_text(hello.untraced_reason);
    collector_->tell({std::move(notice)});
    valid = false;
  }
  if (valid && received.fds[0] >= 0) {
    join(received.fds[0], received.fds[1], peer.pid);
    return;
  }
  for (int received_fd : received.fds) {
    if (received_fd >= 0) close(received_fd);
  }
}

void Control::join(int memfd, int pidfd, int pid) {
  std::string problem;
  std::unique_ptr<SegmentView> segment = SegmentView::open(memfd, &problem);
  if (segment == nullptr) {
    warn(problem);
    if (pidfd >= 0) close(pidfd);
    return;
  }
  if (pid == 0) pid = segment->info().pid;
  if (pid != segment->info().pid) segment->set_pid_namespace(pid_namespace_of(pid));
  end_images_before(pid, pidfd);
  CollectorCommand command = {.notice = Notice(Notice::Kind::kSegmentOpened)};
  command.notice.os_pid = pid;
  // The first process is watched from the start, later ones once they have run for a while.
  if (std::exchange(first_, false) && pid == segment->info().pid) {
    bool refused;
    command.switches = SwitchRing::open(pid, pid, &refused);
  }
  command.segment = std::move(segment);
  watch_image({collector_->tell(std::move(command)), pid}, pidfd);
}

void Control::receive_control(int fd) {
  ControlMessage message = {};
  ssize_t n = recv(fd, &message, sizeof message, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < static_cast<ssize_t>(offsetof(ControlMessage, text))) {
    supervisor_gone();
    return;
  }
  Notice notice;
  notice.os_pid = message.pid;
  notice.end = {true, message.status};
  switch (message.type) {
    case ControlType::kStarted:
      program_ = message.pid;
      notice.kind = Notice::Kind::kProgramStarted;
      notice.text.assign(message.text, strnlen(message.text, sizeof message.text));
      break;
    case ControlType::kEnded:
      // What ended before it, or was about to join, comes first.
      known_end_ = notice.end;
      settle_program();
      for (int i = 0; i < kMostBefore && handle_ready(/*timeout_ms=*/0, /*but=*/fd); i++) {
      }
      poll_unwatchable();
      ended_told_ = true;
      known_end_.reset();  // its number may be in use again
      notice.kind = Notice::Kind::kProgramEnded;
      hooks_.program_ended();
      break;
    case ControlType::kForeground:
      hooks_.foreground(message.status != 0);
      send(fd, &message, offsetof(ControlMessage, text), MSG_NOSIGNAL | MSG_DONTWAIT);
      return;
    case ControlType::kStop:
      hooks_.stop();
      notice.kind = Notice::Kind::kStop;
      break;
    default:
      return;
  }
  collector_->tell({std::move(notice)});
}

// telrun was killed; so was its program, by the kernel. What they wrote is still worth keeping.
void Control::supervisor_gone() {
  remove(fds_.supervisor);
  fds_.supervisor = -1;
  settle_program();
  if (!ended_told_) {
    Notice notice(Notice::Kind::kProgramEnded);
    collector_->tell({std::move(notice)});
  }
  ended_told_ = true;
}

void Control::handle_requests() {
  std::vector<Image> to_watch;
  bool written;
  {
    std::lock_guard lock(mutex_);
    to_watch = std::exchange(to_watch_, {});
    written = std::exchange(written_, false);
  }
  for (const Image& image : to_watch) watch_child(image);
  if (written && fds_.supervisor >= 0) answer_written();
}

// With whether the drain ends now: telrun then waits for that. It stays for programs that still
// run, and if somebody may yet join.
void Control::answer_written() {
  end_now_ = collector_->open_segments() == 0 && !session_in_use(session_);
  ControlMessage message = {};
  message.type = ControlType::kWritten;
  message.status = end_now_ ? 1 : 0;
  answered_ = true;
  send(fds_.supervisor, &message, offsetof(ControlMessage, text), MSG_NOSIGNAL);
}

void Control::drop_stale_connections() {
  uint64_t now = monotonic_ns();
  for (auto it = watched_.begin(); it != watched_.end();) {
    int fd = it->first;
    bool stale = it->second.source == Source::kConnection && now - it->second.since_ns > kHelloNs;
    ++it;
    if (stale) remove(fd);
  }
}

bool Control::over() {
  uint64_t now = monotonic_ns();
  if (end_now_) return true;
  bool waited_for = fds_.supervisor >= 0 && !answered_;
  if (!ended_told_ || waited_for || collector_->open_segments() > 0) {
    quiet_since_ns_ = now;
    return false;
  }
  uint64_t linger = session_.mode == SessionMode::kPreload ? kPreloadLingerNs : kLingerNs;
  return now - quiet_since_ns_ > linger;
}

}  // namespace telinject::drain
