// The id of the container that this process is in.
#pragma once

#include <string>
#include <string_view>

#include "shim/metadata/surroundings.h"

namespace telinject {

// From /proc/self/cgroup; "" if no line names a container. Version 1 has a line for each
// controller, version 2 one line, which says only "0::/" to a process in a cgroup namespace of its
// own.
std::string container_id_in_cgroup(std::string_view text);

// From /proc/self/mountinfo: runtimes mount /etc/hostname and others from a folder that is named
// after the container.
std::string container_id_in_mountinfo(std::string_view text);

std::string find_container_id(const Surroundings& around);

}  // namespace telinject
