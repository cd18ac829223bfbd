// The drain's environment and the root of the file system, as sources of metadata.
//
// Only this file of the metadata code reads the environment: variables that platforms set
// (docs/metadata.md lists them all). telinject's own settings are in settings.h.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace telinject {

struct Surroundings {
  std::map<std::string, std::string, std::less<>> variables;
  std::string
      root;  // TELEMETRY_SYSTEM_ROOT: stands before /sys, /proc, /var and /etc; "" but in tests

  static Surroundings of(char* const* envp, std::string root);

  // The value; "" if the variable is not set.
  std::string get(std::string_view name) const;
  bool has(std::string_view name) const { return !get(name).empty(); }
  // The first of these that is set.
  template <typename... Names>
  std::string first(std::string_view name, Names... others) const {
    std::string value = get(name);
    if constexpr (sizeof...(others) != 0) {
      if (value.empty()) return first(others...);
    }
    return value;
  }
  std::string file(std::string_view path) const;  // its content, "" if there is none
  std::string path(std::string_view path) const { return root + std::string(path); }
};

// OTEL_RESOURCE_ATTRIBUTES: key=value,key=value with percent-encoded values. As the specification
// demands, a malformed part discards all of it.
std::map<std::string, std::string, std::less<>> parse_resource_attributes(std::string_view text);

}  // namespace telinject
