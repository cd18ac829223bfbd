// Events of plain calls, encoded by several threads and written in their order.
//
// The processor appends the parts of an event to a chunk: numbers, and references to prepared text.
// It encodes rarer events itself and appends them as lines. Workers encode full chunks; the
// appending thread writes finished chunks in their order, so the bytes equal those of a single
// encoder. It also encodes when it would otherwise wait.
//
//   bounded     a few chunks for each worker; then the appending thread encodes rather than appends
//   flush()     all that was appended has been written
//   lifetimes   a chunk has copies of threads' attributes, which change and go, and owns a share of
//               the processes' texts. FunctionJson is referred to: it must stay as it is until the
//               next flush()
//
// Workers are started when a full chunk waits, so a short program never starts any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "shim/events/json/event_encoder.h"
#include "shim/sinks/worker_thread.h"

namespace telinject {

// How many bytes of lines are encoded before they are written.
inline constexpr size_t kLineBytes = 2 << 20;

class EncoderPool {
 public:
  // Receives lines in order, in the appending thread.
  using Write = std::function<void(std::string_view lines)>;

  // The appending thread counts as one of `workers`.
  EncoderPool(const Workers& workers, bool lean, Write write);
  // Events that were not flushed are not written.
  ~EncoderPool();
  EncoderPool(const EncoderPool&) = delete;
  EncoderPool& operator=(const EncoderPool&) = delete;

  // As in EventEncoder; an exit here has no note.
  void function_entry(const EventPlace& place, const FunctionJson& function, uint64_t reference,
                      std::string_view thread, const std::shared_ptr<const ProcessJson>& process) {
    append(Kind::kEntry, place, 0, function, reference, thread, process);
  }
  void function_exit(const EventPlace& place, int64_t duration_ns, const FunctionJson& function,
                     uint64_t reference, std::string_view thread,
                     const std::shared_ptr<const ProcessJson>& process) {
    append(Kind::kExit, place, duration_ns, function, reference, thread, process);
  }
  // Whole lines, encoded already.
  void lines(std::string_view text);

  void flush();

  size_t chunks_under_way() const { return under_way_.size(); }
  size_t most_under_way() const { return most_under_way_; }

 private:
  enum class Kind : uint32_t { kEntry, kExit, kLines };
  struct Chunk;

  void append(Kind kind, const EventPlace& place, int64_t duration_ns, const FunctionJson& function,
              uint64_t reference, std::string_view thread,
              const std::shared_ptr<const ProcessJson>& process);
  void hand_over();
  void push_filling();
  void settle(std::unique_lock<std::mutex>* lock, size_t most);
  void work();
  bool encode_one(std::unique_lock<std::mutex>* lock, EventEncoder* encoder, LineBuffer* lines);

  const Workers workers_;
  const bool lean_;
  const size_t most_under_way_;
  const Write write_;
  // The appending thread's.
  std::unique_ptr<Chunk> filling_;
  std::vector<std::unique_ptr<Chunk>> spare_;
  std::deque<std::unique_ptr<Chunk>> under_way_;  // in order
  std::vector<std::thread> threads_;
  LineBuffer lines_;
  EventEncoder encoder_;
  bool may_start_ = true;

  std::mutex mutex_;
  std::condition_variable wake_workers_, finished_;
  std::deque<Chunk*> waiting_;  // those that no worker has taken, in order
  size_t idle_ = 0;
  bool over_ = false;
};

}  // namespace telinject
