// A file of events, checked from its first line to its last.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shim/validate/fault.h"
#include "shim/validate/field_checker.h"
#include "shim/validate/trace_checker.h"

namespace telinject::validate {

class EventFile {
 public:
  EventFile();
  // Reads to the end. False, with `problem`, if it cannot be read or is of another kind.
  bool read(FILE* file, std::string* problem);

  // The first fault of each rule, in the order of their lines; and how many there are of each.
  const std::vector<Fault>& first_faults() const { return first_; }
  const std::map<std::string, uint64_t, std::less<>>& faults() const { return counts_; }
  uint64_t events() const { return events_; }
  // The last line is no whole event: it is being written, or its writer was killed.
  bool last_line_is_torn() const { return torn_; }
  const TraceChecker::Notes& notes() const { return trace_.notes(); }

 private:
  void check(std::string_view line);
  void tell(Fault fault);

  FieldChecker fields_;
  TraceChecker trace_;
  std::vector<Fault> first_;
  std::map<std::string, uint64_t, std::less<>> counts_;
  uint64_t line_ = 0, events_ = 0;
  bool torn_ = false;
};

}  // namespace telinject::validate
