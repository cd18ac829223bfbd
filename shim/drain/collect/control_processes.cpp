// Processes, from their joining to their end.
//
// A process that executes another program goes on under its number, but what the drain knows of it
// begins anew, with another segment. So what is watched, and told to have ended, is an image: a
// process in a segment.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "shim/channel/clock.h"
#include "shim/drain/collect/control.h"
#include "shim/drain/collect/descriptor_room.h"
#include "shim/drain/collect/process_end.h"

namespace telinject::drain {

namespace {

constexpr size_t kPolledAtOnce = 64;
constexpr size_t kMostLookedAt = 256;

}  // namespace

// A process that joins again has executed another program, and what it ran before is over. (Or it
// has ended, and its number is in use again.)
void Control::end_images_before(int pid, int pidfd) {
  std::vector<int> before;
  auto [first, last] = pidfds_.equal_range(pid);
  for (auto each = first; each != last; ++each) before.push_back(each->second);
  for (int fd : before) {
    const Image image = watched_.at(fd).image;
    if (pidfd >= 0 && !may_be_same_process(fd, pidfd)) {
      image_ended(image, fd);
    } else {
      tell_exec(image);
    }
    if (fd == program_ended_) program_ended_ = -1;
    remove(fd);
  }
  auto [begin, end] = unwatchable_of_pid_.equal_range(pid);
  uint64_t start = begin == end ? 0 : start_of(pid);
  for (auto each = begin; each != end; ++each) {
    const Unwatchable process = unwatchable_.at(each->second);
    unwatchable_.erase(each->second);
    if (start != 0 && process.start != 0 && start != process.start) {
      image_ended(process.image, -1);
    } else {
      tell_exec(process.image);
    }
  }
  unwatchable_of_pid_.erase(begin, end);
}

void Control::add_unwatchable(const Unwatchable& process) {
  unwatchable_[next_unwatchable_] = process;
  unwatchable_of_pid_.emplace(process.image.pid, next_unwatchable_++);
}

void Control::remove_unwatchable(uint64_t number) {
  auto [each, end] = unwatchable_of_pid_.equal_range(unwatchable_.at(number).image.pid);
  while (each != end && each->second != number) ++each;
  unwatchable_of_pid_.erase(each);
  unwatchable_.erase(number);
}

void Control::tell_exec(const Image& image) {
  Notice notice(Notice::Kind::kProcessEnded);
  notice.segment = image.segment;
  notice.os_pid = image.pid;
  notice.text = "exec";
  collector_->tell({std::move(notice)});
}

// Without a pidfd and without a number nothing can be watched: it counts as ended once no process
// has its segment mapped.
void Control::watch_image(const Image& image, int pidfd) {
  if (pidfd < 0 && image.pid != 0) pidfd = open_pidfd(image.pid);
  bool gone = pidfd < 0 && (image.pid == 0 || errno == ESRCH);  // or not visible from here
  Watched watched = {Source::kProcess};
  watched.image = image;
  if (pidfd >= 0 && is_plentiful(pidfd) && add(pidfd, watched)) return;
  if (pidfd >= 0) close(pidfd);
  if (!gone && image.pid != 0) {
    add_unwatchable({image, start_of(image.pid)});
  } else {
    image_ended(image, -1);
  }
}

// From now on they are polled. False if there were none.
bool Control::let_go_of_pidfds() {
  std::vector<std::pair<int, Unwatchable>> living;
  for (const auto& [fd, watched] : watched_) {
    if (watched.source != Source::kProcess || fd == program_ended_) continue;
    // In this order: it is its number, if it still lives.
    Unwatchable process = {watched.image, start_of(watched.image.pid)};
    if (process.start != 0 && !pidfd_has_ended(fd)) living.emplace_back(fd, process);
  }
  for (const auto& [fd, process] : living) {
    remove(fd);
    add_unwatchable(process);
  }
  return !living.empty();
}

// Processes have ended whose descriptors are not free yet: their end is still to be told, their
// last records are still to be read, or another thread is closing the descriptors.
bool Control::room_is_coming() {
  return descriptors_are_short() &&
         (collector_->has_ends_to_read() || connection_closer_.waiting() > 0 ||
          sent_closer_.waiting() > 0 || any_has_ended());
}

// Looks once a millisecond: it is asked before each newcomer.
bool Control::any_has_ended() {
  constexpr uint64_t kBetweenNs = 1000000;
  uint64_t now = monotonic_ns();
  if (now - looked_for_ended_ns_ > kBetweenNs) {
    looked_for_ended_ns_ = now;
    some_have_ended_ = look_for_ended();
  }
  return some_have_ended_;
}

bool Control::look_for_ended() const {
  for (const auto& [fd, watched] : watched_) {
    if (watched.source == Source::kProcess && fd != program_ended_ && pidfd_has_ended(fd)) {
      return true;
    }
  }
  size_t looked_at = 0;
  for (const auto& [number, each] : unwatchable_) {
    if (++looked_at > kMostLookedAt) return false;
    if (has_ended(each.image.pid, each.start) && !waits_for_status(each.image)) return true;
  }
  return false;
}

void Control::poll_unwatchable() {
  for (size_t i = 0; i < kPolledAtOnce && !unwatchable_.empty(); i++) {
    auto next = unwatchable_.lower_bound(next_polled_);
    if (next == unwatchable_.end()) {
      next_polled_ = 0;
      if (i > 0) return;
      next = unwatchable_.begin();
    }
    const auto [number, each] = *next;
    next_polled_ = number + 1;
    if (!has_ended(each.image.pid, each.start) || waits_for_status(each.image)) continue;
    connections_.hear(/*all=*/true);
    if (!unwatchable_.contains(number)) continue;
    remove_unwatchable(number);
    image_ended(each.image, -1);
  }
}

// The program that ends may have been executed by the one that is watched, and not be heard yet: it
// said so before it ended.
void Control::pidfd_rang(int pidfd) {
  // The number may be another descriptor's by now.
  if (!pidfd_has_ended(pidfd)) return;
  connections_.hear(/*all=*/true);
  auto found = watched_.find(pidfd);
  if (found == watched_.end() || found->second.source != Source::kProcess ||
      !pidfd_has_ended(pidfd)) {
    return;
  }
  Image image = found->second.image;
  if (waits_for_status(image)) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, pidfd, nullptr);
    program_ended_ = pidfd;
    return;
  }
  image_ended(image, pidfd);
  remove(pidfd);
}

// The end of telrun's program is seen here before telrun has its status.
bool Control::waits_for_status(const Image& image) const {
  return image.pid != 0 && image.pid == program_ && fds_.supervisor >= 0 && !ended_told_ &&
         !known_end_.has_value();
}

void Control::image_ended(const Image& image, int pidfd) {
  Notice notice(Notice::Kind::kProcessEnded);
  notice.segment = image.segment;
  notice.os_pid = image.pid;
  bool of_program = image.pid != 0 && image.pid == program_ && known_end_.has_value();
  notice.end = of_program ? *known_end_ : end_of(pidfd, image.pid);
  collector_->tell({std::move(notice)});
}

// Telrun has told its program's status, or never will.
void Control::settle_program() {
  int pidfd = std::exchange(program_ended_, -1);
  auto found = watched_.find(pidfd);
  if (found == watched_.end()) return;
  image_ended(found->second.image, pidfd);
  remove(pidfd);
}

// A forked child, of which its first records tell: it may have executed a program meanwhile.
void Control::watch_child(const Image& child) {
  bool known = false, executed = false;
  auto look_at = [&](const Image& image) {
    known = known || image == child;
    executed = executed || image.pid == child.pid;
  };
  auto [first, last] = pidfds_.equal_range(child.pid);
  for (auto each = first; each != last; ++each) look_at(watched_.at(each->second).image);
  auto [begin, end] = unwatchable_of_pid_.equal_range(child.pid);
  for (auto each = begin; each != end; ++each) look_at(unwatchable_.at(each->second).image);
  if (known) return;
  if (executed) {
    tell_exec(child);
  } else {
    watch_image(child, -1);
  }
}

}  // namespace telinject::drain
