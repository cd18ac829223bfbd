// telrun's command line. Its options are those rows of the settings table (settings.h) that have an
// option, and a few of its own.
#pragma once

namespace telinject {

struct RunOptions {
  bool in_place;   // -D: become the program; the library starts the drain itself
  char** program;  // its arguments, null-terminated; the name first
};

enum class Parsed { kRun, kHelp, kVersion, kBad };

// Puts the options' values into our environment. kBad: said on one line what is wrong; "no
// `missing` given" if nothing follows the options. `help` is the command that lists them.
Parsed parse_run_options(int argc, char** argv, const char* missing, const char* help,
                         RunOptions* out);

}  // namespace telinject
