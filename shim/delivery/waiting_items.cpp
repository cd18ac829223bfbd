#include "shim/delivery/waiting_items.h"

#include <span>
#include <utility>

#include "shim/delivery/batch_bytes.h"

namespace telinject::delivery {

namespace {

constexpr size_t kMostDropped = 1 << 17;  // traces that are remembered: four megabytes

std::pair<uint64_t, uint64_t> key_of(TraceId trace) {
  return {trace.hi, trace.lo};
}

bool is_none(TraceId trace) {
  return trace.hi == 0 && trace.lo == 0;
}

}  // namespace

WaitingItems::WaitingItems(const Delivery::Limits& limits, Spool::Tell tell)
    : limits_(limits),
      spool_(limits.spool_directory, limits.spool_bytes, std::move(tell)),
      memory_(std::make_shared<std::atomic<uint64_t>>(0)) {}

bool WaitingItems::is_full(const Entry& entry) const {
  return entry.items >= limits_.body_items ||
         (entry.stored ? entry.stored->bytes : entry.batch.encoded.size()) >= limits_.body_bytes;
}

// Into the last one, so that many small ones make one request.
bool WaitingItems::merge(const Batch& batch, uint64_t bytes) {
  if (entries_.empty() || entries_.back().stored.has_value()) return false;
  Entry& last = entries_.back();
  bool fits = last.batch.framing == batch.framing &&
              last.items + batch.size() <= limits_.body_items &&
              last.batch.encoded.size() + batch.encoded.size() <= limits_.body_bytes;
  if (!fits) return false;
  last.batch.append(batch);
  last.items += batch.size();
  last.counted += bytes;
  return true;
}

bool WaitingItems::spool(const Batch& batch, TimePoint now) {
  if (!spool_.has_room()) return false;
  std::string bytes;
  append_batch(batch, &bytes);
  Stored stored = {batch.framing, 0, bytes.size(), batch.size()};
  if (!spool_.write(std::as_bytes(std::span(bytes)), &stored.offset)) return false;
  entries_.push_back({{}, std::move(stored), batch.size(), 0, now});
  return true;
}

Batch WaitingItems::without_dropped(const Batch& batch) const {
  Batch rest;
  rest.framing = batch.framing;
  for (size_t i = 0; i < batch.size(); i++) {
    bool dropped = !is_none(batch.traces[i]) && dropped_traces_.contains(key_of(batch.traces[i]));
    if (!dropped) rest.add(batch.item(i), batch.traces[i], batch.group(i));
  }
  return rest;
}

void WaitingItems::drop(const Batch& batch) {
  for (TraceId trace : batch.traces) {
    if (dropped_traces_.size() >= kMostDropped) return;
    if (!is_none(trace)) dropped_traces_.insert(key_of(trace));
  }
}

uint64_t WaitingItems::add(Batch batch, TimePoint now) {
  size_t all = batch.size();
  if (!dropped_traces_.empty()) {
    if (memory_bytes() <= limits_.memory_bytes / 2 && spool_.bytes() == 0) {
      dropped_traces_.clear();
    } else {
      batch = without_dropped(batch);
    }
  }
  if (batch.size() == 0) return all;
  uint64_t lost = all - batch.size(), bytes = batch.bytes();
  bool room = spool_.bytes() == 0 && memory_bytes() + bytes <= limits_.memory_bytes;
  if (room) {
    memory_->fetch_add(bytes);
    if (merge(batch, bytes)) return lost;
    size_t items = batch.size();
    entries_.push_back({std::move(batch), std::nullopt, items, bytes, now});
    return lost;
  }
  if (spool(batch, now)) return lost;
  drop(batch);
  return all;
}

WaitingItems::TimePoint WaitingItems::due(bool all) const {
  if (entries_.empty()) return TimePoint::max();
  const Entry& first = entries_.front();
  bool now = all || entries_.size() > 1 || is_full(first);
  return now ? first.since : first.since + limits_.linger;
}

std::shared_ptr<const Batch> WaitingItems::counted(Batch batch, uint64_t bytes) const {
  return {new Batch(std::move(batch)), [memory = memory_, bytes](const Batch* done) {
            memory->fetch_sub(bytes);
            delete done;
          }};
}

std::shared_ptr<const Batch> WaitingItems::take(TimePoint now, bool all) {
  if (!is_due(now, all) || entries_.front().stored.has_value()) return nullptr;
  Entry entry = std::move(entries_.front());
  entries_.pop_front();
  return counted(std::move(entry.batch), entry.counted);
}

std::optional<WaitingItems::Stored> WaitingItems::take_stored(TimePoint now, bool all) {
  if (!is_due(now, all) || !entries_.front().stored.has_value()) return std::nullopt;
  std::optional<Stored> stored = std::move(entries_.front().stored);
  entries_.pop_front();
  return stored;
}

std::shared_ptr<const Batch> WaitingItems::read(const Stored& stored) {
  std::string bytes(stored.bytes, '\0');
  size_t size =
      spool_.read(stored.offset, bytes.size(), reinterpret_cast<std::byte*>(bytes.data()));
  if (size != bytes.size()) return nullptr;
  std::optional<Batch> batch = read_batch(bytes);
  if (!batch.has_value()) return nullptr;
  batch->framing = stored.framing;
  uint64_t takes = batch->bytes();
  memory_->fetch_add(takes);
  return counted(std::move(*batch), takes);
}

size_t WaitingItems::clear() {
  size_t items = 0;
  for (const Entry& entry : entries_) {
    items += entry.items;
    memory_->fetch_sub(entry.counted);
    if (entry.stored.has_value()) spool_.drop(entry.stored->offset, entry.stored->bytes);
  }
  entries_.clear();
  return items;
}

}  // namespace telinject::delivery
