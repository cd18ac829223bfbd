// The control thread: who joins, who ends, and what telrun has to say.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "shim/channel/control.h"
#include "shim/channel/session.h"
#include "shim/drain/collect/closer.h"
#include "shim/drain/collect/collector.h"
#include "shim/drain/collect/connections.h"

namespace telinject::drain {

// Descriptors that the drain was started with; -1 if not.
struct ControlFds {
  int supervisor = -1;
  int listener = -1;
  int abstract_listener = -1;
};

class Control {
 public:
  struct Hooks {
    std::function<void()> stop;            // telrun says to leave what is still queued
    std::function<void()> program_ended;   // as telrun says
    std::function<void(bool)> foreground;  // whether the terminal may be drawn on
    std::function<void()> tick;            // often
    // Somebody who may asks for a dump, and waits for the answer on this connection, which is the
    // receiver's.
    std::function<void(int fd)> asked;
    std::function<std::vector<Notice>()> notices;  // asked for often: more to tell
  };
  Control(const ControlFds& fds, const Session& session, Collector* collector, Hooks hooks);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // A program that is there from the start (preload mode): its memfd and a pidfd of it.
  void add_program(int memfd, int pidfd);

  // From the processor: asks to be told when a forked child, which lives in its parent's segment,
  // ends. By number, so only for processes in our own PID namespace.
  void watch(SegmentId segment, int pid);
  // From the processor: all that ended before the program did is written.
  void written();

  // Runs until everything is over, then passes kLastWords on.
  void run();

 private:
  enum class Source { kSupervisor, kConnections, kProcess, kWake };
  // A process as long as it executes one program. Each program that it executes has a segment of
  // its own; forked children live in their parent's.
  struct Image {
    SegmentId segment = 0;
    int pid = 0;
    bool operator==(const Image&) const = default;
  };
  struct Watched {
    Source source;
    Image image = {};  // kProcess
  };
  // Where no pidfd is to be had (process_end.h).
  struct Unwatchable {
    Image image;
    uint64_t start = 0;
  };

  bool add(int fd, Watched watched);
  void remove(int fd);
  void wake();
  bool handle_ready(int timeout_ms, int but);  // true if anything was
  void handle(int fd, const Watched& watched);
  void welcome(Newcomer newcomer);
  void check_pidfd(Newcomer* newcomer);
  void refuse_without_room(Newcomer* newcomer);
  void tell_untraced(int pid, std::string why);
  void join(int memfd, int pidfd, const Newcomer& newcomer, bool started_us = false);
  bool let_go_of_pidfds();
  bool room_is_coming();
  bool any_has_ended();
  bool look_for_ended() const;
  void end_images_before(int pid, int pidfd);
  void tell_exec(const Image& image);
  void watch_image(const Image& image, int pidfd);
  void watch_child(const Image& child);
  void add_unwatchable(const Unwatchable& process);
  void remove_unwatchable(uint64_t number);
  void poll_unwatchable();
  void pidfd_rang(int pidfd);
  bool waits_for_status(const Image& image) const;
  void image_ended(const Image& image, int pidfd);
  void settle_program();
  void receive_control(int fd);
  void supervisor_gone();
  void handle_requests();
  bool over();
  void answer_written();

  Session session_;
  Collector* collector_;
  Hooks hooks_;
  int epoll_ = -1;
  int wake_ = -1;
  ControlFds fds_;
  Closer connection_closer_, sent_closer_;  // what is sent may hang where no connection does
  Connections connections_;
  std::map<int, Watched> watched_;               // by descriptor
  std::multimap<int, int> pidfds_;               // of those the processes', by pid
  std::map<uint64_t, Unwatchable> unwatchable_;  // by a number of their own
  std::multimap<int, uint64_t> unwatchable_of_pid_;
  uint64_t next_unwatchable_ = 0, next_polled_ = 0;
  uint64_t looked_for_ended_ns_ = 0;
  bool some_have_ended_ = false;         // when that was looked for last
  bool first_ = true;                    // no process has joined yet
  bool ended_told_ = false;              // telrun's program has ended, or there is no telrun
  std::optional<ProcessEnd> known_end_;  // of its program, from telrun, which reaps it
  int program_ = 0;                      // the pid of telrun's program
  int program_ended_ = -1;               // its pidfd, once it has: telrun is about to tell how
  bool answered_ = false;                // telrun, that all is written
  bool end_now_ = false;                 // no program can join any more
  uint64_t quiet_since_ns_ = 0;
  std::mutex mutex_;
  std::vector<Image> to_watch_;
  bool written_ = false;
};

}  // namespace telinject::drain
