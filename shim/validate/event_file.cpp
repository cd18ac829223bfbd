#include "shim/validate/event_file.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace telinject::validate {

namespace {

using nlohmann::json;

constexpr size_t kBlock = 1 << 20;
constexpr size_t kLongestLine = 64 << 20;
constexpr size_t kMagicBytes = 4;

// What is told of a file that has no lines of text; "" if it may have.
std::string kind_of(std::string_view start) {
  if (start.starts_with("\x28\xb5\x2f\xfd")) {
    return "is compressed: zstdcat FILE | telinject validate -";
  }
  if (start.starts_with("\x1f\x8b")) return "is compressed: zcat FILE | telinject validate -";
  if (start.starts_with("TELR")) return "is a recording: telinject convert makes events of it";
  return "";
}

}  // namespace

EventFile::EventFile() : trace_([this](Fault fault) { tell(std::move(fault)); }) {}

bool EventFile::read(FILE* file, std::string* problem) {
  std::string left;
  std::vector<char> block(kBlock);
  bool first = true;
  for (;;) {
    size_t n = fread(block.data(), 1, block.size(), file);
    if (n == 0) break;
    left.append(block.data(), n);
    if (std::exchange(first, false)) {
      *problem = kind_of(std::string_view(left).substr(0, kMagicBytes));
      if (!problem->empty()) return false;
    }
    size_t from = 0;
    for (size_t end; (end = left.find('\n', from)) != std::string::npos; from = end + 1) {
      check(std::string_view(left).substr(from, end - from));
    }
    left.erase(0, from);
    if (left.size() > kLongestLine) {
      *problem = absl::StrCat("line ", line_ + 1, " is longer than 64 MB: these are no events");
      return false;
    }
  }
  if (ferror(file) != 0) {
    *problem = absl::StrCat("cannot be read: ", strerror(errno));
    return false;
  }
  // A last line without an end counts if it is whole.
  torn_ = !left.empty() && !json::accept(left);
  if (torn_ && line_ == 0) {
    *problem = "has no events: these are not lines of JSON";
    return false;
  }
  if (!left.empty() && !torn_) check(left);
  trace_.finish();
  std::stable_sort(first_.begin(), first_.end(),
                   [](const Fault& a, const Fault& b) { return a.line < b.line; });
  return true;
}

void EventFile::check(std::string_view line) {
  line_++;
  json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (event.is_discarded()) return tell({"json", line_, "this is not JSON"});
  events_++;
  std::string problem = fields_.problem_of(event);
  if (!problem.empty()) {
    trace_.skip(line_, event);
    return tell({"field", line_, problem});
  }
  trace_.feed(line_, event);
}

void EventFile::tell(Fault fault) {
  auto [count, added] = counts_.try_emplace(std::string(fault.rule), 0);
  count->second++;
  if (added) {
    first_.push_back(std::move(fault));
    return;
  }
  // Those that are found at the end of the file come in any order.
  auto before = std::find_if(first_.begin(), first_.end(),
                             [&](const Fault& each) { return each.rule == fault.rule; });
  if (fault.line < before->line) *before = std::move(fault);
}

}  // namespace telinject::validate
