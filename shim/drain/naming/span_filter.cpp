#include "shim/drain/naming/span_filter.h"

#include <fnmatch.h>

#include <algorithm>

namespace telinject::drain {

std::string_view filter_name(FilteredBy reason) {
  switch (reason) {
    case FilteredBy::kNothing:
      return "";
    case FilteredBy::kMinDuration:
      return "--min-duration";
    case FilteredBy::kMaxDepth:
      return "--max-depth";
    case FilteredBy::kInclude:
      return "--include";
    case FilteredBy::kExclude:
      return "--exclude";
    case FilteredBy::kSampleRate:
      return "--sample-rate";
  }
  return "";
}

Globs::Globs(std::string_view list) {
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    std::string_view glob = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!glob.empty() && glob.front() == ' ') glob.remove_prefix(1);
    while (!glob.empty() && glob.back() == ' ') glob.remove_suffix(1);
    if (!glob.empty()) globs_.emplace_back(glob);
  }
}

bool Globs::match(const std::string& name) const {
  return !name.empty() && std::any_of(globs_.begin(), globs_.end(), [&](const std::string& glob) {
    return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

bool Globs::match_path(const std::string& path) const {
  if (match(path)) return true;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (match(path.substr(slash + 1))) return true;
  }
  return false;
}

bool SpanFilter::by_name() const {
  for (const Names* names : {&functions, &files, &modules}) {
    if (!names->include.empty() || !names->exclude.empty()) return true;
  }
  return false;
}

FilteredBy SpanFilter::judge_names(const std::string& function, const std::string& linkage_name,
                                   const std::string& file, const std::string& module) const {
  auto fits = [&](const Globs& by_function, const Globs& by_file, const Globs& by_module,
                  bool if_none) {
    return std::array{by_function.empty()
                          ? if_none
                          : by_function.match(function) || by_function.match(linkage_name),
                      by_file.empty() ? if_none : by_file.match_path(file),
                      by_module.empty() ? if_none : by_module.match_path(module)};
  };
  auto excluded = fits(functions.exclude, files.exclude, modules.exclude, false);
  if (excluded[0] || excluded[1] || excluded[2]) return FilteredBy::kExclude;
  auto included = fits(functions.include, files.include, modules.include, true);
  return included[0] && included[1] && included[2] ? FilteredBy::kNothing : FilteredBy::kInclude;
}

}  // namespace telinject::drain
