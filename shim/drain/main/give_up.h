// How a drain ends that cannot do its work: one line that says why, no core, and nobody left
// waiting for it.
#pragma once

#include <string_view>

#include "shim/channel/session.h"

namespace telinject::drain {

// From now on, running out of memory gives up instead of aborting; and `session` is what has to be
// cleared away. `segment` is the memfd of a program that has been started without telrun, or -1.
void prepare_to_give_up(const Session& session, int segment);

// The collector owns the segments now, and its end shows in them: ours need not be kept.
void has_started();

// Says "telinject: <why>", tells producers that nobody reads them, removes the session's files and
// ends with kDrainGaveUp, by which telrun knows that all has been said. Callable by any thread;
// needs no memory.
[[noreturn]] void give_up(std::string_view why);

// Of the session that was prepared for: its socket and directory, if it has one.
void remove_session_files();

}  // namespace telinject::drain
