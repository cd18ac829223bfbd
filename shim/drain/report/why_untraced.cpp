#include "shim/drain/report/why_untraced.h"

#include <fcntl.h>

#include "absl/strings/str_cat.h"
#include "shim/channel/target.h"
#include "shim/drain/report/program_check.h"
#include "shim/drain/report/summary.h"
#include "shim/sinks/printable_text.h"

namespace telinject::drain {

namespace {

constexpr const char* kAdvice =
    "  to do      build it with CC=telcc CXX=telc++, or add -finstrument-functions -g to its "
    "compiler's flags\n";

std::string because(const std::string& reason, const std::string& advice = "") {
  return absl::StrCat("  because    ", printable(reason, kMostOfALine / 2), "\n", advice);
}

}  // namespace

std::string why_untraced(const SummaryFacts& facts) {
  const std::string& path = facts.program;
  std::string untraced;
  if (!facts.untraced.empty()) untraced = because(facts.untraced.begin()->first);
  if (path.empty()) return untraced;
  Target target = examine_target(AT_FDCWD, path.c_str());
  std::optional<Obstacle> obstacle = obstacle_of(path, target);
  if (obstacle.has_value() && (!obstacle->for_users_only || facts.joined == 0)) {
    std::string advice = obstacle->advice.empty() ? "" : "  to do      " + obstacle->advice + "\n";
    return because(obstacle->reason, advice);
  }
  if (!untraced.empty()) return untraced;
  switch (hook_use(path)) {
    case HookUse::kImported:
      if (facts.joined == 0) {
        return because(absl::StrCat(path,
                                    " is instrumented, but the library was not loaded into it "
                                    "(did it clear LD_PRELOAD, or end before it started?)"));
      }
      return because(absl::StrCat(path,
                                  " is instrumented, but made no call (SAMPLE_RATE? an early "
                                  "exit?)"));
    case HookUse::kDefined:
      return because(absl::StrCat(path, " brings hooks of its own, which come before ours"),
                     "  to do      leave __cyg_profile_func_enter and _exit out of the program\n");
    case HookUse::kNone:
    case HookUse::kUnknown:
      break;
  }
  return because(absl::StrCat(path, " was not compiled with -finstrument-functions"), kAdvice);
}

}  // namespace telinject::drain
