// What a program's file tells about how it can be traced.
#pragma once

#include <optional>
#include <string>

#include "shim/channel/target.h"

namespace telinject::drain {

// Why the library cannot be preloaded into a program.
struct Obstacle {
  std::string reason;
  std::string advice;           // what to do; "" if nothing helps
  bool for_users_only = false;  // root may not meet it
};
// Nullopt if nothing is in the way, or the file could not be examined.
std::optional<Obstacle> obstacle_of(const std::string& path, const Target& target);

// Whether an ELF file calls the hooks: as an import, or as a function of its own.
enum class HookUse { kUnknown, kImported, kDefined, kNone };
HookUse hook_use(const std::string& path);

// Where names, files and lines of its functions come from.
enum class DebugInfo { kUnknown, kOwn, kSeparate, kSymbolsOnly, kNone };
DebugInfo debug_info_of(const std::string& path);

}  // namespace telinject::drain
