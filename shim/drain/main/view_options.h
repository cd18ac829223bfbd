// The options of the commands that show recordings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shim/views/exports.h"
#include "shim/views/report.h"
#include "shim/views/texts.h"

namespace telinject::drain {

struct ViewOptions {
  std::vector<std::string> paths;
  std::string output = "-";  // a path; "-": standard output
  std::optional<views::Format> format;
  views::TextOptions text;
  views::ReportOptions report;
  std::optional<double> fail_above;  // diff: the share above which the status is 1
  bool help = false;
};

// Options may stand before and behind paths; "--" ends them. Nullopt, with one line of reason, if
// one is unknown or has a bad value.
std::optional<ViewOptions> parse_view_options(const std::string& command,
                                              const std::vector<std::string>& words,
                                              std::string* problem);

// What `telinject COMMAND --help` prints.
std::string view_help(const std::string& command);

}  // namespace telinject::drain
