#include "shim/metadata/service.h"

#include <filesystem>
#include <fstream>
#include <string_view>

namespace telinject {

namespace {

namespace fs = std::filesystem;

constexpr size_t kShortDigits = 7;
constexpr std::string_view kRefPrefix = "ref: ";

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool is_commit(std::string_view text) {
  return text.size() >= 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A linked work tree or a submodule has a file .git that names the real folder.
fs::path git_folder(fs::path directory) {
  std::error_code error;
  for (;;) {
    fs::path git = directory / ".git";
    if (fs::is_directory(git, error)) return git;
    if (fs::is_regular_file(git, error)) {
      constexpr std::string_view kPrefix = "gitdir: ";
      std::string line = first_line(git);
      if (std::string_view(line).substr(0, kPrefix.size()) != kPrefix) return {};
      return directory / line.substr(kPrefix.size());
    }
    if (!directory.has_relative_path()) return {};
    directory = directory.parent_path();
  }
}

// References of a linked work tree are in the folder that it has in common with the others.
fs::path common_folder(const fs::path& git) {
  std::string common = first_line(git / "commondir");
  return common.empty() ? git : git / common;
}

std::string resolve(const fs::path& git, const std::string& reference) {
  fs::path common = common_folder(git);
  for (const fs::path& folder : {git, common}) {
    std::string commit = first_line(folder / reference);
    if (is_commit(commit)) return commit;
  }
  std::ifstream packed(common / "packed-refs");
  for (std::string line; std::getline(packed, line);) {
    size_t space = line.find(' ');
    if (space != std::string::npos && line.substr(space + 1) == reference) {
      return line.substr(0, space);
    }
  }
  return {};
}

}  // namespace

std::string git_short_commit(const std::string& directory) {
  fs::path git = git_folder(directory);
  if (git.empty()) return {};
  std::string head = first_line(git / "HEAD");
  if (std::string_view(head).substr(0, kRefPrefix.size()) == kRefPrefix) {
    head = resolve(git, head.substr(kRefPrefix.size()));
  }
  return is_commit(head) ? head.substr(0, kShortDigits) : std::string();
}

Service find_service(const std::string& name, const std::string& version,
                     const std::string& environment, const std::string& directory) {
  Service service = {name, version, environment};
  if (service.name.empty()) service.name = fs::path(directory).filename();
  if (service.name.empty()) service.name = "unknown";
  if (service.version.empty()) service.version = git_short_commit(directory);
  if (service.version.empty()) service.version = "unknown";
  return service;
}

}  // namespace telinject
