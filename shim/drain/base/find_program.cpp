#include "shim/drain/base/find_program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace telinject::drain {

std::string find_on_path(const std::string& name) {
  const char* path = getenv("PATH");
  for (absl::string_view folder : absl::StrSplit(path != nullptr ? path : "/bin:/usr/bin", ':')) {
    std::string file = absl::StrCat(folder.empty() ? "." : folder, "/", name);
    std::error_code ignored;
    if (access(file.c_str(), X_OK) == 0 && !std::filesystem::is_directory(file, ignored)) {
      return file;
    }
  }
  return "";
}

}  // namespace telinject::drain
