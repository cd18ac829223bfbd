// Name and version of a process's service, which always has both.
#pragma once

#include <string_view>

#include "shim/events/event.h"
#include "shim/metadata/service.h"

namespace telinject {

// In a working directory that has no name, "/", the program's name.
inline std::string_view name_of(const Service& service, const ProcessInfo& process) {
  if (!service.name.empty()) return service.name;
  std::string_view program = process.executable;
  program.remove_prefix(program.rfind('/') + 1);
  return program.empty() ? "unknown" : program;
}

// Where none is set and there is no repository, the program's build id.
inline std::string_view version_of(const Service& service, const ProcessInfo& process) {
  if (!service.version.empty()) return service.version;
  return process.build_id.empty() ? std::string_view("unknown") : process.build_id;
}

}  // namespace telinject
