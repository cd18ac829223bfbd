#include "shim/drain/main/left_over.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/recording/recording.h"
#include "shim/sinks/shell_word.h"

namespace telinject::drain {

namespace {

constexpr char kConsequence[] = "; what is not written yet is lost";

std::string finishing_command(const LeftOver& left, const std::string& folder) {
  // Where the beginning went.
  std::string command = "telinject convert";
  if (!left.outputs.empty()) {
    absl::StrAppend(&command, " --output=", shell_word(left.outputs));
  } else if (left.file.empty()) {
    command += " -O stderr";
  }
  if (!left.file.empty()) absl::StrAppend(&command, " -o ", shell_word(left.file));
  if (!left.totals.empty()) absl::StrAppend(&command, " --totals=", shell_word(left.totals));
  return absl::StrCat(command, " ", shell_word(folder), " && rm -r ", shell_word(folder));
}

// Null if it cannot be made, which the user is told.
std::unique_ptr<RecordingWriter> make_recording(const std::string& directory,
                                                const Session& session, std::string* folder) {
  *folder = absl::StrCat(directory, "/telinject-left-XXXXXX");
  if (mkdtemp(folder->data()) == nullptr) {
    warn("cannot make a folder in ", directory, ": ", strerror(errno), kConsequence);
    return nullptr;
  }
  std::string problem;
  auto writer = RecordingWriter::create(recording_path(*folder, session), &problem);
  if (writer != nullptr) return writer;
  warn(problem, kConsequence);
  rmdir(folder->c_str());
  return nullptr;
}

}  // namespace

std::string recording_path(const std::string& folder, const Session& session) {
  return absl::StrCat(folder, "/", std::string(session.name, 8), ".telrec");
}

void leave_rest(const LeftOver& left, const Session& session, BatchQueue* queue,
                Processor* processor, Batch first, Recorder::Hooks hooks) {
  auto lose = [&] { processor->run(/*leave_when_stopped=*/false, std::move(first)); };
  std::string folder;
  std::unique_ptr<RecordingWriter> writer = make_recording(left.directory, session, &folder);
  if (writer == nullptr) return lose();
  const RecordingWriter& recording = *writer;
  auto program_ended = [&, written = hooks.written] {
    warn("interrupted: ", grouped(processor->events_written()), " events are written, ",
         size_text(recording.bytes()),
         " of records are left; this writes the rest: ", finishing_command(left, folder));
    written();
  };
  hooks.written = program_ended;
  Recorder recorder(queue, session.clock, std::move(writer), left.facts, left.start,
                    std::move(hooks));
  if (!recorder.go_on_from(processor->save())) {
    warn("cannot write ", recording.path(), ": ", strerror(errno), kConsequence);
    unlink(recording.path().c_str());
    rmdir(folder.c_str());
    return lose();
  }
  processor->introduce(&recorder);
  recorder.record(processor->take_rest());
  recorder.record(first);
  recorder.run();
}

}  // namespace telinject::drain
