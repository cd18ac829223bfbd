#include "shim/drain/sampling/event_tape.h"

#include <cstring>

namespace telinject::drain {

namespace {

// The first byte of an event: its kind, and what follows.
constexpr uint8_t kKindBits = 3;
constexpr uint8_t kSameTrace = 4, kSameThread = 8, kHasThread = 16, kIsRare = 32;
// The second one, if it is rare.
constexpr uint8_t kHasOperation = 1, kHasNote = 2, kHasError = 4, kIsLoss = 8;
constexpr int kSeverityShift = 4;

constexpr uint8_t kHasRequest = 1, kHasResponse = 2;

uint64_t zigzag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}
int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

}  // namespace

struct EventTape::Head {
  TapeReader::Kind kind;
  uint8_t rare;  // 0: it is not
  const EventPlace& place;
  const ThreadInfo* thread;
  const CastNumbers& cast;
  uint64_t order;
};

void EventTape::number(uint64_t value) {
  for (; value >= 128; value >>= 7) head_byte(static_cast<uint8_t>(value | 128));
  head_byte(static_cast<uint8_t>(value));
}

void EventTape::difference(int64_t value) {
  number(zigzag(value));
}

void EventTape::fixed(uint64_t value) {
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void EventTape::text(std::string_view text) {
  number(text.size());
  bytes_.append(text);
}

void EventTape::begin(const Head& head) {
  const EventPlace& place = head.place;
  bool same_trace = events_ != 0 && place.trace == trace_;
  bool same_thread =
      events_ != 0 && head.thread != nullptr && head.thread->number == thread_ && thread_ != 0;
  head_byte(static_cast<uint8_t>(static_cast<uint8_t>(head.kind) | (same_trace ? kSameTrace : 0) |
                                 (same_thread ? kSameThread : 0) |
                                 (head.thread != nullptr ? kHasThread : 0) |
                                 (head.rare != 0 ? kIsRare : 0)));
  if (head.rare != 0) head_byte(head.rare);
  number(head.order - order_);
  number(head.cast.process);
  number(uint32_t{head.cast.function + 1});
  if (!same_trace) {
    fixed(place.trace.hi);
    fixed(place.trace.lo);
  }
  if (head.thread != nullptr && !same_thread) {
    number(head.thread->number);
    number(static_cast<uint32_t>(head.thread->tid));
    text(head.thread->name);
    thread_ = head.thread->number;
  }
  difference(place.timestamp_ns - ns_);
  fixed(place.span_id);
  fixed(place.parent_span_id);
  order_ = head.order;
  trace_ = place.trace;
  ns_ = place.timestamp_ns;
  events_++;
}

void EventTape::attributes(Attributes attributes) {
  number(attributes.size());
  for (const Attribute& attribute : attributes) {
    text(attribute.name);
    head_byte(static_cast<uint8_t>(attribute.value.index()));
    std::visit(
        [this](const auto& value) {
          using Value = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Value, std::string_view>) {
            text(value);
          } else if constexpr (std::is_same_v<Value, std::chrono::microseconds>) {
            fixed(static_cast<uint64_t>(value.count()));
          } else {
            fixed(static_cast<uint64_t>(value));
          }
        },
        attribute.value);
  }
}

void EventTape::headers(const NameValues* headers) {
  number(headers != nullptr ? headers->size() + 1 : 0);
  if (headers == nullptr) return;
  for (const auto& [name, value] : *headers) {
    text(name);
    text(value);
  }
}

// Its names live as long as the program: their places are kept.
void EventTape::operation(const Operation& operation) {
  bytes_.append(reinterpret_cast<const char*>(&operation.names), sizeof operation.names);
  text(operation.name);
  text(operation.message);
  attributes(operation.attributes);
  const HttpRequestInfo* request = operation.request;
  const HttpResponseInfo* response = operation.response;
  head_byte(static_cast<uint8_t>((request != nullptr ? kHasRequest : 0) |
                                 (response != nullptr ? kHasResponse : 0)));
  if (request != nullptr) {
    for (std::string_view each : {request->method, request->url, request->user_agent}) text(each);
    headers(request->headers);
    number(request->body_bytes);
  }
  if (response != nullptr) {
    difference(response->status);
    text(response->content_type);
    headers(response->headers);
    number(response->body_bytes);
  }
}

void EventTape::error(const ErrorInfo& error) {
  for (std::string_view each : {error.type, error.message, error.stack}) text(each);
}

void EventTape::add(const SpanStart& event, const CastNumbers& cast, uint64_t order) {
  uint8_t rare = event.operation != nullptr ? kHasOperation : 0;
  begin({TapeReader::Kind::kStart, rare, event.place, event.thread, cast, order});
  if (event.operation != nullptr) operation(*event.operation);
}

void EventTape::add(const SpanEnd& event, const CastNumbers& cast, uint64_t order) {
  auto rare = static_cast<uint8_t>((event.operation != nullptr ? kHasOperation : 0) |
                                   (event.note != nullptr ? kHasNote : 0) |
                                   (event.error != nullptr ? kHasError : 0) |
                                   static_cast<int>(event.severity) << kSeverityShift);
  begin({TapeReader::Kind::kEnd, rare, event.place, event.thread, cast, order});
  number(static_cast<uint64_t>(event.duration_ns));
  difference(event.place.timestamp_ns - event.start_ns - event.duration_ns);
  if (event.operation != nullptr) operation(*event.operation);
  if (event.note != nullptr) {
    const ExitNote& note = *event.note;
    text(note.exit_kind);
    head_byte(note.upper_bound ? 1 : 0);
    difference(note.waited_ns);
    difference(note.preempted_ns);
    number(note.lost_calls);
    difference(note.not_running_ns);
    difference(note.http_wait_ns);
  }
  if (event.error != nullptr) error(*event.error);
}

void EventTape::add(const PointEvent& event, const CastNumbers& cast, uint64_t order) {
  auto rare = static_cast<uint8_t>((event.error != nullptr ? kHasError : 0) |
                                   (event.kind == PointKind::kLoss ? kIsLoss : 0));
  begin({TapeReader::Kind::kNote, rare, event.place, event.thread, cast, order});
  text(event.message);
  attributes(event.attributes);
  if (event.error != nullptr) error(*event.error);
}

uint64_t TapeReader::number() {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    uint64_t part = byte();
    value |= (part & 127) << shift;
    if (part < 128) return value;
  }
}

int64_t TapeReader::difference() {
  return unzigzag(number());
}

uint64_t TapeReader::fixed() {
  uint64_t value;
  std::memcpy(&value, bytes_.data() + at_, sizeof value);
  at_ += sizeof value;
  return value;
}

std::string_view TapeReader::text() {
  size_t size = number();
  at_ += size;
  return bytes_.substr(at_ - size, size);
}

void TapeReader::attributes(std::vector<Attribute>* out) {
  out->clear();
  for (uint64_t left = number(); left > 0; left--) {
    std::string_view name = text();
    // As AttributeValue has them.
    enum { kText, kSigned, kUnsigned, kBool, kMicroseconds };
    uint8_t type = byte();
    if (type == kText) {
      out->push_back({name, text()});
      continue;
    }
    uint64_t value = fixed();
    if (type == kSigned) out->push_back({name, static_cast<int64_t>(value)});
    if (type == kUnsigned) out->push_back({name, value});
    if (type == kBool) out->push_back({name, value != 0});
    if (type == kMicroseconds) {
      out->push_back({name, std::chrono::microseconds(static_cast<int64_t>(value))});
    }
  }
}

void TapeReader::headers(NameValues* out) {
  out->clear();
  for (uint64_t left = number(); left > 1; left--) {
    std::string_view name = text();
    out->emplace_back(name, text());
  }
}

void TapeReader::operation() {
  std::memcpy(static_cast<void*>(&operation_.names), bytes_.data() + at_, sizeof operation_.names);
  at_ += sizeof operation_.names;
  operation_.name = text();
  operation_.message = text();
  attributes(&attributes_);
  operation_.attributes = attributes_;
  uint8_t has = byte();
  operation_.request = (has & kHasRequest) != 0 ? &request_ : nullptr;
  operation_.response = (has & kHasResponse) != 0 ? &response_ : nullptr;
  if (operation_.request != nullptr) {
    request_.method = text();
    request_.url = text();
    request_.user_agent = text();
    request_.headers = bytes_[at_] != 0 ? &request_headers_ : nullptr;
    headers(&request_headers_);
    request_.body_bytes = number();
  }
  if (operation_.response != nullptr) {
    response_.status = static_cast<int>(difference());
    response_.content_type = text();
    response_.headers = bytes_[at_] != 0 ? &response_headers_ : nullptr;
    headers(&response_headers_);
    response_.body_bytes = number();
  }
}

bool TapeReader::next() {
  if (at_ == bytes_.size()) return false;
  uint8_t head = byte();
  flags_ = (head & kIsRare) != 0 ? byte() : 0;
  kind_ = static_cast<Kind>(head & kKindBits);
  order_ += number();
  cast_.process = static_cast<uint32_t>(number());
  cast_.function = static_cast<uint32_t>(number()) - 1;
  if ((head & kSameTrace) == 0) {
    place_.trace.hi = fixed();
    place_.trace.lo = fixed();
  }
  has_thread_ = (head & kHasThread) != 0;
  if (has_thread_ && (head & kSameThread) == 0) {
    thread_.number = number();
    thread_.tid = static_cast<int>(number());
    thread_.name = text();
  }
  place_.timestamp_ns += difference();
  place_.span_id = fixed();
  place_.parent_span_id = fixed();
  severity_ = static_cast<Severity>(flags_ >> kSeverityShift);
  point_ = (flags_ & kIsLoss) != 0 ? PointKind::kLoss : PointKind::kException;
  if (kind_ == Kind::kEnd) {
    duration_ns_ = static_cast<int64_t>(number());
    start_ns_ = place_.timestamp_ns - duration_ns_ - difference();
  }
  if (kind_ == Kind::kNote) {
    message_ = text();
    attributes(&attributes_);
  }
  if ((flags_ & kHasOperation) != 0) operation();
  if ((flags_ & kHasNote) != 0) {
    exit_.exit_kind = text();
    exit_.upper_bound = byte() != 0;
    exit_.waited_ns = difference();
    exit_.preempted_ns = difference();
    exit_.lost_calls = number();
    exit_.not_running_ns = difference();
    exit_.http_wait_ns = difference();
  }
  if ((flags_ & kHasError) != 0) {
    error_.type = text();
    error_.message = text();
    error_.stack = text();
  }
  return true;
}

SpanStart TapeReader::start() {
  SpanStart event;
  event.place = place_;
  event.thread = &thread_;
  event.operation = (flags_ & kHasOperation) != 0 ? &operation_ : nullptr;
  return event;
}

SpanEnd TapeReader::end() {
  SpanEnd event;
  event.place = place_;
  event.thread = &thread_;
  event.operation = (flags_ & kHasOperation) != 0 ? &operation_ : nullptr;
  event.start_ns = start_ns_;
  event.duration_ns = duration_ns_;
  event.severity = severity_;
  event.note = (flags_ & kHasNote) != 0 ? &exit_ : nullptr;
  event.error = (flags_ & kHasError) != 0 ? &error_ : nullptr;
  return event;
}

PointEvent TapeReader::note() {
  PointEvent event;
  event.place = place_;
  event.kind = point_;
  event.thread = has_thread_ ? &thread_ : nullptr;
  event.message = message_;
  event.attributes = attributes_;
  event.error = (flags_ & kHasError) != 0 ? &error_ : nullptr;
  return event;
}

}  // namespace telinject::drain
