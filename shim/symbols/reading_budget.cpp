#include "shim/symbols/reading_budget.h"

#include <time.h>

#include <algorithm>

namespace telinject {

namespace {

constexpr int64_t kForAQuestionNs = 5'000'000;
// Reading all units takes some 10 ns a byte.
constexpr int64_t kForAByteNs = 30;
constexpr int64_t kMostForBytesNs = 120'000'000'000;

int64_t thread_time_ns() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

thread_local uint32_t ReadingBudget::steps_ = 0;
thread_local ReadingBudget* ReadingBudget::current_ = nullptr;

ReadingBudget::Question::Question(ReadingBudget* budget) : before_(current_) {
  budget->left_ns_ += kForAQuestionNs;
  budget->began_ns_ = thread_time_ns();
  current_ = budget;
}

ReadingBudget::Question::~Question() {
  current_->left_ns_ -= thread_time_ns() - current_->began_ns_;
  current_ = before_;
}

void ReadingBudget::add_bytes(uint64_t bytes) {
  auto most = static_cast<uint64_t>((kMostForBytesNs - from_bytes_ns_) / kForAByteNs);
  int64_t more = static_cast<int64_t>(std::min(bytes, most)) * kForAByteNs;
  from_bytes_ns_ += more;
  left_ns_ += more;
}

// Counted from now on, within a question, too.
void ReadingBudget::begin_again() {
  left_ns_ = kAtFirstNs;
  began_ns_ = thread_time_ns();
}

void ReadingBudget::look() const {
  if (thread_time_ns() - began_ns_ > left_ns_) throw TooMuchToRead();
}

}  // namespace telinject
