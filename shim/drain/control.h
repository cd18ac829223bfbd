// The control thread: who joins, who ends, and what telrun has to say.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "shim/channel/control.h"
#include "shim/channel/session.h"
#include "shim/drain/collector.h"

namespace telinject {

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
  };
  Control(const ControlFds& fds, const Session& session, Collector* collector, Hooks hooks);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // A program that is there from the start (preload mode): its memfd and a pidfd of it.
  void add_program(int memfd, int pidfd);

  // From the processor: asks to be told when a process ends. By number, so only for processes in
  // our own PID namespace.
  void watch(int pid);
  // From the processor: all that ended before the program did is written.
  void written();

  // Runs until everything is over, then passes kLastWords on.
  void run();

 private:
  enum class Source { kSupervisor, kListener, kConnection, kProcess, kWake };
  struct Watched {
    Source source;
    int pid = 0;  // kProcess
    uint64_t since_ns = 0;
  };

  void add(int fd, Watched watched);
  void remove(int fd);
  void wake();
  void handle_ready(int timeout_ms, int but);
  void handle(int fd, const Watched& watched);
  void accept_all(int listener);
  void receive_hello(int fd);
  void join(int memfd, int pidfd, int pid);
  void watch_process(int pidfd, int pid);
  void process_ended(int pidfd, int pid);
  void settle_program();
  void receive_control(int fd);
  void supervisor_gone();
  void handle_requests();
  void drop_stale_connections();
  bool over();
  void answer_written();

  Session session_;
  Collector* collector_;
  Hooks hooks_;
  int epoll_ = -1;
  int wake_ = -1;
  ControlFds fds_;
  std::map<int, Watched> watched_;
  bool ended_told_ = false;               // telrun's program has ended, or there is no telrun
  std::map<int, ProcessEnd> known_ends_;  // from telrun, which reaps its program
  int program_ = 0;                       // the pid of telrun's program
  int program_ended_ = -1;                // its pidfd, once it has: telrun is about to tell how
  bool answered_ = false;                 // telrun, that all is written
  bool end_now_ = false;                  // nobody can join any more
  uint64_t quiet_since_ns_ = 0;
  std::mutex mutex_;
  std::vector<int> to_watch_;
  bool written_ = false;
};

}  // namespace telinject
