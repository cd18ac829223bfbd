#include "shim/drain/main/view_commands.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "shim/channel/limits.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/main/convert.h"
#include "shim/drain/main/exit_status.h"
#include "shim/drain/main/view_options.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"
#include "shim/views/span_logger.h"

namespace telinject::drain {

namespace {

constexpr int kFailed = 1;

// All recordings of the paths in one log. False if one could not be read.
bool read_recordings(const std::vector<std::string>& paths, views::SpanLog* log) {
  bool good = true;
  ConvertOptions options;
  options.progress = isatty(STDERR_FILENO);
  for (const std::string& path : paths) {
    std::vector<std::string> files = recordings_in(path);
    if (files.empty()) {
      warn(path, ": no recording (.telrec) is in that folder");
      good = false;
    }
    for (const std::string& file : files) {
      auto make = [&](const OutputChoice&) {
        EventOutputs outputs;
        outputs.push_back(views::make_span_logger(log, views::most_calls(memory_limit())));
        return outputs;
      };
      good = replay(file, make, &options) && good;
    }
  }
  return good;
}

bool check(const std::string& command, const ViewOptions& options) {
  if (command == "export" && !options.format.has_value()) {
    warn("export needs --format=", views::format_names());
    return false;
  }
  if (command == "diff" && options.paths.size() != 2) {
    warn("diff needs two recordings, or folders of them: the old run and the new one");
    return false;
  }
  if (options.paths.empty()) {
    warn(command, " needs a recording, or the folder that telrun --record was given");
    return false;
  }
  if (options.format.has_value() && views::is_binary(*options.format) && options.output == "-" &&
      isatty(STDOUT_FILENO)) {
    warn("this format is binary: give a file (-o trace.perfetto-trace) or redirect the output");
    return false;
  }
  return true;
}

int write_view(const std::string& command, const ViewOptions& options, const views::SpanLog& log,
               const views::SpanLog& other, views::ViewWriter* out) {
  if (command == "export") write_export(log, *options.format, out);
  if (command == "report" && !write_report(log, options.report, out)) {
    warn("there is not enough memory to compress the report");
    return kFailed;
  }
  if (command == "top") write_top(log, options.text, out);
  if (command == "graph") write_graph(log, options.text, out);
  if (command == "tree") write_tree(log, options.text, out);
  if (command != "diff") return 0;
  views::DiffResult result = write_diff(log, other, options.text, out);
  return options.fail_above.has_value() && result.slower > *options.fail_above ? kFailed : 0;
}

void tell_place(const std::string& path, uint64_t bytes) {
  std::error_code error;
  std::string whole = std::filesystem::absolute(path, error);
  warn("report ", views::file_url(error ? path : whole), " (", size_text(bytes), ")");
}

}  // namespace

bool is_view_command(const std::string& command) {
  for (const char* each : {"report", "top", "graph", "tree", "diff", "export"}) {
    if (command == each) return true;
  }
  return false;
}

int run_view(const std::string& command, const std::vector<std::string>& words) {
  StandardError::use();
  std::string problem;
  std::optional<ViewOptions> options = parse_view_options(command, words, &problem);
  if (!options.has_value()) {
    warn(problem);
    return kUsage;
  }
  if (options->help) {
    return open_stdout_sink()->write(view_help(command)) == 0 ? 0 : kFailed;
  }
  if (!check(command, *options)) return kUsage;
  // As other filters end whose reader has had enough.
  ::signal(SIGPIPE, SIG_DFL);
  if (command == "report" && options->output == "-" && isatty(STDOUT_FILENO)) {
    options->output = "report.html";
  }
  std::unique_ptr<views::ViewWriter> out = views::ViewWriter::open(options->output, &problem);
  if (out == nullptr) {
    warn(problem);
    return kUsage;
  }
  views::SpanLog log, other;
  bool is_diff = command == "diff";
  bool good = read_recordings(is_diff ? std::vector{options->paths[0]} : options->paths, &log);
  if (is_diff) good = read_recordings({options->paths[1]}, &other) && good;
  if (log.unshown_calls > 0) {
    warn("no memory for ", log.unshown_calls,
         " of the calls: they are in all sums, but not shown one by one");
  }
  if (log.lost_calls > 0 && command != "diff") {
    warn(log.lost_calls, " calls were not recorded, and are missing from what is shown");
  }
  if (!good && log.calls == 0 && log.exchanges.empty()) return kFailed;
  int status = write_view(command, *options, log, other, out.get());
  if (command == "report" && status != 0) return kFailed;
  if (!out->finish(&problem)) {
    warn(problem);
    return kFailed;
  }
  if (command == "report" && options->output != "-") tell_place(options->output, out->bytes());
  return good ? status : kFailed;
}

}  // namespace telinject::drain
