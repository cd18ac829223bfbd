#include "shim/delivery/delivery.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/delivery/dispatch.h"
#include "shim/delivery/left_file.h"
#include "shim/delivery/request_maker.h"
#include "shim/net/http_transfers.h"
#include "shim/sinks/shell_word.h"
#include "shim/sinks/worker_thread.h"

namespace telinject::delivery {

namespace {

using std::chrono::duration_cast;
using TimePoint = steady_clock::time_point;

constexpr milliseconds kLongestWait{1000};

int64_t wall_seconds() {
  return duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Dispatch::Random make_random() {
  return [engine = std::minstd_rand(std::random_device()())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

}  // namespace

class Delivery::Worker {
 public:
  Worker(Endpoint endpoint, const Limits& limits, Tell tell)
      : endpoint_(std::move(endpoint)),
        limits_(limits),
        tell_(std::move(tell)),
        dispatch_(endpoint_, limits, tell_, make_random()),
        wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Worker() {
    {
      std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake();
    if (thread_.joinable()) thread_.join();
    close(wake_fd_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void add(Batch batch);
  bool wait_for_room();
  bool flush(TimePoint deadline);
  void hurry(TimePoint deadline);
  std::string finish();

  Totals totals() const {
    std::lock_guard lock(mutex_);
    return dispatch_.totals();
  }
  bool hopeless() const {
    std::lock_guard lock(mutex_);
    return dispatch_.stopped() || given_up_;
  }
  const std::string& who() const { return dispatch_.who(); }

 private:
  void wake() { eventfd_write(wake_fd_, 1); }
  bool is_done() const { return dispatch_.idle() && !keeping_; }
  void start_thread();
  void run();
  // Each of these is for the thread, without the lock.
  enum class Which : uint8_t { kToSend, kLeft };
  void read_stored(Which which);
  std::optional<Dispatch::Request> next();
  std::optional<Piece> next_left();
  void answered(uint64_t id, const net::HttpResponse& response);
  milliseconds time_to_wait();
  void look_at_limits();
  void give_up();
  bool keep(const Piece& piece, std::string* problem);
  void set_keeping(bool keeping);
  void keep_rest();

  const Endpoint endpoint_;
  const Limits limits_;
  const Tell tell_;

  mutable std::mutex mutex_;  // for what follows
  std::condition_variable changed_;
  Dispatch dispatch_;
  size_t flushing_ = 0;  // callers that wait
  bool hurried_ = false, given_up_ = false, ending_ = false, started_ = false;
  bool keeping_ = false;  // keep_rest() has more to do, or to tell
  TimePoint hurried_at_, deadline_;

  const int wake_fd_;
  std::thread thread_;
  // The thread's own.
  std::unique_ptr<net::HttpTransfers> transfers_;
  struct Sent {
    size_t items;
    uint64_t body_bytes;
  };
  std::map<uint64_t, Sent> sent_;  // under way
  std::unique_ptr<LeftWriter> left_;
  bool cannot_leave_ = false;
};

void Delivery::Worker::start_thread() {
  if (started_) return;
  started_ = true;
  thread_ = start_worker({}, [this] { run(); });
}

void Delivery::Worker::add(Batch batch) {
  if (batch.size() == 0) return;
  {
    std::lock_guard lock(mutex_);
    TimePoint now = steady_clock::now();
    dispatch_.add(std::move(batch), now);
    start_thread();
    if (thread_.joinable()) return wake();
    // The system allows no more threads.
    dispatch_.lose_all("no thread can be started", now);
  }
}

bool Delivery::Worker::wait_for_room() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return given_up_ || dispatch_.stopped() || !thread_.joinable() ||
           dispatch_.memory_bytes() <= limits_.memory_bytes / 2;
  });
  return !given_up_ && !dispatch_.stopped();
}

bool Delivery::Worker::flush(TimePoint deadline) {
  std::unique_lock lock(mutex_);
  if (is_done() || !thread_.joinable()) return is_done();
  flushing_++;
  wake();
  changed_.wait_until(lock, deadline,
                      [this] { return is_done() || (!hurried_ && dispatch_.failing()); });
  flushing_--;
  // All is over: so is loss.
  if (hurried_ && is_done()) dispatch_.end();
  return is_done();
}

void Delivery::Worker::hurry(TimePoint deadline) {
  std::lock_guard lock(mutex_);
  TimePoint now = steady_clock::now();
  if (!hurried_) hurried_at_ = now;
  deadline_ = hurried_ ? std::min(deadline_, deadline) : deadline;
  hurried_ = true;
  dispatch_.hurry(now);
  wake();
}

std::string Delivery::Worker::finish() {
  bool hurried;
  {
    std::lock_guard lock(mutex_);
    hurried = hurried_;
  }
  if (!hurried) hurry(steady_clock::now() + 2 * limits_.patience);
  flush(TimePoint::max());
  std::lock_guard lock(mutex_);
  dispatch_.end();
  return left_ != nullptr ? left_->path() : "";
}

// What comes next, if it is in the spool. add() does not wait meanwhile.
void Delivery::Worker::read_stored(Which which) {
  for (;;) {
    std::optional<WaitingItems::Stored> stored;
    {
      std::lock_guard lock(mutex_);
      TimePoint now = steady_clock::now();
      stored = which == Which::kLeft ? dispatch_.left_stored(now) : dispatch_.next_stored(now);
    }
    if (!stored.has_value()) return;
    std::shared_ptr<const Batch> batch = dispatch_.read(*stored);
    bool good = batch != nullptr;
    std::lock_guard lock(mutex_);
    dispatch_.put_back(*stored, std::move(batch), steady_clock::now());
    if (good) return;
  }
}

std::optional<Dispatch::Request> Delivery::Worker::next() {
  {
    std::lock_guard lock(mutex_);
    dispatch_.set_flushing(flushing_ > 0 || hurried_);
    if (ending_ || given_up_) return std::nullopt;
  }
  read_stored(Which::kToSend);
  std::lock_guard lock(mutex_);
  return dispatch_.next(steady_clock::now());
}

void Delivery::Worker::answered(uint64_t id, const net::HttpResponse& response) {
  auto found = sent_.find(id);
  if (found == sent_.end()) return;
  Sent sent = found->second;
  sent_.erase(found);
  Dispatch::Reading reading = dispatch_.read(response, sent.items, wall_seconds());
  std::lock_guard lock(mutex_);
  dispatch_.answered(id, reading, sent.body_bytes, steady_clock::now());
}

void Delivery::Worker::run() {
  transfers_ = std::make_unique<net::HttpTransfers>(net::Connections::kOneEach);
  RequestMaker maker(endpoint_);
  auto done = [&](uint64_t id, const net::HttpResponse& response) { answered(id, response); };
  for (;;) {
    while (auto request = next()) {
      uint64_t bytes = 0;
      net::HttpRequest http = maker.make(request->piece, &bytes);
      sent_[request->id] = {request->piece.items(), bytes};
      transfers_->start(request->id, std::move(http));
    }
    transfers_->run(time_to_wait(), wake_fd_, done);
    eventfd_t ignored;
    eventfd_read(wake_fd_, &ignored);
    look_at_limits();
    if (given_up_) {
      set_keeping(true);
      keep_rest();
      set_keeping(false);
    }
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    if (ending_) break;
  }
  transfers_.reset();
}

milliseconds Delivery::Worker::time_to_wait() {
  std::lock_guard lock(mutex_);
  if (ending_) return milliseconds(0);
  TimePoint until = given_up_ ? TimePoint::max() : dispatch_.next_at();
  TimePoint now = steady_clock::now();
  if (hurried_ && !given_up_ && !dispatch_.idle()) {
    TimePoint patient = std::max(dispatch_.last_progress(), hurried_at_) + limits_.patience;
    until = std::min({until, patient, deadline_});
  }
  if (until <= now) return milliseconds(0);
  if (until >= now + kLongestWait) return kLongestWait;
  return duration_cast<milliseconds>(until - now) + milliseconds(1);
}

// The end: of the endpoint, if it does not answer in time.
void Delivery::Worker::look_at_limits() {
  std::lock_guard lock(mutex_);
  if (given_up_ || dispatch_.idle()) return;
  TimePoint now = steady_clock::now();
  TimePoint patient = std::max(dispatch_.last_progress(), hurried_at_) + limits_.patience;
  given_up_ = !dispatch_.unusable().empty() || (hurried_ && (now >= deadline_ || now >= patient));
}

bool Delivery::Worker::keep(const Piece& piece, std::string* problem) {
  if (cannot_leave_) return false;
  if (left_ == nullptr) left_ = LeftWriter::create(limits_.spool_directory, problem);
  if (left_ == nullptr) return false;
  bool whole = piece.from == 0 && piece.to == piece.batch->size();
  if (left_->write(whole ? *piece.batch : piece.batch->part(piece.from, piece.to))) return true;
  *problem = absl::StrCat("cannot write ", left_->path(), ": ", strerror(errno));
  return false;
}

std::optional<Piece> Delivery::Worker::next_left() {
  read_stored(Which::kLeft);
  std::lock_guard lock(mutex_);
  return dispatch_.take_left(steady_clock::now());
}

void Delivery::Worker::set_keeping(bool keeping) {
  std::lock_guard lock(mutex_);
  keeping_ = keeping;
}

// What was under way may have arrived; it is kept, too.
void Delivery::Worker::keep_rest() {
  transfers_->cancel_all([](uint64_t, const net::HttpResponse&) {});
  sent_.clear();
  uint64_t kept = 0;
  bool first = left_ == nullptr && !cannot_leave_;
  std::string problem;
  while (std::optional<Piece> piece = next_left()) {
    bool good = keep(*piece, &problem);
    cannot_leave_ = cannot_leave_ || !good;
    std::lock_guard lock(mutex_);
    if (good) {
      dispatch_.count_left(piece->items());
      kept += piece->items();
    } else {
      dispatch_.count_not_left(piece->items(), problem, steady_clock::now());
    }
  }
  if (!first || kept == 0) return;
  std::string why = dispatch_.unusable().empty() ? dispatch_.last_problem() : dispatch_.unusable();
  tell_(absl::StrCat(dispatch_.who(), ": ", why.empty() ? "does not answer" : why, "; ", kept,
                     " events were not sent and are kept in ", left_->path(),
                     "; this sends them: telinject convert --output=", endpoint_.output, " ",
                     shell_word(left_->path())));
}

Delivery::Delivery(Endpoint endpoint, const Limits& limits, Tell tell)
    : worker_(std::make_unique<Worker>(std::move(endpoint), limits, std::move(tell))) {}

Delivery::~Delivery() = default;

void Delivery::add(Batch batch) {
  worker_->add(std::move(batch));
}

bool Delivery::wait_for_room() {
  return worker_->wait_for_room();
}

bool Delivery::flush(steady_clock::time_point deadline) {
  return worker_->flush(deadline);
}

void Delivery::hurry(steady_clock::time_point deadline) {
  worker_->hurry(deadline);
}

std::string Delivery::finish() {
  return worker_->finish();
}

Totals Delivery::totals() const {
  return worker_->totals();
}

bool Delivery::hopeless() const {
  return worker_->hopeless();
}

std::string Delivery::describe() const {
  return worker_->who();
}

}  // namespace telinject::delivery
