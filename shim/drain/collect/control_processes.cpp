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

#include "shim/drain/collect/control.h"
#include "shim/drain/collect/process_end.h"

namespace telinject::drain {

namespace {

constexpr size_t kPolledAtOnce = 64;

}  // namespace

// A process that joins again has executed another program, and what it ran before is over. (Or it
// has ended, and its number is in use again.)
void Control::end_images_before(int pid, int pidfd) {
  std::vector<std::pair<int, Image>> before;
  for (const auto& [fd, watched] : watched_) {
    if (watched.source == Source::kProcess && watched.image.pid == pid) {
      before.emplace_back(fd, watched.image);
    }
  }
  for (const auto& [fd, image] : before) {
    if (pidfd >= 0 && !may_be_same_process(fd, pidfd)) {
      image_ended(image, fd);
    } else {
      tell_exec(image);
    }
    if (fd == program_ended_) program_ended_ = -1;
    remove(fd);
  }
  uint64_t start = unwatchable_.empty() ? 0 : start_of(pid);
  std::erase_if(unwatchable_, [&](const Unwatchable& each) {
    if (each.image.pid != pid) return false;
    if (start != 0 && each.start != 0 && start != each.start) {
      image_ended(each.image, -1);
    } else {
      tell_exec(each.image);
    }
    return true;
  });
}

void Control::tell_exec(const Image& image) {
  Notice notice(Notice::Kind::kProcessEnded);
  notice.segment = image.segment;
  notice.os_pid = image.pid;
  notice.text = "exec";
  collector_->tell({std::move(notice)});
}

void Control::watch_image(const Image& image, int pidfd) {
  if (pidfd < 0) pidfd = open_pidfd(image.pid);
  bool gone = pidfd < 0 && errno == ESRCH;  // or not visible from here
  Watched watched = {Source::kProcess};
  watched.image = image;
  if (pidfd >= 0 && add(pidfd, watched)) return;
  if (pidfd >= 0) close(pidfd);  // no pidfd, whatever it is
  if (!gone) {
    unwatchable_.push_back({image, start_of(image.pid)});
  } else {
    image_ended(image, -1);
  }
}

void Control::poll_unwatchable() {
  for (size_t i = 0; i < kPolledAtOnce && !unwatchable_.empty(); i++) {
    if (next_polled_ >= unwatchable_.size()) {
      next_polled_ = 0;
      if (i > 0) return;
    }
    Unwatchable each = unwatchable_[next_polled_];
    if (has_ended(each.image.pid, each.start) && !waits_for_status(each.image)) {
      hear_newcomers();
      auto found = std::find(unwatchable_.begin(), unwatchable_.end(), each);
      if (found == unwatchable_.end()) continue;
      unwatchable_.erase(found);
      image_ended(each.image, -1);
    } else {
      next_polled_++;
    }
  }
}

// The program that ends may have been executed by the one that is watched, and not be heard yet: it
// said so before it ended.
void Control::hear_newcomers() {
  for (int listener : {fds_.listener, fds_.abstract_listener}) {
    if (listener >= 0) accept_all(listener);
  }
  std::vector<int> connections;
  for (const auto& [fd, watched] : watched_) {
    if (watched.source == Source::kConnection) connections.push_back(fd);
  }
  for (int fd : connections) receive_hello(fd);
}

void Control::pidfd_rang(int pidfd) {
  // The number may be another descriptor's by now.
  if (!pidfd_has_ended(pidfd)) return;
  hear_newcomers();
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
  return image.pid == program_ && fds_.supervisor >= 0 && !ended_told_ && !known_end_.has_value();
}

void Control::image_ended(const Image& image, int pidfd) {
  Notice notice(Notice::Kind::kProcessEnded);
  notice.segment = image.segment;
  notice.os_pid = image.pid;
  bool of_program = image.pid == program_ && known_end_.has_value();
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
  for (const auto& [fd, watched] : watched_) {
    if (watched.source == Source::kProcess) look_at(watched.image);
  }
  for (const Unwatchable& each : unwatchable_) look_at(each.image);
  if (known) return;
  if (executed) {
    tell_exec(child);
  } else {
    watch_image(child, -1);
  }
}

}  // namespace telinject::drain
