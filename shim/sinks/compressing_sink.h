// Writes events into a compressed file, by threads of its own, so that the encoders need not wait.
// Several threads compress side by side; their frames are appended in the order of the lines.
//
//   kept back   at most a megabyte of lines, at most a second; flush() writes them at once. Behind
//               that wait blocks of as much, one more than there are threads
//   valid       what is in the file is whole frames of whole lines, after each of them
//   full disk   what does not fit is lost by whole lines and counted; the file stays valid
//   torn        a frame that a killed writer has left at the end hides what comes behind it: it is
//               replaced by one with its whole lines
#pragma once

#include <functional>
#include <memory>

#include "shim/sinks/append_file.h"
#include "shim/sinks/compressor.h"
#include "shim/sinks/frame_end.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/worker_thread.h"

namespace telinject {

// Each thread has a compressor of its own; all but the first are started when they are needed. What
// the user should know of the file's end is in *problem.
std::unique_ptr<Sink> make_compressing_sink(
    std::unique_ptr<AppendFile> file, std::function<std::unique_ptr<Compressor>()> make_compressor,
    const FrameFormat& format, const Workers& workers, std::string* problem);

// Returns what the user should know, if it was torn.
std::string mend_end(AppendFile* file, const AppendFile::Turn& turn, const FrameFormat& format,
                     Compressor* compressor);

}  // namespace telinject
