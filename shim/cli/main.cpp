// telinject <command>: supervises (run, which is telrun) and explains itself. All that needs more
// than libc is the drain's, which other commands execute.

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <initializer_list>

#include "shim/channel/text.h"
#include "shim/cli/help.h"
#include "shim/cli/installation.h"
#include "shim/cli/options.h"
#include "shim/cli/program.h"
#include "shim/cli/run.h"
#include "shim/cli/warn.h"
#include "shim/cli/witness.h"

namespace telinject {

namespace {

int help(char** argv) {
  if (argv[0] == nullptr) return print_commands();
  if (text_equal(argv[0], "run")) return print_run_help();
  if (text_equal(argv[0], "convert")) return print_convert_help();
  if (text_equal(argv[0], "settings")) {
    bool markdown = argv[1] != nullptr && text_equal(argv[1], "--markdown");
    return markdown ? print_settings_markdown() : print_settings();
  }
  warn("there is no help on ", argv[0], "; try telinject help");
  return kExitOwnFailure;
}

int execute_drain(char** argv) {
  char file[PATH_MAX];
  if (!find_part(kDrainPart, file)) {
    warn(file);
    return kExitOwnFailure;
  }
  argv[0] = const_cast<char*>(kDrainPart.file);
  execv(file, argv);
  warn("cannot execute ", file, ": ", strerror(errno));
  return kExitCannotExecute;
}

// The options are telrun's: they set the environment that the drain reads.
int convert(int argc, char** argv) {
  RunOptions options;
  switch (parse_run_options(argc, argv, "recording", "telinject help convert", &options)) {
    case Parsed::kHelp:
      return print_convert_help();
    case Parsed::kVersion:
      return print_version();
    case Parsed::kBad:
      return kExitOwnFailure;
    case Parsed::kRun:
      break;
  }
  // Behind the options there is room for the drain's name and the command.
  char** drain = options.program - 1;
  drain[0] = const_cast<char*>("convert");
  return execute_drain(drain - 1);
}

int main(int argc, char** argv) {
  Witness::note_command_line(argc, argv);
  if (argc > 1 && text_equal(argv[1], "run")) return run(argc - 1, argv + 1);
  warn_as("telinject");
  if (argc < 2) {
    warn("no command given; try telinject help");
    return kExitOwnFailure;
  }
  const char* command = argv[1];
  for (const char* word : {"help", "--help", "-h"}) {
    if (text_equal(command, word)) return help(argv + 2);
  }
  for (const char* word : {"version", "--version", "-V"}) {
    if (text_equal(command, word)) return print_version();
  }
  if (text_equal(command, "convert")) return convert(argc - 1, argv + 1);
  return execute_drain(argv);
}

}  // namespace

}  // namespace telinject

int main(int argc, char** argv) {
  return telinject::main(argc, argv);
}
