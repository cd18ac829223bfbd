// Writes events into a compressed file on its own threads, so that encoders do not wait.
// Several threads compress side by side; their frames are appended in the order of the lines.
//
//   buffered    at most a megabyte of lines for at most a second (less at first); flush() writes
//               them at once. Blocks of that size wait behind it, one more than there are threads
//   valid       the file always consists of whole frames of whole lines
//   full disk   lines that do not fit are lost as a whole and counted; the file stays valid
//   torn        a killed writer may leave an incomplete frame at the end, which would hide all
//               later frames: it is replaced by a frame with its whole lines
#pragma once

#include <functional>
#include <memory>

#include "shim/sinks/append_file.h"
#include "shim/sinks/compressor.h"
#include "shim/sinks/frame_end.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/worker_thread.h"

namespace telinject {

// Each thread has its own compressor; all but the first are started when they are needed. *problem
// is set if the file's end cannot be repaired.
std::unique_ptr<Sink> make_compressing_sink(
    std::unique_ptr<AppendFile> file, std::function<std::unique_ptr<Compressor>()> make_compressor,
    const FrameFormat& format, const Workers& workers, std::string* problem);

// Repairs a torn end. Returns a message for the user, "" if the file was not torn.
std::string mend_end(AppendFile* file, const AppendFile::Turn& turn, const FrameFormat& format,
                     Compressor* compressor);

}  // namespace telinject
