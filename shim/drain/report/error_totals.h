// How often which error occurred: exceptions, and processes that failed, each once. Types come from
// programs, so the tables are bounded: what comes beyond counts as kOtherErrors. Of each type the
// first is kept, for the summary.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "shim/drain/naming/error_counts.h"

namespace telinject::drain {

class ErrorTotals {
 public:
  static constexpr size_t kMostTypes = 200;

  // What it said, and its stack (an event's error.stacktrace); each may be empty.
  void exception(std::string_view type, std::string_view message, std::string_view stack) {
    count(&exceptions_, &first_exceptions_, type, message, stack);
  }
  void process(std::string_view type, std::string_view message, std::string_view stack) {
    count(&processes_, &first_processes_, type, message, stack);
  }
  const CountsByType& exceptions() const { return exceptions_; }
  const CountsByType& processes() const { return processes_; }

  // "what it said, in function (file:line) module+0x12" of the first of each type; those of an
  // earlier drain, and of the other types, are missing.
  using First = std::map<std::string, std::string>;
  const First& first_exceptions() const { return first_exceptions_; }
  const First& first_processes() const { return first_processes_; }

  template <typename Archive>
  void io(Archive& a) {
    a(exceptions_, processes_);
    if (exceptions_.size() > kMostTypes + 1 || processes_.size() > kMostTypes + 1) a.fail();
  }

 private:
  static void count(CountsByType* counts, First* all, std::string_view type,
                    std::string_view message, std::string_view stack) {
    count_error(counts, type, 1, kMostTypes);
    auto counted = counts->find(std::string(type));
    if (counted == counts->end() || counted->second != 1) return;
    std::string& first = (*all)[counted->first];
    first = message;
    std::string_view line = stack.substr(0, stack.find('\n'));
    size_t function = line.find(' ');  // behind "#0"
    if (function == std::string_view::npos) return;
    first.append(first.empty() ? "in " : ", in ").append(line.substr(function + 1));
  }

  CountsByType exceptions_, processes_;
  First first_exceptions_, first_processes_;  // not for io()
};

}  // namespace telinject::drain
