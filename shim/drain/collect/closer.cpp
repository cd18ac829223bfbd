#include "shim/drain/collect/closer.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace telinject::drain {

namespace {

constexpr long kInterruptNs = 5000000;

int interrupting_signal() {
  return SIGRTMAX - 1;
}

void do_nothing(int) {}

// Interrupts this thread's system calls every few milliseconds while it lives.
class Interrupter {
 public:
  Interrupter() {
    struct sigaction action = {};
    action.sa_handler = do_nothing;  // without SA_RESTART
    sigaction(interrupting_signal(), &action, nullptr);
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = interrupting_signal();
    event._sigev_un._tid = gettid();
    made_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
  }
  ~Interrupter() {
    if (made_) timer_delete(timer_);
  }
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;

  void set(bool on) {
    long interval = on ? kInterruptNs : 0;
    itimerspec times = {{0, interval}, {0, interval}};
    if (made_) timer_settime(timer_, 0, &times, nullptr);
  }

 private:
  timer_t timer_ = {};
  bool made_ = false;
};

}  // namespace

struct Closer::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> waiting;
  size_t in_hand = 0;
  bool over = false;
};

Closer::Closer() : state_(std::make_shared<State>()) {}

Closer::~Closer() {
  std::lock_guard lock(state_->mutex);
  state_->over = true;
  state_->changed.notify_all();
}

void Closer::close(int fd) {
  if (fd < 0) return;
  if (!started_) {
    try {
      std::thread([state = state_] { run(state.get()); }).detach();
      started_ = true;
    } catch (const std::system_error&) {
      ::close(fd);
      return;
    }
  }
  std::lock_guard lock(state_->mutex);
  state_->waiting.push_back(fd);
  state_->changed.notify_one();
}

size_t Closer::waiting() const {
  std::lock_guard lock(state_->mutex);
  return state_->waiting.size() + state_->in_hand;
}

void Closer::run(State* state) {
  Interrupter interrupter;
  std::unique_lock lock(state->mutex);
  while (!state->over || !state->waiting.empty()) {
    state->changed.wait(lock, [&] { return state->over || !state->waiting.empty(); });
    std::vector<int> batch = std::exchange(state->waiting, {});
    state->in_hand = batch.size();
    lock.unlock();
    interrupter.set(true);
    for (int fd : batch) ::close(fd);  // done with it, also if it is interrupted
    interrupter.set(false);
    lock.lock();
    state->in_hand = 0;
  }
}

}  // namespace telinject::drain
