// How many descriptors are left to this process. The kernel gives out the lowest free number, so
// the number of a new descriptor tells how many are in use.
//
// Each segment takes one, as long as a program uses it. What makes things better but can be done
// without (pidfds, the rings of context switches) takes no more than half of what there is.
#pragma once

#include <string>

namespace telinject::drain {

// There is room for this one, a new descriptor, if it can be done without.
bool is_plentiful(int fd);
// It is one of the last, which are left for files that have to be opened.
bool is_reserved(int fd);
// So few are left that a newcomer, who takes up to three, might get a reserved one.
bool descriptors_are_short();
// The same descriptor with the lowest free number; the other is closed.
int lowered(int fd);
// Why programs are not traced if there is none left, and what to do.
std::string out_of_descriptors_text();

}  // namespace telinject::drain
