// telinject <command>: the one program behind telrun. It supervises (run) and explains itself; all
// that needs more than libc is the drain's, which other commands execute.
//
// telrun is this program too, by one of two ways (scripts/telrun.in says why no shell is between):
//   a script with the interpreter line `#!/path/of/telinject run`
//   a link by the name of telrun, where an interpreter line cannot hold the path

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
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

// True if the kernel started us as the interpreter of a script: it then has put the script's path
// behind our first argument. AT_EXECFN is the file that was executed; for a script it is the
// script. (Not told by /proc/self/exe, which may be missing: taken for a program of the user's,
// telrun would execute itself for ever.)
bool is_interpreter() {
  const char* executed = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  int fd = executed != nullptr ? open(executed, O_RDONLY | O_CLOEXEC) : -1;
  char start[2] = {};
  bool script = fd >= 0 && read(fd, start, 2) == 2 && start[0] == '#' && start[1] == '!';
  if (fd >= 0) close(fd);
  return script;
}

bool is_telrun(const char* path) {
  const char* slash = strrchr(path, '/');
  return text_equal(slash != nullptr ? slash + 1 : path, "telrun");
}

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
  switch (
      parse_run_options(argc, argv, "no recording given; try telinject help convert", &options)) {
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
  if (argc > 0) {
    Witness::note_command_line(argc, argv);
    if (is_telrun(argv[0])) return run(argc, argv);
  }
  if (argc > 1 && text_equal(argv[1], "run")) {
    int skip = argc > 2 && is_interpreter() ? 2 : 1;
    return run(argc - skip, argv + skip);
  }
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
