#include "shim/events/json/encoder_pool.h"

#include <utility>

namespace telinject {

namespace {

// A megabyte of full events or so: it stays in a core's cache until it is written.
constexpr size_t kMostEvents = 1024;
constexpr size_t kMostTextBytes = 1 << 20;
// One that is being encoded, one that waits, one that is finished and waits for those before.
constexpr size_t kChunksEach = 3;

}  // namespace

struct EncoderPool::Chunk {
  struct Event {
    EventPlace place;
    int64_t duration_ns;
    const FunctionJson* function;
    uint64_t reference;
    const ProcessJson* process;
    size_t text_at;  // of the thread's attributes, or of lines
    uint32_t text_bytes;
    Kind kind;
  };

  std::string_view text_of(size_t at, size_t bytes) const {
    return std::string_view(texts).substr(at, bytes);
  }
  void clear() {
    events.clear();
    texts.clear();
    owners.clear();
    thread_at = thread_bytes = 0;
    finished = false;
  }
  void encode(EventEncoder* encoder, LineBuffer* lines) const;

  std::vector<Event> events;
  std::string texts;
  std::vector<std::shared_ptr<const ProcessJson>> owners;
  size_t thread_at = 0, thread_bytes = 0;  // the attributes in `texts` that were used last
  LineBuffer lines{kLineBytes};
  bool finished = false;  // with the pool's lock
};

void EncoderPool::Chunk::encode(EventEncoder* encoder, LineBuffer* out) const {
  out->clear();
  for (const Event& event : events) {
    std::string_view text = text_of(event.text_at, event.text_bytes);
    switch (event.kind) {
      case Kind::kEntry:
        encoder->function_entry(event.place, *event.function, event.reference, text,
                                *event.process);
        break;
      case Kind::kExit:
        encoder->function_exit(event.place, event.duration_ns, *event.function, event.reference,
                               text, nullptr, nullptr, *event.process);
        break;
      case Kind::kLines:
        out->end_line(put(out->begin_line(text.size()), text));
        break;
    }
  }
}

EncoderPool::EncoderPool(const Workers& workers, bool lean, Write write)
    : workers_(workers),
      lean_(lean),
      most_under_way_(kChunksEach * workers.most),
      write_(std::move(write)),
      filling_(std::make_unique<Chunk>()),
      lines_(kLineBytes),
      encoder_(&lines_, lean) {}

EncoderPool::~EncoderPool() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
    waiting_.clear();
  }
  wake_workers_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void EncoderPool::append(Kind kind, const EventPlace& place, int64_t duration_ns,
                         const FunctionJson& function, uint64_t reference, std::string_view thread,
                         const std::shared_ptr<const ProcessJson>& process) {
  Chunk& chunk = *filling_;
  if (chunk.owners.empty() || chunk.owners.back() != process) chunk.owners.push_back(process);
  if (chunk.text_of(chunk.thread_at, chunk.thread_bytes) != thread) {
    chunk.thread_at = chunk.texts.size();
    chunk.thread_bytes = thread.size();
    chunk.texts.append(thread);
  }
  chunk.events.push_back({place, duration_ns, &function, reference, process.get(), chunk.thread_at,
                          static_cast<uint32_t>(thread.size()), kind});
  if (chunk.events.size() >= kMostEvents) hand_over();
}

void EncoderPool::lines(std::string_view text) {
  if (text.empty()) return;
  Chunk& chunk = *filling_;
  chunk.events.push_back({{},
                          0,
                          nullptr,
                          0,
                          nullptr,
                          chunk.texts.size(),
                          static_cast<uint32_t>(text.size()),
                          Kind::kLines});
  chunk.texts.append(text);
  if (chunk.events.size() >= kMostEvents || chunk.texts.size() >= kMostTextBytes) hand_over();
}

// With the lock held.
void EncoderPool::push_filling() {
  waiting_.push_back(filling_.get());
  under_way_.push_back(std::move(filling_));
  if (spare_.empty()) {
    filling_ = std::make_unique<Chunk>();
  } else {
    filling_ = std::move(spare_.back());
    spare_.pop_back();
  }
}

void EncoderPool::hand_over() {
  std::unique_lock lock(mutex_);
  push_filling();
  if (waiting_.size() <= idle_) {
    wake_workers_.notify_one();
  } else if (may_start_ && threads_.size() + 1 < workers_.most) {
    std::thread thread = start_worker(workers_, [this] { work(); });
    may_start_ = thread.joinable();
    if (may_start_) threads_.push_back(std::move(thread));
  }
  settle(&lock, most_under_way_);
}

void EncoderPool::flush() {
  if (filling_->events.empty() && under_way_.empty()) return;
  std::unique_lock lock(mutex_);
  if (!filling_->events.empty()) push_filling();
  settle(&lock, 0);
}

// Writes what is finished, in order, and until no more than `most` are under way takes part in the
// work.
void EncoderPool::settle(std::unique_lock<std::mutex>* lock, size_t most) {
  while (!under_way_.empty()) {
    if (under_way_.front()->finished) {
      std::unique_ptr<Chunk> chunk = std::move(under_way_.front());
      under_way_.pop_front();
      lock->unlock();
      write_(chunk->lines.text());
      chunk->clear();
      spare_.push_back(std::move(chunk));
      lock->lock();
    } else if (under_way_.size() <= most) {
      return;
    } else if (!encode_one(lock, &encoder_, &lines_)) {
      finished_.wait(*lock);
    }
  }
}

// Encodes the first chunk that no worker has taken; false if there is none.
bool EncoderPool::encode_one(std::unique_lock<std::mutex>* lock, EventEncoder* encoder,
                             LineBuffer* lines) {
  if (waiting_.empty()) return false;
  Chunk* chunk = waiting_.front();
  waiting_.pop_front();
  lock->unlock();
  chunk->encode(encoder, lines);
  std::swap(chunk->lines, *lines);
  lock->lock();
  chunk->finished = true;
  return true;
}

void EncoderPool::work() {
  LineBuffer lines(kLineBytes);
  EventEncoder encoder(&lines, lean_);
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (encode_one(&lock, &encoder, &lines)) {
      finished_.notify_one();
    } else {
      idle_++;
      wake_workers_.wait(lock);
      idle_--;
    }
  }
}

}  // namespace telinject
