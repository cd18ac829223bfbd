// Limits the time spent on the files of one module, because hostile files can take for ever: units
// that all claim the same addresses, endless entries.
//
// It is processor time of this thread, so it does not depend on load. A module has an initial
// budget that grows with its debug information, and each question adds some, so a module that
// answers fast never runs out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace telinject {

class TooMuchToRead : public std::runtime_error {
 public:
  TooMuchToRead() : std::runtime_error("it takes too long to read") {}
};

class ReadingBudget {
 public:
  // While it lives, spend() on this thread takes from the budget.
  class Question {
   public:
    explicit Question(ReadingBudget* budget);
    ~Question();
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

   private:
    ReadingBudget* before_;
  };

  // Adds time for so many bytes of debug information.
  void add_bytes(uint64_t bytes);

  // For what is read instead.
  void begin_again();

  // Call this at each step of a loop over data of a file. Throws TooMuchToRead.
  static void spend() {
    if (++steps_ % kStepsUntilLook == 0 && current_ != nullptr) current_->look();
  }

 private:
  static constexpr uint32_t kStepsUntilLook = 256;
  void look() const;

  static thread_local uint32_t steps_;
  static thread_local ReadingBudget* current_;
  static constexpr int64_t kAtFirstNs = 5'000'000'000;

  int64_t left_ns_ = kAtFirstNs;
  int64_t from_bytes_ns_ = 0;
  int64_t began_ns_ = 0;
};

}  // namespace telinject
