#include "shim/receivers/delivery_sink.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/delivery/telling.h"
#include "shim/receivers/event_line.h"

namespace telinject::receivers {

using delivery::Batch;
using delivery::Totals;
using std::chrono::steady_clock;

DeliverySink::DeliverySink(std::unique_ptr<delivery::Delivery> delivery,
                           std::shared_ptr<const delivery::Framing> framing,
                           const Patience& patience)
    : delivery_(std::move(delivery)), framing_(std::move(framing)), patience_(patience) {}

uint64_t DeliverySink::write(std::string_view lines) {
  if (patience_.waits_for_room) delivery_->wait_for_room();
  Batch batch;
  batch.framing = framing_;
  batch.encoded = lines;
  for (size_t from = 0; from < lines.size();) {
    size_t end = lines.find('\n', from);
    end = end == std::string_view::npos ? lines.size() : end + 1;
    batch.ends.push_back(static_cast<uint32_t>(end));
    batch.traces.push_back(trace_of_line(lines.substr(from, end - from)));
    from = end;
  }
  delivery_->add(std::move(batch));
  return count();
}

// Those lost since it was asked last.
uint64_t DeliverySink::count() {
  Totals totals = delivery_->totals();
  bytes_written_ = totals.bytes;
  return totals.lost() - std::exchange(lost_, totals.lost());
}

uint64_t DeliverySink::flush() {
  // hurry() has set a limit.
  delivery_->flush(hurried_ ? steady_clock::time_point::max()
                            : steady_clock::now() + patience_.flush);
  return count();
}

void DeliverySink::hurry() {
  hurried_ = true;
  // Who waits for room has no deadline.
  if (!patience_.waits_for_room) delivery_->hurry(steady_clock::now() + patience_.end);
}

void DeliverySink::stop() {
  delivery_->hurry(steady_clock::now());
}

uint64_t DeliverySink::finish() {
  delivery_->finish();
  Totals totals = delivery_->totals();
  return count() + totals.left + totals.waiting;
}

std::string DeliverySink::outcome() const {
  Totals totals = delivery_->totals();
  std::string text = delivery::outcome_of(totals, "");
  if (totals.retried > 0) {
    absl::StrAppend(&text, "; ", totals.retried, " of ", totals.requests, " requests repeated");
  }
  return text;
}

}  // namespace telinject::receivers
