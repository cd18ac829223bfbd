// Totals by function, and of HTTP by method, host and outcome: for people at the end of the
// summary, as JSON in TELEMETRY_TOTALS_FILE.
//
// They count every call that was recorded, also those that filters left out of the events. Under
// head sampling they are estimates: calls and sums are those of the sample divided by its rate.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "shim/drain/naming/function_totals.h"
#include "shim/drain/report/losses.h"
#include "shim/drain/report/summary.h"

namespace telinject::drain {

// The functions that took most time themselves, one a line; "" if there are none.
std::string totals_table(const SummaryFacts& facts, const std::deque<FunctionTotals>& totals);

// docs/output.md has the format.
std::string totals_json(const SummaryFacts& facts, const Losses& losses,
                        const std::deque<FunctionTotals>& totals,
                        const HttpTotals& http = HttpTotals());

// A file that holds one document, and a later one instead.
//
// It may be one of several writers' who do not know of each other, each with a label: then it
// belongs to the first that has something to say. Others write to a file of their own, its path
// with a dot and the label behind it; one that has nothing to say writes only where nothing is.
class DocumentFile {
 public:
  // Made with mode 0644 if it is not there, else left as it is until the first write. Null, with
  // the reason, if it cannot be opened. No label: it is ours alone.
  static std::unique_ptr<DocumentFile> open(const std::string& path, std::string* problem,
                                            const std::string& label = "");
  ~DocumentFile();
  DocumentFile(const DocumentFile&) = delete;
  DocumentFile& operator=(const DocumentFile&) = delete;

  // False, with the reason, if it is not all there. `says_something`: it is worth a file.
  bool write(const std::string& text, bool says_something, std::string* problem);
  const std::string& path() const { return path_; }

 private:
  DocumentFile(int fd, std::string path, std::string label)
      : fd_(fd), path_(std::move(path)), label_(std::move(label)) {}
  enum class Claim { kOurs, kLeave, kOthers };
  Claim claim(bool says_something);
  bool open_own(std::string* problem);
  bool replace(const std::string& text, std::string* problem);

  int fd_;
  std::string path_;
  std::string label_;  // until it is known whose the file is
  std::string last_;   // written
};

}  // namespace telinject::drain
