// One line for each call, as RFC 4180 has it.
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "shim/views/exports.h"
#include "shim/views/names.h"

namespace telinject::views {

namespace {

std::string quoted(std::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(plain_name(text), {{"\"", "\"\""}}), "\"");
}

}  // namespace

void write_csv(const SpanLog& log, ViewWriter* out) {
  std::string& text = out->text();
  text +=
      "start_ns,length_ns,duration_ns,own_ns,depth,process,pid,tid,thread,stack,function,module,"
      "file,line,exit,error_type,error_message\r\n";
  std::vector<std::string> functions;
  for (const FunctionTotals& each : log.functions) {
    functions.push_back(absl::StrCat(quoted(each.name), ",", quoted(each.module), ",",
                                     quoted(each.file), ",", each.line));
  }
  for (const Track& track : log.tracks) {
    const ProcessRow& process = log.processes[track.process];
    std::string place = absl::StrCat(quoted(process.name), ",", process.pid, ",", track.tid, ",",
                                     quoted(track.thread_name), ",", track.stack);
    std::vector<int64_t> own =
        own_parts(track, [&](uint32_t call) { return track.duration_ns(call); });
    for (uint32_t call = 0; call < track.size(); call++) {
      absl::StrAppend(&text, track.start_ns(call), ",", track.length_ns(call), ",",
                      track.duration_ns(call), ",", std::max<int64_t>(own[call], 0), ",",
                      track.depth(call));
      absl::StrAppend(&text, ",", place, ",", functions[log.sites[track.site(call)].function]);
      auto mark = track.marks().find(call);
      if (mark == track.marks().end()) {
        text += ",,,\r\n";
      } else {
        absl::StrAppend(&text, ",", quoted(mark->second.exit_kind), ",", quoted(mark->second.type),
                        ",", quoted(mark->second.message), "\r\n");
      }
      out->row();
    }
  }
}

}  // namespace telinject::views
