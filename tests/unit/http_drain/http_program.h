// HTTP messages as a program's side writes them, into lanes of a segment; and the events of it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "shim/channel/http_message.h"
#include "tests/unit/drain/program.h"

namespace telinject::test {
using namespace drain;

using nlohmann::json;

inline std::string hex16(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(value));
  return text;
}
inline std::string trace_text(TraceId id) {
  return hex16(id.hi) + hex16(id.lo);
}

// One direction of HTTP/2.
class Deflater {
 public:
  Deflater() { nghttp2_hd_deflate_new(&deflater_, 4096); }
  ~Deflater() { nghttp2_hd_deflate_del(deflater_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  std::string block(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::vector<nghttp2_nv> pairs;
    for (const auto& [name, value] : fields) {
      pairs.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                       reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                       value.size(), 0});
    }
    std::string out(nghttp2_hd_deflate_bound(deflater_, pairs.data(), pairs.size()), '\0');
    auto size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(out.data()), out.size(),
                                      pairs.data(), pairs.size());
    out.resize(static_cast<size_t>(size));
    return out;
  }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

struct HttpProgram : Program {
  std::vector<uint64_t> parents;  // that need not be in the output

  // Also when the segment is gone.
  const SegmentKey own_key = {segment.header()->key[0], segment.header()->key[1]};
  SegmentKey key() const { return own_key; }

  // Each returns its message's place.
  template <typename Head>
  uint64_t put(LaneWriter* lane, MessageType type, const Head& head, const std::string& tail = "") {
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes += tail;
    uint64_t place = lane->position();
    lane->message(++ticks, type, bytes.data(), bytes.size());
    return place;
  }
  void connect(LaneWriter* lane, uint64_t connection, HttpRole role, uint16_t tls = 0,
               const std::string& name = "", uint16_t peer_port = 8080) {
    HttpConnectionMessage head = {};
    head.connection = connection;
    head.role = role;
    head.layer = tls != 0 ? HttpLayer::kOpenssl : HttpLayer::kSocket;
    head.family = AF_INET;
    head.tls_version = tls;
    head.peer_port = peer_port;
    head.local_port = 40000;
    inet_pton(AF_INET, "10.0.0.7", head.peer_address);
    inet_pton(AF_INET, "10.0.0.1", head.local_address);
    head.server_name_bytes = static_cast<uint16_t>(name.size());
    put(lane, MessageType::kHttpConnection, head, name);
  }
  static HttpContext own_trace(uint64_t number) {
    HttpContext context = {};
    context.root_number = number;
    context.parent = HttpParent::kNone;
    context.sampled = 1;
    return context;
  }
  static HttpContext in_trace(HttpParent parent, TraceId trace, uint64_t span = 0) {
    HttpContext context = {};
    context.trace = {trace.hi, trace.lo, span, 1, 1};
    context.parent = parent;
    context.sampled = 1;
    return context;
  }
  uint64_t request(LaneWriter* lane, uint64_t connection, uint32_t exchange,
                   const std::string& block, const HttpContext& context, uint16_t flags = 0,
                   uint64_t transfer = 0, uint64_t earlier = 0) {
    HttpRequestMessage head = {};
    head.connection = connection;
    head.start_ticks = ticks + 1 - earlier;
    head.transfer = transfer;
    head.context = context;
    head.exchange = exchange;
    head.flags = flags;
    head.header_bytes = static_cast<uint16_t>(block.size());
    return put(lane, MessageType::kHttpRequest, head, block);
  }
  void response(LaneWriter* lane, uint64_t connection, uint32_t exchange, const std::string& block,
                uint16_t flags = kHttpFromPeer) {
    HttpResponseMessage head = {};
    head.connection = connection;
    head.start_ticks = ticks + 1;
    head.exchange = exchange;
    head.flags = flags;
    head.header_bytes = static_cast<uint16_t>(block.size());
    put(lane, MessageType::kHttpResponse, head, block);
  }
  void end(LaneWriter* lane, uint64_t connection, uint32_t exchange,
           HttpEndReason reason = HttpEndReason::kComplete, uint64_t sent = 0,
           uint64_t received = 0, int error = 0) {
    HttpEndMessage head = {};
    head.connection = connection;
    head.ticks = ticks + 1;
    head.sent_bytes = sent;
    head.received_bytes = received;
    head.exchange = exchange;
    head.error = error;
    head.reason = reason;
    put(lane, MessageType::kHttpEnd, head);
  }
  uint64_t headers(LaneWriter* lane, uint64_t connection, uint32_t stream, uint32_t sequence,
                   const std::string& block, uint16_t flags, const HttpContext& context = {}) {
    HttpHeadersMessage head = {};
    head.connection = connection;
    head.start_ticks = ticks + 1;
    head.context = context;
    head.stream = stream;
    head.sequence = sequence;
    head.flags = flags;
    head.block_bytes = static_cast<uint16_t>(block.size());
    uint64_t place = put(lane, MessageType::kHttpHeaders, head, block);
    if ((flags & kHttpEndOfStream) != 0) {
      half_end(lane, connection, stream, (flags & kHttpFromPeer) != 0, 0);
    }
    return place;
  }
  // The end of a connection that had so many blocks.
  void close(LaneWriter* lane, uint64_t connection, uint32_t sent_blocks,
             uint32_t received_blocks) {
    HttpEndMessage head = {};
    head.connection = connection;
    head.ticks = ticks + 1;
    head.reason = HttpEndReason::kClosed;
    head.sent_blocks = sent_blocks;
    head.received_blocks = received_blocks;
    put(lane, MessageType::kHttpEnd, head);
  }
  void half_end(LaneWriter* lane, uint64_t connection, uint32_t stream, bool from_peer,
                uint64_t bytes) {
    HttpEndMessage head = {};
    head.connection = connection;
    head.ticks = ticks + 1;
    (from_peer ? head.received_bytes : head.sent_bytes) = bytes;
    head.stream = stream;
    head.half = 1;
    head.flags = from_peer ? kHttpFromPeer : 0;
    put(lane, MessageType::kHttpEnd, head);
  }
  uint64_t transfer(LaneWriter* lane, uint64_t number, const std::string& url,
                    const HttpContext& context) {
    HttpTransferMessage head = {};
    head.transfer = number;
    head.context = context;
    head.ids = 32;
    head.url_bytes = static_cast<uint16_t>(url.size());
    std::string tail = url;
    tail.resize(32 * kMessageDataBytes);  // the records that its ids are the places of
    return put(lane, MessageType::kHttpTransfer, head, tail);
  }
  void transfer_end(LaneWriter* lane, uint64_t number, int result, int status,
                    const std::string& error = "", int redirects = 0, const std::string& url = "") {
    HttpTransferEndMessage head = {};
    head.transfer = number;
    head.result = result;
    head.response_code = status;
    head.redirects = redirects;
    head.http_version = 2;
    head.connect_us = 1234;
    head.total_us = 5678;
    std::string method = "PUT";
    head.url_bytes = static_cast<uint16_t>(url.size());
    head.error_bytes = static_cast<uint16_t>(error.size());
    head.method_bytes = static_cast<uint16_t>(method.size());
    put(lane, MessageType::kHttpTransferEnd, head, url + error + method);
  }

  std::vector<json> events(std::vector<std::pair<int, ProcessEnd>> ends = {{kTestOsPid, kExited}}) {
    DrainRun run = drain(&segment, std::move(ends));
    CHECK(run.problem == "");
    // For teltest.check, by hand.
    if (const char* path = std::getenv("HTTP_DRAIN_EVENTS")) {
      std::ofstream(path, std::ios::app) << run.lines;
    }
    std::vector<json> events;
    for (const std::string& line : lines_of(run.lines)) events.push_back(json::parse(line));
    return events;
  }
};

// "request" and "response", functions as "+a" and "-a", with what stands between.
inline std::string story(const std::vector<json>& events) {
  std::string text;
  for (const json& event : events) {
    std::string type = event["event_type"];
    if (!text.empty()) text += ' ';
    if (type == "function_entry" || type == "function_exit") {
      text += type == "function_entry" ? '+' : '-';
      text += static_cast<char>(std::stoul(event["function_name"].get<std::string>(), nullptr, 16));
    } else {
      text += type.starts_with("http_") ? type.substr(5) : type;
    }
  }
  return text;
}

inline const json& event_of(const std::vector<json>& events, const std::string& type,
                            size_t index = 0) {
  for (const json& event : events) {
    if (event["event_type"] == type && index-- == 0) return event;
  }
  static const json none;
  FAIL("no event " << type);
  return none;
}

inline std::string get(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: test/1\r\n" + more;
}
inline std::string ok(const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + more;
}

}  // namespace telinject::test
