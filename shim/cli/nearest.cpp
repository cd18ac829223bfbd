#include "shim/cli/nearest.h"

#include <string.h>

namespace telinject {

namespace {

constexpr size_t kMostLetters = 63;
constexpr size_t kLongWord = 8;  // from here on two letters may be wrong

size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

}  // namespace

size_t edit_distance(const char* a, const char* b, size_t most) {
  size_t from = strlen(a), to = strlen(b);
  if (from > kMostLetters || to > kMostLetters) return most + 1;
  // Of the first i letters of one to the first j of the other: rows of i, the last three.
  size_t rows[3][kMostLetters + 1];
  size_t *before = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= to; j++) last[j] = j;
  for (size_t i = 1; i <= from; i++) {
    row[0] = i;
    for (size_t j = 1; j <= to; j++) {
      size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = smaller(replaced, smaller(last[j], row[j - 1]) + 1);
      bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (exchanged) row[j] = smaller(row[j], before[j - 2] + 1);
    }
    size_t* oldest = before;
    before = last;
    last = row;
    row = oldest;
  }
  return last[to];
}

Nearest::Nearest(const char* typed) : typed_(typed), distance_(strlen(typed) < kLongWord ? 1 : 2) {}

void Nearest::offer(const char* word) {
  size_t distance = edit_distance(typed_, word, distance_);
  if (distance > distance_) return;
  if (word_ != nullptr && distance == distance_) return;  // the first of several
  word_ = word;
  distance_ = distance;
}

}  // namespace telinject
