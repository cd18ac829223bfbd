// Name and version of the traced service. v3, section 8.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "shim/metadata/surroundings.h"

namespace telinject {

struct Service {
  std::string name;  // SERVICE_NAME, OTEL_SERVICE_NAME, service.name of OTEL_RESOURCE_ATTRIBUTES,
                     // else the name of the working directory; "" in "/": then the program's
                     // takes its place
  std::string version;  // SERVICE_VERSION, service.version there, else git's short commit id; "" if
                        // none is known: then a program's build id takes its place, if it has one
  std::string environment;  // ENVIRONMENT, deployment.environment.name there, else "dev"
  std::map<std::string, std::string, std::less<>> attributes =
      {};  // all of OTEL_RESOURCE_ATTRIBUTES
};

// The first three as set, "" if not; `directory` is the program's working directory. Git's files
// are read, git is not run.
Service find_service(const std::string& name, const std::string& version,
                     const std::string& environment, const Surroundings& around,
                     const std::string& directory);

// The same without reading a file, so that it does not wait.
Service quick_service(const std::string& name, const std::string& version,
                      const std::string& environment, const Surroundings& around,
                      const std::string& directory);

// The first seven digits of the commit that is checked out in the repository around a directory;
// "" if there is none or it cannot be read.
std::string git_short_commit(const std::string& directory);

}  // namespace telinject
