#include "shim/sinks/rotation.h"

#include <errno.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace telinject {

std::string rotated_name(const std::string& path, uint64_t number) {
  std::string_view plain = path, packed;
  for (std::string_view suffix : {".zst", ".gz"}) {
    if (!plain.ends_with(suffix)) continue;
    packed = plain.substr(plain.size() - suffix.size());
    plain.remove_suffix(suffix.size());
    break;
  }
  return absl::StrCat(std::string(plain), ".", number, std::string(packed));
}

bool rotate(const std::string& path, uint64_t most_files) {
  // Those beyond their number, which was larger once.
  for (uint64_t number = most_files; unlink(rotated_name(path, number).c_str()) == 0; number++) {
  }
  if (most_files <= 1) return unlink(path.c_str()) == 0;
  // Up to the first that is missing: there is no need to move those behind it.
  uint64_t last = 1;
  while (last < most_files - 1 && access(rotated_name(path, last).c_str(), F_OK) == 0) last++;
  for (; last > 1; last--) {
    std::string from = rotated_name(path, last - 1);
    bool moved = std::rename(from.c_str(), rotated_name(path, last).c_str()) == 0;
    if (!moved && errno != ENOENT) return false;  // someone may have taken an older file away
  }
  return std::rename(path.c_str(), rotated_name(path, 1).c_str()) == 0;
}

}  // namespace telinject
