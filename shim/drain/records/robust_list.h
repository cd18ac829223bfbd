// Tells waiting producers of the drain's death at once: the kernel marks the words on a thread's
// robust list when it ends, by SIGKILL too.
//
// A list of our own rather than libc's robust mutexes: those keep their links next to the word, in
// memory that the traced program can write, and unlocking one would follow them. Here the links are
// in private memory, at a fixed distance before the word, as the kernel's interface wants it.
#pragma once

#include <linux/futex.h>

#include <cstddef>

namespace telinject::drain {

// A link, to be placed so that its word is `kWordDistance` bytes behind it.
using RobustLink = ::robust_list;

class RobustList {
 public:
  // Registers the list for the calling thread, which must not use libc's robust mutexes. All words
  // are `word_distance` bytes behind their links.
  explicit RobustList(long word_distance);
  RobustList(const RobustList&) = delete;
  RobustList& operator=(const RobustList&) = delete;

  void add(RobustLink* link);
  void remove(RobustLink* link);

 private:
  robust_list_head head_;
};

}  // namespace telinject::drain
