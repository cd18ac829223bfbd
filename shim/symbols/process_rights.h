// Reads the rights of processes from /proc, and acts with them.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <vector>

#include "shim/symbols/file_access.h"

namespace telinject {

// True, and *rights set to those with which it opens files, if the process gave up root's rights
// for good. False also if the process cannot be seen.
bool dropped_rights_of(int pid, FileRights* rights);

// Whether the process has this file mapped.
bool has_mapped(int pid, const struct stat& file);

// While it lives, this thread opens files as another user; other threads do not. For root's
// processes only. Afterwards the process makes no core dumps unless the system makes them of
// set-user-ID programs.
class ActingAs {
 public:
  explicit ActingAs(const FileRights& rights);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;
  // If false, nothing has changed.
  bool succeeded() const { return succeeded_; }

 private:
  void go_back();

  std::vector<uint32_t> groups_;  // our own
  bool groups_changed_ = false;
  bool succeeded_ = false;
};

}  // namespace telinject
