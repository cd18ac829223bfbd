// Which calls are emitted: by the user's choice, apart from sampling and from loss.
//
// A span is emitted, deferred until that is decided, or filtered. Its parent in the output is the
// nearest call above it that is not filtered; so whatever is emitted has all that is deferred above
// it emitted first, and no parent is missing. What is deferred are frames of the call tree, which
// are there anyway: the memory is bounded by the depth of the stacks.
//
// The root of a trace that names or depth exclude is deferred, too: emitted if anything below it
// is, for a trace has one root.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace telinject::drain {

// Why the span of a call was filtered.
enum class FilteredBy : uint8_t {
  kNothing,
  kMinDuration,
  kMaxDepth,
  kInclude,
  kExclude,
  kSampleRate
};
inline constexpr size_t kFilterReasons = 6;
// As telrun's options are called: "--min-duration".
std::string_view filter_name(FilteredBy reason);

enum class EmitState : uint8_t { kEmitted, kDeferred, kFiltered };

// Names of functions, files or modules, as a user gives them: globs, separated by commas. `*`
// stands for anything, slashes and colons too.
class Globs {
 public:
  Globs() = default;
  explicit Globs(std::string_view list);
  bool empty() const { return globs_.empty(); }
  bool match(const std::string& name) const;
  // Also where a glob fits what follows one of the path's slashes.
  bool match_path(const std::string& path) const;

 private:
  std::vector<std::string> globs_;
};

struct SpanFilter {
  int64_t min_duration_ns = 0;
  uint32_t max_depth = 0;  // 0: any
  struct Names {
    Globs include, exclude;
  };
  Names functions, files, modules;

  bool by_name() const;
  bool active() const { return min_duration_ns > 0 || max_depth > 0 || by_name(); }

  // By name alone: kNo, kInclude or kExclude. An empty text is a name that is not known: nothing
  // fits it.
  FilteredBy judge_names(const std::string& function, const std::string& linkage_name,
                         const std::string& file, const std::string& module) const;
  // At its entry; `depth` is 1 for the outermost call of a thread.
  FilteredBy judge(FilteredBy by_names, uint32_t depth) const {
    if (by_names != FilteredBy::kNothing) return by_names;
    return max_depth != 0 && depth > max_depth ? FilteredBy::kMaxDepth : FilteredBy::kNothing;
  }
};

// How many spans were filtered, by reason.
using FilterCounts = std::array<uint64_t, kFilterReasons>;

}  // namespace telinject::drain
