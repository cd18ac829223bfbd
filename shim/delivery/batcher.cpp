#include <utility>

#include "shim/delivery/delivery.h"

namespace telinject::delivery {

namespace {

constexpr std::chrono::seconds kLate{1};

}  // namespace

Batcher::Batcher(Delivery* delivery, const Delivery::Limits& limits)
    : delivery_(delivery), most_bytes_(limits.body_bytes), most_items_(limits.body_items) {}

void Batcher::add(const std::shared_ptr<const Framing>& framing, std::string_view item,
                  TraceId trace, uint32_t group) {
  bool fits = batch_.framing == framing && batch_.size() < most_items_ &&
              batch_.encoded.size() + item.size() <= most_bytes_;
  if (!fits && batch_.size() > 0) pass_on();
  if (batch_.size() == 0) {
    batch_.framing = framing;
    since_ = steady_clock::now();
  }
  batch_.add(item, trace, group);
}

void Batcher::pass_on() {
  if (batch_.size() > 0) delivery_->add(std::exchange(batch_, {}));
}

void Batcher::pass_on_if_late() {
  if (batch_.size() > 0 && steady_clock::now() - since_ >= kLate) pass_on();
}

}  // namespace telinject::delivery
