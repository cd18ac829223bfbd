// `telinject run`, which is telrun: the steps, in order.
#pragma once

namespace telinject {

// Returns the status to exit with if there is nothing to supervise.
int run(int argc, char** argv);

}  // namespace telinject
