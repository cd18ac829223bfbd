// Creates files for the user's data. Only the user can read them, unless settings say otherwise.
#pragma once

#include <sys/types.h>

#include <string>

namespace telinject {

inline constexpr mode_t kOwnFileMode = 0600;

// Sets the permissions of files that are created from now on, whatever the umask is.
void set_new_file_mode(mode_t mode);

// As open(2) with O_CREAT. An existing file keeps its permissions.
int open_or_make(const std::string& path, int flags);

}  // namespace telinject
