#include "shim/drain/report/totals_report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "shim/channel/settings.h"
#include "shim/drain/base/figures.h"
#include "shim/events/totals.h"
#include "shim/sinks/new_file.h"
#include "shim/sinks/printable_text.h"

namespace telinject::drain {

namespace {

constexpr size_t kShown = 10;
constexpr int kNameWidth = 36;

std::vector<const FunctionTotals*> by_own_time(const std::deque<FunctionTotals>& totals) {
  std::vector<const FunctionTotals*> order;
  for (const FunctionTotals& function : totals) {
    if (function.calls > 0) order.push_back(&function);
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) {
    return a->self_ns != b->self_ns ? a->self_ns > b->self_ns : a->name < b->name;
  });
  return order;
}

// The sample rate of the calls that are counted.
uint64_t counted_rate(const SummaryFacts& facts) {
  return facts.exact_totals ? kRateOne : facts.sample_rate;
}

std::string row(const FunctionTotals& f, uint64_t rate) {
  auto time = [](int64_t ns) { return duration_text(static_cast<double>(ns)); };
  auto sum = [&](int64_t ns) {
    return duration_text(static_cast<double>(estimated(static_cast<uint64_t>(ns), rate)));
  };
  return absl::StrFormat("  %s %-*s %12s %9s %9s %9s %9s %9s %9s %9s\n",
                         f.lost_calls > 0 ? "*" : " ", kNameWidth, printable(f.name, kNameWidth),
                         grouped(estimated(f.calls, rate)), sum(f.self_ns), sum(f.total_ns),
                         time(f.min_ns), time(f.percentile_ns(.5)), time(f.percentile_ns(.9)),
                         time(f.percentile_ns(.99)), time(f.max_ns));
}

// Empty, or the totals of a program that made no call.
bool says_nothing(const std::string& path) {
  constexpr size_t kMost = 4096;  // of such a document
  std::ifstream file(path, std::ios::binary);
  std::string text(kMost, '\0');
  file.read(text.data(), kMost);
  text.resize(static_cast<size_t>(file.gcount()));
  return text.empty() || text.ends_with("\"functions\": [],\n \"http\": []\n}\n");
}

nlohmann::ordered_json http_rows(const HttpTotals& http) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const HttpTotals::Row* row : http.rows()) {
    nlohmann::ordered_json entry;
    entry["span_kind"] = row->server ? "server" : "client";
    entry["method"] = row->method;
    entry["host"] = row->host;
    int status = 0;
    if (absl::SimpleAtoi(row->outcome, &status)) {
      entry["status_code"] = status;
    } else {
      entry["error_type"] = row->outcome;
    }
    entry["requests"] = row->requests;
    entry["errors"] = row->failed;
    entry["p50_ns"] = row->durations.percentile(.5);
    entry["p99_ns"] = row->durations.percentile(.99);
    rows.push_back(std::move(entry));
  }
  return rows;
}

}  // namespace

std::string totals_table(const SummaryFacts& facts, const std::deque<FunctionTotals>& totals) {
  std::vector<const FunctionTotals*> order = by_own_time(totals);
  if (order.empty()) return "";
  bool sampled = counted_rate(facts) != kRateOne;
  std::string text =
      absl::StrFormat("  %-*s %12s %9s %9s %9s %9s %9s %9s %9s\n", kNameWidth + 2,
                      sampled ? "functions by own time, estimated" : "functions by own time",
                      "calls", "own", "total", "shortest", "p50", "p90", "p99", "longest");
  bool lost = false;
  for (size_t i = 0; i < std::min(order.size(), kShown); i++) {
    text += row(*order[i], counted_rate(facts));
    lost = lost || order[i]->lost_calls > 0;
  }
  if (order.size() > kShown) {
    absl::StrAppend(&text, "    and ", grouped(order.size() - kShown),
                    " more: telrun --totals FILE writes all\n");
  }
  if (lost) text += "    *  calls that it made were lost: what they took is in its own time\n";
  return text;
}

std::string totals_json(const SummaryFacts& facts, const Losses& losses,
                        const std::deque<FunctionTotals>& totals, const HttpTotals& http) {
  nlohmann::ordered_json document;
  document["format"] = "telinject.totals";
  document["version"] = 1;
  document["estimate"] = counted_rate(facts) != kRateOne;
  document["sample_rate"] = static_cast<double>(facts.sample_rate) / static_cast<double>(kRateOne);
  document["percentile_error"] = DurationHistogram::kError;
  document["lost_calls"] = losses.total();
  if (losses.total() == Losses::kUnknown) document["lost_calls"] = nullptr;
  document["waits"] = facts.waits;
  document["waited_ns"] = facts.waited_ns;
  document["preempted_ns"] = facts.preempted_ns;
  document["threads"] = {{"sampled", facts.run.threads},
                         {"sampled_ns", facts.run.sampled_ns},
                         {"running_ns", facts.run.running_ns},
                         {"not_running_ns", facts.run.delayed_ns},
                         {"blocked_ns", facts.run.blocked_ns()}};
  nlohmann::ordered_json filtered = nlohmann::ordered_json::object();
  for (size_t i = 1; i < kFilterReasons; i++) {
    std::string name(filter_name(static_cast<FilteredBy>(i)).substr(2));
    std::replace(name.begin(), name.end(), '-', '_');
    filtered[name] = facts.filtered[i];
  }
  document["left_out"] = filtered;
  nlohmann::ordered_json functions = nlohmann::ordered_json::array();
  for (const FunctionTotals* f : by_own_time(totals)) {
    nlohmann::ordered_json function;
    function["function_name"] = f->name;
    if (!f->linkage_name.empty()) function["mangled_name"] = f->linkage_name;
    if (!f->module.empty()) function["module"] = f->module;
    if (!f->file.empty()) {
      function["function_file"] = f->file;
      function["function_line"] = f->line;
    }
    function["calls"] = estimated(f->calls, counted_rate(facts));
    function["self_ns"] = estimated(static_cast<uint64_t>(f->self_ns), counted_rate(facts));
    if (f->http_ns > 0) {
      function["http_wait_ns"] = estimated(static_cast<uint64_t>(f->http_ns), counted_rate(facts));
    }
    function["total_ns"] = estimated(static_cast<uint64_t>(f->total_ns), counted_rate(facts));
    function["lost_calls"] = f->lost_calls;
    function["min_ns"] = f->min_ns;
    function["p50_ns"] = f->percentile_ns(.5);
    function["p90_ns"] = f->percentile_ns(.9);
    function["p99_ns"] = f->percentile_ns(.99);
    function["max_ns"] = f->max_ns;
    functions.push_back(std::move(function));
  }
  document["functions"] = std::move(functions);
  document["http"] = http_rows(http);
  return document.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::unique_ptr<DocumentFile> DocumentFile::open(const std::string& path, std::string* problem,
                                                 const std::string& label) {
  // O_NONBLOCK: not to wait for the reader of a FIFO.
  int fd = open_or_make(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat status = {};
  bool file = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (fd >= 0) {
    return std::unique_ptr<DocumentFile>(new DocumentFile(fd, path, file ? label : ""));
  }
  *problem = absl::StrCat(path, ": ", strerror(errno));
  return nullptr;
}

DocumentFile::~DocumentFile() {
  close(fd_);
}

// The process that has the lock decides. It keeps it for as long as it may write again.
DocumentFile::Claim DocumentFile::claim(bool says_something) {
  constexpr int kTries = 200;  // one that only looks has it for a moment
  constexpr timespec kPause = {0, 1000000};
  for (int i = 0; i < kTries && flock(fd_, LOCK_EX | LOCK_NB) != 0; i++) {
    if (errno != EWOULDBLOCK) break;  // no locks here: what stands there must do
    if (!says_something) return Claim::kLeave;
    if (!says_nothing(path_) || i + 1 == kTries) return Claim::kOthers;
    nanosleep(&kPause, nullptr);
  }
  struct stat status = {};
  bool free =
      says_something ? says_nothing(path_) : fstat(fd_, &status) == 0 && status.st_size == 0;
  if (free) return Claim::kOurs;
  flock(fd_, LOCK_UN);
  return says_something ? Claim::kOthers : Claim::kLeave;
}

bool DocumentFile::open_own(std::string* problem) {
  constexpr int kMost = 1000;  // of the same label: a process id used again
  constexpr int kFlags = O_WRONLY | O_EXCL | O_CLOEXEC | O_NOCTTY;
  std::string path = absl::StrCat(path_, ".", label_);
  int fd = open_or_make(path, kFlags);
  for (int i = 2; fd < 0 && errno == EEXIST && i < kMost; i++) {
    path = absl::StrCat(path_, ".", label_, ".", i);
    fd = open_or_make(path, kFlags);
  }
  if (fd < 0) {
    *problem = absl::StrCat(path, ": ", strerror(errno));
    return false;
  }
  close(fd_);
  fd_ = fd;
  path_ = path;
  return true;
}

bool DocumentFile::write(const std::string& text, bool says_something, std::string* problem) {
  // A process that outlives telrun ends while a reader may be at what telrun has left.
  if (text == last_) return true;
  if (label_.empty()) return replace(text, problem);
  Claim claimed = claim(says_something);
  if (claimed == Claim::kLeave) return true;
  if (claimed == Claim::kOthers && !open_own(problem)) return false;
  bool done = replace(text, problem);
  if (says_something) {
    label_.clear();
  } else {
    flock(fd_, LOCK_UN);
  }
  return done;
}

bool DocumentFile::replace(const std::string& text, std::string* problem) {
  bool file = lseek(fd_, 0, SEEK_SET) == 0;
  for (size_t done = 0; done < text.size();) {
    ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      *problem = absl::StrCat(path_, ": ", strerror(errno));
      return false;
    }
    done += static_cast<size_t>(n);
  }
  if (file) {
    [[maybe_unused]] int cut = ftruncate(fd_, static_cast<off_t>(text.size()));  // no device's
  }
  last_ = text;
  return true;
}

}  // namespace telinject::drain
