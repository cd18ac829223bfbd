#include "shim/channel/layout.h"

namespace telinject {

const char* loss_reason_name(LossReason reason) {
  switch (reason) {
    case LossReason::kQueueFull:
      return "queue_full";
    case LossReason::kNoLane:
      return "no_lane";
    case LossReason::kForeignTask:
      return "foreign_task";
    case LossReason::kEarly:
      return "early";
    case LossReason::kOrphanExit:
      return "orphan_exit";
    case LossReason::kSinkError:
      return "sink_error";
    case LossReason::kInterrupted:
      return "interrupted";
    case LossReason::kException:
      return "exception";
    case LossReason::kRestricted:
      return "restricted";
    case LossReason::kStacks:
      return "stacks";
    case LossReason::kHttpUnparsed:
      return "http_unparsed";
    case LossReason::kCount:
      break;
  }
  return "unknown";
}

}  // namespace telinject
