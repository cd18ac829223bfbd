// Environments as exec(2) takes them.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace telinject::test {

class Environ {
 public:
  Environ(std::initializer_list<std::string> entries) : entries_(entries) {
    for (std::string& entry : entries_) pointers_.push_back(entry.data());
    pointers_.push_back(nullptr);
  }
  Environ(const Environ&) = delete;
  Environ& operator=(const Environ&) = delete;
  char** get() { return pointers_.data(); }

 private:
  std::vector<std::string> entries_;
  std::vector<char*> pointers_;
};

}  // namespace telinject::test
