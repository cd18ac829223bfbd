#include "shim/sinks/compressing_sink.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"

namespace telinject {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBlockBytes = 1 << 20;
constexpr size_t kBlocksWaiting = 2;
constexpr std::chrono::seconds kKeptBack{1};
// Below this much a block that does not fit on the disk is given up rather than cut in halves.
constexpr size_t kSmallestPiece = 4096;

uint64_t count_lines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

class CompressingSink final : public Sink {
 public:
  CompressingSink(std::unique_ptr<AppendFile> file, std::unique_ptr<Compressor> compressor)
      : file_(std::move(file)), compressor_(std::move(compressor)), worker_([this] { work(); }) {}

  ~CompressingSink() override {
    flush();
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    wake_worker_.notify_one();
    worker_.join();
  }

  uint64_t write(std::string_view lines) override {
    std::unique_lock lock(mutex_);
    if (filling_.empty()) {
      filling_since_ = Clock::now();
      wake_worker_.notify_one();  // from now on it has a time to keep
    }
    filling_.append(lines);
    if (filling_.size() >= kBlockBytes) {
      room_.wait(lock, [this] { return blocks_.size() < kBlocksWaiting; });
      hand_over();
    }
    return take_lost();
  }

  uint64_t flush() override {
    std::unique_lock lock(mutex_);
    hand_over();
    room_.wait(lock, [this] { return blocks_.empty() && !busy_; });
    return take_lost();
  }

  std::string describe() const override { return absl::StrCat("file ", file_->path()); }

 private:
  // All of these with the lock held.
  void hand_over() {
    if (filling_.empty()) return;
    blocks_.push_back(std::move(filling_));
    filling_ = std::move(spare_);
    filling_.clear();
    wake_worker_.notify_one();
  }
  uint64_t take_lost() {
    bytes_written_ = written_;
    return std::exchange(lost_, 0);
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (!blocks_.empty()) {
        std::string block = std::move(blocks_.front());
        blocks_.pop_front();
        busy_ = true;
        lock.unlock();
        room_.notify_all();
        uint64_t bytes = 0;
        uint64_t lost = write_out(block, &bytes);
        lock.lock();
        written_ += bytes;
        lost_ += lost;
        busy_ = false;
        spare_ = std::move(block);
        room_.notify_all();
      } else if (over_) {
        return;
      } else if (filling_.empty()) {
        wake_worker_.wait(lock);
      } else if (Clock::now() >= filling_since_ + kKeptBack) {
        hand_over();
      } else {
        wake_worker_.wait_until(lock, filling_since_ + kKeptBack);
      }
    }
  }

  // Returns how many lines were lost.
  uint64_t write_out(std::string_view lines, uint64_t* bytes) {
    if (broken_ || !compressor_->compress(lines, &compressed_)) return count_lines(lines);
    size_t done = file_->append(compressed_);
    if (done == compressed_.size()) {
      *bytes += done;
      return 0;
    }
    // A frame that is only partly there would hide all that comes behind it.
    if (done != 0 && !file_->take_back(done)) broken_ = true;
    size_t half = lines.find('\n', lines.size() / 2);
    if (broken_ || lines.size() < kSmallestPiece || half + 1 >= lines.size()) {
      return count_lines(lines);
    }
    uint64_t lost = write_out(lines.substr(0, half + 1), bytes);
    return lost + (lost == 0 ? write_out(lines.substr(half + 1), bytes)
                             : count_lines(lines.substr(half + 1)));
  }

  std::unique_ptr<AppendFile> file_;
  // The worker's.
  std::unique_ptr<Compressor> compressor_;
  std::string compressed_;
  bool broken_ = false;  // a torn frame stands in the file: nothing behind it could be read

  std::mutex mutex_;
  std::condition_variable wake_worker_, room_;
  std::string filling_, spare_;
  Clock::time_point filling_since_;
  std::deque<std::string> blocks_;
  bool busy_ = false, over_ = false;
  uint64_t lost_ = 0, written_ = 0;

  std::thread worker_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Sink> make_compressing_sink(std::unique_ptr<AppendFile> file,
                                            std::unique_ptr<Compressor> compressor) {
  return std::make_unique<CompressingSink>(std::move(file), std::move(compressor));
}

}  // namespace telinject
