// What the program is called and which version of it runs.
#pragma once

#include <string>

namespace telinject {

struct Service {
  std::string name;         // SERVICE_NAME, else the name of the working directory
  std::string version;      // SERVICE_VERSION, else git's short commit id, else "unknown"
  std::string environment;  // ENVIRONMENT, else "dev"
};

// `directory` is the program's working directory. Git's files are read, git is not run.
Service find_service(const std::string& name, const std::string& version,
                     const std::string& environment, const std::string& directory);

// The first seven digits of the commit that is checked out in the repository around a directory;
// "" if there is none or it cannot be read.
std::string git_short_commit(const std::string& directory);

}  // namespace telinject
