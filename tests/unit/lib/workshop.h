// A place for the files of a test: small programs, built while the tests run, so that each compiler
// and option is tried for real.
#pragma once

#include <string>
#include <vector>

namespace telinject::test {

// A directory that is removed with all that is in it.
class Workshop {
 public:
  Workshop();
  ~Workshop();
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  const std::string& directory() const { return directory_; }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  // Writes a file; returns its path.
  std::string write(const std::string& name, const std::string& text) const;

  // Runs a shell command in the directory; what it prints. Fails the test if the command fails.
  std::string run(const std::string& command) const;
  // The same, but false if it fails.
  bool try_run(const std::string& command) const;

 private:
  std::string directory_;
};

std::string read_file(const std::string& path);
std::vector<std::string> lines_of(const std::string& text);

}  // namespace telinject::test
