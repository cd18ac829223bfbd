#include "shim/cli/installation.h"

#include <unistd.h>

#include "shim/channel/text.h"

namespace telinject {

namespace {

// Cuts the last component off; false if there is none.
bool to_parent(char* path) {
  char* slash = nullptr;
  for (char* p = path; *p != 0; p++) {
    if (*p == '/') slash = p;
  }
  if (slash == nullptr) return false;
  *slash = 0;
  return true;
}

}  // namespace

bool find_part(const Part& part, char out[PATH_MAX]) {
  char here[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
  if (n <= 0) {
    TextBuffer(out, PATH_MAX).add("cannot read /proc/self/exe to find ").add(part.file);
    return false;
  }
  here[n] = 0;
  char prefix[PATH_MAX];
  TextBuffer(prefix, sizeof prefix).add(here);
  if (!to_parent(here) || !to_parent(prefix)) return false;
  bool has_prefix = to_parent(prefix);

  for (const char* subdirectory : part.subdirectories) {
    if (subdirectory == nullptr || !has_prefix) break;
    TextBuffer below_prefix(out, PATH_MAX);
    below_prefix.add(prefix).add('/').add(subdirectory).add('/').add(part.file);
    if (!below_prefix.overflow() && access(out, F_OK) == 0) return true;
  }
  TextBuffer beside(out, PATH_MAX);
  beside.add(here).add('/').add(part.file);
  if (!beside.overflow() && access(out, F_OK) == 0) return true;

  TextBuffer words(out, PATH_MAX);
  words.add("there is no ")
      .add(part.file)
      .add(" in ")
      .add(prefix)
      .add('/')
      .add(part.subdirectories[0]);
  words.add(" or ").add(here);
  return false;
}

}  // namespace telinject
