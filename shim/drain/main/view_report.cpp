#include "shim/drain/main/view_report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/channel/limits.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/main/outputs.h"
#include "shim/views/report.h"
#include "shim/views/span_logger.h"

namespace telinject::drain {

std::unique_ptr<LiveReport> LiveReport::make(const Settings& settings,
                                             const std::string& directory) {
  std::string path = settings.text[kReport];
  if (path.empty()) return nullptr;
  if (settings.text[kRecord][0] != 0) {
    warn(
        "TELEMETRY_REPORT (--report) makes no report of a run that is recorded (--record): make it "
        "afterwards with telinject report FOLDER");
    return nullptr;
  }
  return std::unique_ptr<LiveReport>(new LiveReport(path, directory));
}

std::unique_ptr<EventOutput> LiveReport::make_output() {
  std::unique_ptr<EventOutput> output =
      views::make_span_logger(&log_, views::most_calls(memory_limit()));
  output_ = output.get();
  return output;
}

void LiveReport::write() {
  if (log_.calls == 0 && log_.exchanges.empty()) return;
  if (log_.calls == written_calls_ && log_.exchanges.size() == written_exchanges_) return;
  written_calls_ = log_.calls;
  written_exchanges_ = log_.exchanges.size();
  output_->flush();
  std::string name = path_ == "auto" ? absl::StrCat(log_.processes[0].name, ".html") : path_;
  std::string path = absolute(name, directory_), problem;
  std::unique_ptr<views::ViewWriter> out = views::ViewWriter::open(path, &problem);
  bool fits = out == nullptr || write_report(log_, {}, out.get());
  if (!fits) {
    warn("there is not enough memory for a report");
  } else if (out == nullptr || !out->finish(&problem)) {
    warn(problem, "; no report is written: choose another file (--report=FILE)");
  } else {
    warn("report ", views::file_url(path), " (", size_text(out->bytes()), ")");
  }
}

}  // namespace telinject::drain
