// telinject report, top, graph, tree, diff and export: recordings for people and for other tools.
#pragma once

#include <string>
#include <vector>

namespace telinject::drain {

bool is_view_command(const std::string& command);

// `words`: what follows the command. Returns the exit status: 0; 1 if something could not be read
// or written, or diff found more than --fail-above; 2 for a wrong use.
int run_view(const std::string& command, const std::vector<std::string>& words);

}  // namespace telinject::drain
