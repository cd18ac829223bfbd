#include "shim/drain/report/progress_bar.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "shim/channel/clock.h"
#include "shim/drain/base/figures.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kMoment = kSecond / 2;
constexpr uint64_t kRedraw = kSecond / 5;
constexpr size_t kShortestBar = 10, kLongestBar = 60;
// The newest interval's share in the rates, which are those of the last two seconds or so.
constexpr double kWeight = 0.15;

std::string rate_text(double rate) {
  if (rate >= 1e6) return absl::StrFormat("%.1f M", rate / 1e6);
  if (rate >= 1e3) return absl::StrFormat("%.0f k", rate / 1e3);
  return absl::StrFormat("%.0f", rate);
}

std::string clock_text(double seconds) {
  auto s = static_cast<uint64_t>(std::ceil(std::min(seconds, 1e6)));
  if (s < 3600) return absl::StrFormat("%u:%02u", s / 60, s % 60);
  return absl::StrFormat("%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
}

double smoothed(double before, uint64_t grown, double seconds) {
  double now = static_cast<double>(grown) / seconds;
  return before == 0 ? now : before + kWeight * (now - before);
}

}  // namespace

std::string progress_text(const std::string& title, const Work& work, const WorkRate& rate,
                          size_t columns) {
  double all = static_cast<double>(work.done_bytes) + static_cast<double>(work.left_bytes);
  double share = all == 0 ? 0 : static_cast<double>(work.done_bytes) / all;
  // What was done last is still on its way to the file: the end is told by the line's going.
  int percent = std::min(static_cast<int>(share * 100), 99);
  std::string before = absl::StrFormat("%s %2d %% ", title, percent);
  std::string after = absl::StrCat(size_text(work.left_bytes), " left");
  if (work.events > 0 && rate.events > 0) {
    absl::StrAppend(&after, ", ", rate_text(rate.events), " events/s");
  } else if (rate.bytes > 0) {
    absl::StrAppend(&after, ", ", size_text(static_cast<uint64_t>(rate.bytes)), "/s");
  }
  if (rate.bytes > 0) {
    absl::StrAppend(&after, ", ", clock_text(static_cast<double>(work.left_bytes) / rate.bytes));
  }
  size_t texts = before.size() + after.size() + 3;
  if (texts + kShortestBar > columns) return absl::StrCat(before, after).substr(0, columns);
  size_t width = std::min(columns - texts, kLongestBar);
  auto filled = static_cast<size_t>(share * static_cast<double>(width));
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return absl::StrCat(before, "[", bar, "] ", after);
}

ProgressBar::ProgressBar(std::string title, std::function<Work()> look)
    : title_(std::move(title)), look_(std::move(look)) {}

void ProgressBar::begin() {
  std::lock_guard lock(mutex_);
  running_ = true;
  began_ns_ = drawn_ns_ = monotonic_ns();
  first_ = last_ = look_();
  rate_ = {};
}

void ProgressBar::end() {
  std::lock_guard lock(mutex_);
  running_ = false;
  if (std::exchange(drawn_, false)) StandardError::get().show_status("");
}

void ProgressBar::allow(bool allowed) {
  std::lock_guard lock(mutex_);
  allowed_ = allowed;
  if (!allowed && std::exchange(drawn_, false)) StandardError::get().show_status("");
}

void ProgressBar::tick() {
  std::lock_guard lock(mutex_);
  if (!running_) return;
  uint64_t now = monotonic_ns();
  if (now - began_ns_ < kMoment || now - drawn_ns_ < kRedraw) return;
  Work work = look_();
  double seconds = static_cast<double>(now - drawn_ns_) / kSecond;
  rate_.bytes = smoothed(rate_.bytes, work.done_bytes - last_.done_bytes, seconds);
  rate_.events = smoothed(rate_.events, work.events - last_.events, seconds);
  last_ = work;
  drawn_ns_ = now;
  if (!allowed_) return;
  work.done_bytes -= first_.done_bytes;
  // With room for the ^C that a terminal shows when one is typed.
  size_t columns = StandardError::get().columns() - 4;
  StandardError::get().show_status(progress_text(title_, work, rate_, columns));
  drawn_ = true;
}

}  // namespace telinject::drain
