// Totals by function: for people at the end of the summary, as JSON in TELEMETRY_TOTALS_FILE.
//
// They count every call that was recorded, also those that filters left out of the events. Under
// head sampling they are estimates: calls and sums are those of the sample divided by its rate.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "shim/drain/function_totals.h"
#include "shim/drain/losses.h"
#include "shim/drain/summary.h"

namespace telinject {

// The functions that took most time themselves, one a line; "" if there are none.
std::string totals_table(const SummaryFacts& facts, const std::deque<FunctionTotals>& totals);

// docs/output.md has the format.
std::string totals_json(const SummaryFacts& facts, const Losses& losses,
                        const std::deque<FunctionTotals>& totals);

// A file that holds one document, and a later one instead.
class DocumentFile {
 public:
  // Made with mode 0644 if it is not there, else left as it is until the first write. Null, with
  // the reason, if it cannot be opened.
  static std::unique_ptr<DocumentFile> open(const std::string& path, std::string* problem);
  ~DocumentFile();
  DocumentFile(const DocumentFile&) = delete;
  DocumentFile& operator=(const DocumentFile&) = delete;

  // False, with the reason, if it is not all there.
  bool write(const std::string& text, std::string* problem);
  const std::string& path() const { return path_; }

 private:
  DocumentFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::string path_;
  std::string last_;  // written
};

}  // namespace telinject
