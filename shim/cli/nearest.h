// Finds what a mistyped word was meant to be.
#pragma once

#include <cstddef>

namespace telinject {

// How many letters have to be put in, left out, replaced or exchanged with their neighbour to make
// one word of the other; more than `most` if it is more. Words of more than 63 letters are told
// apart.
size_t edit_distance(const char* a, const char* b, size_t most);

// Keeps the one word that is nearest to a mistyped one, if it is near enough to be what was meant:
// two letters, or one of a word of less than eight.
class Nearest {
 public:
  explicit Nearest(const char* typed);

  void offer(const char* word);               // valid as long as this
  const char* word() const { return word_; }  // null if none was near

 private:
  const char* typed_;
  const char* word_ = nullptr;
  size_t distance_;  // of the next word, at most
};

}  // namespace telinject
