#include "shim/metadata/service.h"

#include <filesystem>
#include <string_view>

#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

namespace fs = std::filesystem;

constexpr size_t kShortDigits = 7;
constexpr std::string_view kRefPrefix = "ref: ";

// References of a repository with many branches and tags.
constexpr size_t kPackedReferencesBytes = 16 << 20;

std::string first_line(const fs::path& path) {
  std::string text = read_small_file(path);
  return text.substr(0, text.find('\n'));
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
  std::string packed = read_small_file(common / "packed-refs", kPackedReferencesBytes);
  for (std::string_view rest = packed; !rest.empty();) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    size_t space = line.find(' ');
    if (space != std::string_view::npos && line.substr(space + 1) == reference) {
      return std::string(line.substr(0, space));
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

Service quick_service(const std::string& name, const std::string& version,
                      const std::string& environment, const Surroundings& around,
                      const std::string& directory) {
  auto attributes = parse_resource_attributes(around.get("OTEL_RESOURCE_ATTRIBUTES"));
  auto choose = [&](const std::string& set, std::initializer_list<const char*> keys) {
    std::string value = set;
    for (const char* key : keys) {
      if (value.empty()) value = attributes[key];
    }
    return value;
  };
  Service service;
  service.name = choose(name, {"service.name"});
  if (service.name.empty()) service.name = fs::path(directory).filename();
  service.version = choose(version, {"service.version"});
  // The second name is that of OpenTelemetry before 2024.
  service.environment =
      choose(environment, {"deployment.environment.name", "deployment.environment"});
  if (service.environment.empty()) service.environment = "dev";
  service.attributes = parse_resource_attributes(around.get("OTEL_RESOURCE_ATTRIBUTES"));
  return service;
}

Service find_service(const std::string& name, const std::string& version,
                     const std::string& environment, const Surroundings& around,
                     const std::string& directory) {
  Service service = quick_service(name, version, environment, around, directory);
  if (service.version.empty()) service.version = git_short_commit(directory);
  return service;
}

}  // namespace telinject
