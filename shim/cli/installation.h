// Where the parts of telinject are, as seen from this very program:
//
//   <prefix>/bin/telinject
//   <prefix>/lib/libtelinject.so                  or in lib64/, lib/x86_64-linux-gnu/
//   <prefix>/libexec/telinject/telinject-drain
//
// in the build tree as after installation; or all of them in one directory. Nothing is compiled in,
// so a tree may be moved.
#pragma once

#include <climits>

namespace telinject {

struct Part {
  const char* file;               // its name
  const char* subdirectories[3];  // below the prefix: where distributions put it, or null
};

inline constexpr Part kLibraryPart = {"libtelinject.so", {"lib", "lib/x86_64-linux-gnu", "lib64"}};
inline constexpr Part kDrainPart = {"telinject-drain", {"libexec/telinject"}};

// Writes the absolute path of a part. False if there is none: then `out` says in words where it was
// looked for.
bool find_part(const Part& part, char out[PATH_MAX]);

}  // namespace telinject
