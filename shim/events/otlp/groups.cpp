#include <utility>

#include "shim/events/otlp/otlp_output.h"

namespace telinject::otlp {

namespace {

constexpr std::string_view kScopeNames[] = {"telinject.function", "telinject.http",
                                            "telinject.events"};

}  // namespace

void Groups::introduce(uint32_t process, std::shared_ptr<const std::string> resource) {
  if (process >= processes_.size()) processes_.resize(process + 1);
  processes_[process] = {std::move(resource), {}, {}};
}

uint32_t Groups::group_of(uint32_t process, Scope scope) {
  Slot& slot = processes_[process];
  uint32_t& group = slot.groups[scope];
  if (number_ != 0 && slot.framings[scope] == number_) return group;
  if (framing_ == nullptr || !framing_->add_group(slot.resource, kScopeNames[scope], &group)) {
    framing_ = std::make_shared<OtlpFraming>(signal_, format_);
    framing_->add_group(slot.resource, kScopeNames[scope], &group);
    number_++;
  }
  slot.framings[scope] = number_;
  return group;
}

const std::string* Groups::resource_of(uint32_t process) const {
  return process < processes_.size() ? processes_[process].resource.get() : nullptr;
}

}  // namespace telinject::otlp
