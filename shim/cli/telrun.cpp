// telrun, which is `telinject run`: a program of its own, for a script would need an interpreter
// line with the path of the installation, and a shell would change the environment that it hands
// on.

#include "shim/cli/run.h"
#include "shim/cli/witness.h"

int main(int argc, char** argv) {
  telinject::Witness::note_command_line(argc, argv);
  return telinject::run(argc, argv);
}
