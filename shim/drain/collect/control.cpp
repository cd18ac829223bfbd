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
#include "shim/channel/hello.h"
#include "shim/drain/base/text_of_file.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/collect/descriptor_room.h"
#include "shim/drain/collect/process_end.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kSecondNs = 1000000000;
// After the last segment has gone: a child that was forked before may be about to execute a program
// and join.
constexpr uint64_t kLingerNs = 2 * kSecondNs;
constexpr uint64_t kPreloadLingerNs = kSecondNs / 5;
constexpr uint64_t kLongestHearingNs = 10 * kSecondNs;
constexpr int kTickMs = 50;
// Between two looks at processes without a pidfd: a zombie is to be seen before its parent has
// asked for it.
constexpr int kPollMs = 10;
// Rounds of what is ready when telrun's program ends, for more may always come.
constexpr int kMostBefore = 64;
constexpr uint64_t kUnknownNamespace = ~uint64_t{0};

const char* untraced_text(uint32_t reason) {
  switch (static_cast<UntracedReason>(reason)) {
    case UntracedReason::kNone:
      return "";
    case UntracedReason::kNoMemory:
      return "no memory or address space for its lanes (ulimit -v)";
    case UntracedReason::kFileSizeLimit:
      return "the file size limit (ulimit -f) forbids its lanes";
    case UntracedReason::kNoDescriptor:
      return "no file descriptor was free for it, or too many were on their way to the drain "
             "(ulimit -n)";
    case UntracedReason::kNoMemoryFile:
      return "memfd_create(2) is forbidden (by a seccomp filter or a container's profile) or not "
             "available (Linux before 3.17)";
  }
  return "an unknown reason";
}

// Is there a process with this session in its environment? Such as a child that a shell has just
// forked and that is about to execute a program. Those that started before us cannot be of it.
bool session_in_use(const Session& session) {
  namespace fs = std::filesystem;
  char text[kSessionTextBytes];
  format_session(session, text);
  std::error_code error;
  int own = getpid();
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
    int pid = atoi(entry.path().filename().c_str());
    if (pid <= own) continue;
    if (text_of_file(entry.path() / "environ").find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Control::Control(const ControlFds& fds, const Session& session, Collector* collector, Hooks hooks)
    : session_(session),
      collector_(collector),
      hooks_(std::move(hooks)),
      fds_(fds),
      connections_(session, {fds.listener, fds.abstract_listener}, &connection_closer_,
                   {[this](Newcomer newcomer) { welcome(std::move(newcomer)); },
                    [this] { return let_go_of_pidfds(); }, [this] { return room_is_coming(); },
                    [this](int fd) { hooks_.asked(fd); }}) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0) {
    connections_.close_spares();
    if (epoll_ < 0) epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (wake_ < 0) wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  add(wake_, {Source::kWake});
  if (fds.supervisor >= 0) add(fds.supervisor, {Source::kSupervisor});
  add(connections_.descriptor(), {Source::kConnections});
  ended_told_ = fds.supervisor < 0;
}

Control::~Control() {
  watched_.erase(connections_.descriptor());
  while (!watched_.empty()) remove(watched_.begin()->first);
  close(epoll_);
}

bool Control::add(int fd, Watched watched) {
  if (fd < 0) return false;
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return false;
  watched_[fd] = watched;
  if (watched.source == Source::kProcess) pidfds_.emplace(watched.image.pid, fd);
  return true;
}

void Control::remove(int fd) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  if (auto watched = watched_.find(fd); watched != watched_.end()) {
    auto [each, end] = pidfds_.equal_range(watched->second.image.pid);
    while (each != end && each->second != fd) ++each;
    if (each != end) pidfds_.erase(each);
    watched_.erase(watched);
  }
  close(fd);
}

void Control::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_, &one, sizeof one);
}

void Control::add_program(int memfd, int pidfd) {
  Newcomer first;
  first.peer = {0, geteuid(), getegid()};
  join(memfd, pidfd, first, /*started_us=*/true);
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
    connections_.drop_stale();
    hooks_.tick();
    for (Notice& notice : hooks_.notices()) collector_->tell({std::move(notice)});
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
    case Source::kConnections:
      connections_.hear(/*all=*/false);
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

void Control::welcome(Newcomer newcomer) {
  const Hello& hello = newcomer.hello;
  int pid = newcomer.peer.pid;
  check_pidfd(&newcomer);
  std::string problem;
  if (hello.layout_version != kLayoutVersion) {
    warn("process ", pid,
         " has libtelinject.so of another release than the drain: it is not traced; install both "
         "from one release");
  } else if (hello.untraced_reason != 0) {
    tell_untraced(pid, untraced_text(hello.untraced_reason));
  } else if (newcomer.out_of_descriptors) {
    refuse_without_room(&newcomer);
  } else if (newcomer.memfd < 0) {
    warn("process ", pid, " joined without a memory file: it is not traced");
  } else if (!SegmentView::is_memory_file(newcomer.memfd, &problem)) {
    warn(problem);
  } else if (is_reserved(newcomer.memfd) && !let_go_of_pidfds()) {
    refuse_without_room(&newcomer);
  } else {
    join(lowered(std::exchange(newcomer.memfd, -1)), std::exchange(newcomer.pidfd, -1), newcomer);
  }
  sent_closer_.close(newcomer.memfd);
  sent_closer_.close(newcomer.pidfd);
}

// Keeps a pidfd only if it is one of the process that has connected.
void Control::check_pidfd(Newcomer* newcomer) {
  if (newcomer->pidfd < 0 || newcomer->pidfd_is_of_peer) return;
  if (is_pidfd_of(newcomer->pidfd, newcomer->peer.pid)) return;
  sent_closer_.close(std::exchange(newcomer->pidfd, -1));
}

void Control::refuse_without_room(Newcomer* newcomer) {
  std::string problem;
  if (newcomer->memfd >= 0 && SegmentView::is_memory_file(newcomer->memfd, &problem)) {
    SegmentView::refuse(newcomer->memfd);
  }
  tell_untraced(newcomer->peer.pid, out_of_descriptors_text());
  warn("a program is not traced: ", out_of_descriptors_text());
}

void Control::tell_untraced(int pid, std::string why) {
  Notice notice(Notice::Kind::kUntraced);
  notice.os_pid = pid;
  notice.text = std::move(why);
  collector_->tell({std::move(notice)});
}

void Control::join(int memfd, int pidfd, const Newcomer& newcomer, bool started_us) {
  std::string problem;
  std::unique_ptr<SegmentView> segment = SegmentView::open(memfd, &problem);
  if (segment == nullptr) {
    warn(problem);
    if (pidfd >= 0) close(pidfd);
    return;
  }
  // By the kernel's word: what the program says may be a stranger's number. 0: not known.
  int pid = started_us ? segment->info().pid : newcomer.peer.pid;
  if (pid == 0) {
    segment->set_pid_namespace(kUnknownNamespace);
  } else if (pid != segment->info().pid) {
    segment->set_pid_namespace(pid_namespace_of(pid));
  }
  FileRights rights = {newcomer.peer.uid, newcomer.peer.gid, newcomer.groups};
  std::shared_ptr<FileAccess> access = FileAccess::of_process(pid, rights);
  // What was looked at may have been a stranger that has got its number.
  if (pidfd >= 0 && !has_its_number(pidfd, pid)) access = FileAccess::of_process(0, rights);
  segment->set_access(std::move(access));
  if (pid != 0) end_images_before(pid, pidfd);
  CollectorCommand command = {.notice = Notice(Notice::Kind::kSegmentOpened)};
  command.notice.os_pid = pid;
  // The first process is watched from the start, later ones once they have run for a while.
  if (std::exchange(first_, false) && pid != 0 && pid == segment->info().pid) {
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
// run, and if another may yet join.
void Control::answer_written() {
  bool all_heard = connections_.hear(/*all=*/true);
  end_now_ = all_heard && collector_->open_segments() == 0 && !session_in_use(session_);
  ControlMessage message = {};
  message.type = ControlType::kWritten;
  message.status = end_now_ ? 1 : 0;
  answered_ = true;
  send(fds_.supervisor, &message, offsetof(ControlMessage, text), MSG_NOSIGNAL);
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
  uint64_t quiet = now - quiet_since_ns_;
  if (quiet <= linger) return false;
  // None may be left in the listeners' queues, which are closed with us. But whatever keeps them
  // there: no drain stays for ever.
  bool all_heard = connections_.hear(/*all=*/true), given_up = quiet > linger + kLongestHearingNs;
  if (!all_heard && !given_up) return false;
  if (collector_->open_segments() > 0) return false;
  if (!all_heard)
    warn("there may be programs that started and are not traced: no descriptors came free");
  return true;
}

}  // namespace telinject::drain
