#include "shim/sinks/compressing_sink.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace telinject {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBlockBytes = 1 << 20;
// At first little, so that a drain that is killed early has written something.
constexpr std::chrono::milliseconds kFirstKeptBack{50}, kKeptBack{1000};
// Below this much a block that does not fit on the disk is given up rather than cut in halves.
constexpr size_t kSmallestPiece = 4096;
// Longer than several frames of ours.
constexpr size_t kTailBytes = 8 << 20;

class CompressingSink final : public Sink {
 public:
  CompressingSink(std::unique_ptr<AppendFile> file,
                  std::function<std::unique_ptr<Compressor>()> make_compressor,
                  const FrameFormat& format, const Workers& workers)
      : file_(std::move(file)),
        format_(format),
        make_compressor_(std::move(make_compressor)),
        workers_(workers),
        most_waiting_(workers.most + 1) {
    threads_.emplace_back([this] { work(); });
  }

  ~CompressingSink() override {
    flush();
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    wake_worker_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  uint64_t write(std::string_view lines) override {
    std::unique_lock lock(mutex_);
    if (filling_.empty()) {
      filling_since_ = Clock::now();
      wake_worker_.notify_one();  // from now on it has a time to keep
    }
    filling_.append(lines);
    if (filling_.size() >= kBlockBytes) {
      room_.wait(lock, [this] { return blocks_.size() < most_waiting_; });
      hand_over();
      start_another();
    }
    return take_lost();
  }

  uint64_t flush() override {
    std::unique_lock lock(mutex_);
    hand_over();
    room_.wait(lock, [this] { return blocks_.empty() && busy_ == 0; });
    return take_lost();
  }

  std::string describe() const override { return absl::StrCat("file ", file_->path()); }

 private:
  struct Block {
    uint64_t number;
    std::string lines;
  };
  // A worker's: what it has made of a block.
  struct Frame {
    std::unique_ptr<Compressor> compressor;
    std::string bytes;
    bool good = false;
    void compress(std::string_view lines) { good = compressor->compress(lines, &bytes); }
  };

  // All of these with the lock held.
  void hand_over() {
    if (filling_.empty()) return;
    blocks_.push_back({next_number_++, std::move(filling_)});
    if (!spare_.empty()) {
      filling_ = std::move(spare_.back());
      spare_.pop_back();
    }
    filling_.clear();
    wake_worker_.notify_one();
  }
  // Starts another worker if a block waits and all workers are busy.
  void start_another() {
    if (blocks_.size() <= idle_ || !may_start_ || threads_.size() >= workers_.most) return;
    std::thread thread = start_worker(workers_, [this] { work(); });
    may_start_ = thread.joinable();
    if (may_start_) threads_.push_back(std::move(thread));
  }
  uint64_t take_lost() {
    bytes_written_ = written_;
    return std::exchange(lost_, 0);
  }

  void work() {
    Frame frame;
    frame.compressor = make_compressor_();
    std::unique_lock lock(mutex_);
    for (;;) {
      if (!blocks_.empty()) {
        Block block = std::move(blocks_.front());
        blocks_.pop_front();
        busy_++;
        lock.unlock();
        room_.notify_all();
        frame.compress(block.lines);
        lock.lock();
        turn_.wait(lock, [&] { return appended_ == block.number; });
        lock.unlock();
        uint64_t bytes = 0, lost = 0;
        {
          AppendFile::Turn turn(file_.get());
          if (turn.is_another_file()) broken_ = false;
          if (turn.others_wrote()) mend_end(file_.get(), turn, format_, frame.compressor.get());
          lost = append(block.lines, &frame, &bytes);
        }
        lock.lock();
        written_ += bytes;
        lost_ += lost;
        appended_++;
        busy_--;
        spare_.push_back(std::move(block.lines));
        turn_.notify_all();
        room_.notify_all();
      } else if (over_) {
        return;
      } else if (!filling_.empty() && Clock::now() >= filling_since_ + kept_back_) {
        hand_over();
        kept_back_ = std::min(2 * kept_back_, kKeptBack);
      } else {
        idle_++;
        if (filling_.empty()) {
          wake_worker_.wait(lock);
        } else {
          wake_worker_.wait_until(lock, filling_since_ + kept_back_);
        }
        idle_--;
      }
    }
  }

  // By the worker whose turn it is: what `frame` has of the lines. Returns how many were lost.
  uint64_t append(std::string_view lines, Frame* frame, uint64_t* bytes) {
    if (broken_ || !frame->good) return count_lines(lines);
    size_t done = file_->append(frame->bytes);
    if (done == frame->bytes.size()) {
      *bytes += done;
      return 0;
    }
    // A frame that is only partly there would hide all that comes behind it.
    if (done != 0 && !file_->take_back(done)) broken_ = true;
    size_t half = lines.find('\n', lines.size() / 2);
    if (broken_ || lines.size() < kSmallestPiece || half + 1 >= lines.size()) {
      return count_lines(lines);
    }
    std::string_view first = lines.substr(0, half + 1), second = lines.substr(half + 1);
    frame->compress(first);
    uint64_t lost = append(first, frame, bytes);
    if (lost != 0) return lost + count_lines(second);
    frame->compress(second);
    return append(second, frame, bytes);
  }

  std::unique_ptr<AppendFile> file_;
  const FrameFormat& format_;
  const std::function<std::unique_ptr<Compressor>()> make_compressor_;
  const Workers workers_;
  const size_t most_waiting_;
  // A torn frame is in the file: frames behind it could not be read. Only for the worker whose turn
  // it is.
  bool broken_ = false;

  std::mutex mutex_;
  std::condition_variable wake_worker_, turn_, room_;
  std::string filling_;
  Clock::time_point filling_since_;
  std::chrono::milliseconds kept_back_ = kFirstKeptBack;
  std::deque<Block> blocks_;
  std::vector<std::string> spare_;
  uint64_t next_number_ = 0, appended_ = 0;  // blocks
  size_t busy_ = 0, idle_ = 0;
  bool may_start_ = true, over_ = false;
  uint64_t lost_ = 0, written_ = 0;

  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace

std::string mend_end(AppendFile* file, const AppendFile::Turn& turn, const FrameFormat& format,
                     Compressor* compressor) {
  std::string tail = file->tail(kTailBytes);
  size_t torn = torn_bytes(tail, tail.size() < kTailBytes, format);
  if (torn == 0) return "";
  std::string lines = format.unpack(std::string_view(tail).substr(tail.size() - torn));
  lines.resize(lines.rfind('\n') + 1);
  std::string frame;
  if (!turn.alone() || !compressor->compress(lines, &frame) || !file->cut(torn)) {
    return "ends in a torn frame that cannot be removed, so what is appended could not be read; "
           "choose another file";
  }
  if (!lines.empty()) {
    size_t done = file->append(frame);
    if (done != frame.size() && done != 0) file->take_back(done);
  }
  return absl::StrCat("ends in a torn frame (a drain was killed?): ", count_lines(lines),
                      " whole lines of it are kept");
}

std::unique_ptr<Sink> make_compressing_sink(
    std::unique_ptr<AppendFile> file, std::function<std::unique_ptr<Compressor>()> make_compressor,
    const FrameFormat& format, const Workers& workers, std::string* problem) {
  {
    AppendFile::Turn turn(file.get(), /*mends=*/true);
    std::string note = mend_end(file.get(), turn, format, make_compressor().get());
    if (!note.empty()) *problem = absl::StrCat("TELEMETRY_FILE=", file->path(), ": ", note);
  }
  return std::make_unique<CompressingSink>(std::move(file), std::move(make_compressor), format,
                                           workers);
}

}  // namespace telinject
