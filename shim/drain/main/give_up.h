// How a drain ends that cannot do its work: with one line that says why, without a core, and
// without leaving a program that waits for it.
#pragma once

#include <string_view>

#include "shim/channel/session.h"

namespace telinject::drain {

// From now on, running out of memory gives up instead of aborting; and `session` is what has to be
// cleared away. `segment` is the memfd of a program that has been started without telrun, or -1.
void prepare_to_give_up(const Session& session, int segment);

// The collector owns the segments now, and its end shows in them: ours need not be kept.
void has_started();

// Prints "telinject: <why>", tells producers that their records are not read any more, removes the
// session's files and ends with kDrainGaveUp, which tells telrun that the reason was printed. Any
// thread may call it. Needs no memory.
[[noreturn]] void give_up(std::string_view why);

// Removes the socket and the directory of the session, if it has them.
void remove_session_files();

}  // namespace telinject::drain
