// Events as bytes: how events are kept that may be written later.
//
// A call takes some 50 bytes, start and end together. A process or function is told by the number
// that the EventRelay gave it. A thread is told in the tape itself, whenever it differs from that
// of the event before. A TapeReader makes events of it again; their texts lie in the tape or the
// reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shim/events/event.h"

namespace telinject::drain {

// Numbers of the EventRelay's.
struct CastNumbers {
  static constexpr uint32_t kNone = 0xffffffff;
  uint32_t process = kNone;
  uint32_t function = kNone;
};

class EventTape {
 public:
  // `order`: of all events, which grows.
  void add(const SpanStart& event, const CastNumbers& cast, uint64_t order);
  void add(const SpanEnd& event, const CastNumbers& cast, uint64_t order);
  void add(const PointEvent& event, const CastNumbers& cast, uint64_t order);

  bool empty() const { return bytes_.empty(); }
  size_t memory() const { return bytes_.capacity() > kInline ? bytes_.capacity() : 0; }
  size_t size() const { return bytes_.size(); }
  uint64_t events() const { return events_; }
  void reserve(size_t bytes) { bytes_.reserve(bytes); }

 private:
  friend class TapeReader;
  static constexpr size_t kInline = 15;
  struct Head;

  void begin(const Head& head);
  void head_byte(uint8_t byte) { bytes_.push_back(static_cast<char>(byte)); }
  void number(uint64_t value);
  void difference(int64_t value);
  void fixed(uint64_t value);
  void text(std::string_view text);
  void attributes(Attributes attributes);
  void headers(const NameValues* headers);
  void operation(const Operation& operation);
  void error(const ErrorInfo& error);

  std::string bytes_;
  uint64_t events_ = 0;
  // Of the last event.
  TraceId trace_ = {};
  uint64_t thread_ = 0;
  int64_t ns_ = 0;
  uint64_t order_ = 0;
};

class TapeReader {
 public:
  enum class Kind : uint8_t { kStart, kEnd, kNote };

  // The tape must stay as it is.
  explicit TapeReader(const EventTape& tape) : bytes_(tape.bytes_) {}
  TapeReader(const TapeReader&) = delete;
  TapeReader& operator=(const TapeReader&) = delete;

  // What was read before is no longer valid. False at the end.
  bool next();
  Kind kind() const { return kind_; }
  uint64_t order() const { return order_; }
  const EventPlace& place() const { return place_; }
  const CastNumbers& cast() const { return cast_; }
  // That of the kind; process and function are for the caller to set.
  SpanStart start();
  SpanEnd end();
  PointEvent note();

 private:
  uint8_t byte() { return static_cast<uint8_t>(bytes_[at_++]); }
  uint64_t number();
  int64_t difference();
  uint64_t fixed();
  std::string_view text();
  void attributes(std::vector<Attribute>* out);
  void headers(NameValues* out);
  void operation();

  std::string_view bytes_;
  size_t at_ = 0;
  Kind kind_ = Kind::kStart;
  uint8_t flags_ = 0;
  bool has_thread_ = false;
  uint64_t order_ = 0;
  EventPlace place_;
  CastNumbers cast_;
  ThreadInfo thread_;
  int64_t start_ns_ = 0, duration_ns_ = 0;
  Severity severity_ = Severity::kInfo;
  PointKind point_ = PointKind::kLoss;
  std::string_view message_;
  Operation operation_;
  HttpRequestInfo request_ = {};
  HttpResponseInfo response_ = {};
  NameValues request_headers_, response_headers_;
  std::vector<Attribute> attributes_;
  ExitNote exit_;
  ErrorInfo error_ = {};
};

}  // namespace telinject::drain
