// Events into a compressed file, by a thread of its own: whoever encodes shall not wait for it.
//
//   kept back   at most a megabyte of lines, at most a second; flush() writes them at once
//   valid       what is in the file is whole frames of whole lines, after each of them
//   full disk   what does not fit is lost by whole lines and counted; the file stays valid
#pragma once

#include <memory>

#include "shim/sinks/append_file.h"
#include "shim/sinks/compressor.h"
#include "shim/sinks/sink.h"

namespace telinject {

std::unique_ptr<Sink> make_compressing_sink(std::unique_ptr<AppendFile> file,
                                            std::unique_ptr<Compressor> compressor);

}  // namespace telinject
