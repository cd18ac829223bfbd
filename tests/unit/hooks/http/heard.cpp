#include "unit/hooks/http/heard.h"

#include <algorithm>

#include "hooks/http/at_work.h"
#include "hooks/http/framing.h"
#include "hooks/http/pools.h"
#include "hooks/http/report.h"
#include "hooks/lane/state.h"

namespace telinject::program {

constinit Process g_process{};

namespace heard {

std::vector<std::string> g_lines;
std::vector<Told> g_messages;
bool g_keeps_messages = false;
std::string g_left_out;

namespace {

template <typename Head>
void tell(MessageType type, const Connection& connection, Head head, const Block& block) {
  if (!g_keeps_messages) return;
  head.connection = connection.id;
  Told told = {type, {reinterpret_cast<const char*>(&head), sizeof head}};
  told.bytes.append(reinterpret_cast<const char*>(block.data), block.size);
  g_messages.push_back(std::move(told));
}

uint16_t flags_of(Way way, const Block& block) {
  return static_cast<uint16_t>((block.truncated ? kHttpTruncated : 0) |
                               (way == Way::kReceived ? kHttpFromPeer : 0));
}

void tell_request(const Connection& connection, uint32_t exchange, uint16_t flags, Way way,
                  const Block& block) {
  HttpRequestMessage head = {};
  head.exchange = exchange;
  head.flags = flags | flags_of(way, block);
  head.context.sampled = 1;
  head.header_bytes = static_cast<uint16_t>(block.size);
  tell(MessageType::kHttpRequest, connection, head, block);
}

constexpr const char* kReasons[] = {"complete", "closed",   "reset", "failed",
                                    "unparsed", "upgraded", "reused"};

std::string arrow(Way way) {
  return way == Way::kSent ? "> " : "< ";
}

// Short blocks as they are, line ends as bars; of long ones the size and both ends.
std::string shown(const Block& block) {
  std::string bytes(reinterpret_cast<const char*>(block.data), block.size);
  std::string out;
  for (char c : bytes) {
    if (c == '\n')
      out += '|';
    else if (c != '\r')
      out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  if (out.size() > 200) {
    out =
        std::to_string(block.size) + ":" + out.substr(0, 20) + "..." + out.substr(out.size() - 20);
  }
  return out + (block.truncated ? " truncated" : "");
}

void add(std::string line) {
  g_lines.push_back(std::move(line));
}

}  // namespace

std::string text() {
  std::string all;
  for (const std::string& line : g_lines) all += line + "\n";
  return all;
}

Wire::Wire(HttpRole role) : connection_(new_connection()) {
  connection_->role.store(role);
  connection_->id = 1;
}

Wire::~Wire() {
  release_memory(*connection_);
  free_connection(connection_);
}

Wire& Wire::pass(Way way, std::string_view bytes) {
  // A copy of its own, so that a sanitizer sees who reads beyond it.
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  frame_bytes(*connection_, way, copy.data(), copy.size(), now_++);
  return *this;
}

Wire& Wire::unseen(Way way, uint64_t bytes) {
  frame_unseen(*connection_, way, bytes, now_++);
  return *this;
}

Wire& Wire::ended(Way way) {
  frame_end_of_stream(*connection_, way, now_++);
  return *this;
}

Wire& Wire::closed(HttpEndReason reason, int error) {
  frame_closed(*connection_, reason, error, now_++);
  return *this;
}

std::string cut(const std::vector<Passing>& conversation, size_t first, size_t piece,
                HttpRole role) {
  g_lines.clear();
  Wire wire(role);
  for (const Passing& part : conversation) {
    std::string_view rest = part.bytes;
    size_t size = std::min(first, rest.size());
    if (size == 0) size = std::min(piece, rest.size());
    while (!rest.empty()) {
      wire.pass(part.way, rest.substr(0, size));
      rest.remove_prefix(size);
      size = std::min(piece, rest.size());
    }
  }
  wire.closed();
  return text();
}

}  // namespace heard

using heard::add;
using heard::arrow;
using heard::flags_of;
using heard::shown;
using heard::tell;
using heard::tell_request;

bool takes_unrecorded(const Block& block, HttpContext* chosen, Lane**) {
  chosen->trace.valid = 1;
  std::string_view bytes(reinterpret_cast<const char*>(block.data), block.size);
  return !heard::g_left_out.empty() && bytes.find(heard::g_left_out) != bytes.npos;
}

bool report_request(Connection& connection, Exchange& exchange, Way way, const Block& block,
                    const Moment&, const HttpContext* chosen) {
  HttpContext context;
  Lane* lane;
  if (chosen == nullptr && takes_unrecorded(block, &context, &lane)) return false;
  add(arrow(way) + "request " + std::to_string(exchange.number.load()) + " " + shown(block));
  tell_request(connection, exchange.number.load(), 0, way, block);
  return true;
}

void report_request_trailers(Connection& connection, uint32_t exchange, Way way, const Block& block,
                             uint64_t) {
  add(arrow(way) + "request trailers " + std::to_string(exchange) + " " + shown(block));
  tell_request(connection, exchange, kHttpTrailers, way, block);
}

void report_response(Connection& connection, uint32_t exchange, Way way, uint16_t flags,
                     const Block& block, uint64_t) {
  add(arrow(way) + "response " + ((flags & kHttpInterim) != 0 ? "interim " : "") +
      ((flags & kHttpTrailers) != 0 ? "trailers " : "") + std::to_string(exchange) + " " +
      shown(block));
  HttpResponseMessage head = {};
  head.exchange = exchange;
  head.flags = flags | flags_of(way, block);
  head.header_bytes = static_cast<uint16_t>(block.size);
  tell(MessageType::kHttpResponse, connection, head, block);
}

void report_headers(Connection& connection, Way way, uint32_t stream, uint32_t promised,
                    uint16_t flags, bool opens, const Block& block, uint64_t) {
  std::string line = arrow(way) + "headers " + std::to_string(stream);
  if (promised != 0) line += " promises " + std::to_string(promised);
  if (opens) line += " opens";
  if ((flags & kHttpEndOfStream) != 0) line += " ends";
  if ((flags & kHttpTrailers) != 0) line += " trailers";
  line += " #" + std::to_string(frame_of(connection, way).sequence);
  add(line + " " + shown(block));
  HttpHeadersMessage head = {};
  head.stream = stream;
  head.promised = promised;
  head.sequence = frame_of(connection, way).sequence;
  head.flags = flags;
  if (block.truncated) head.flags |= kHttpTruncated;
  head.context.sampled = 1;
  head.context.parent = HttpParent::kHeaders;
  head.block_bytes = static_cast<uint16_t>(block.size);
  tell(MessageType::kHttpHeaders, connection, head, block);
}

void report_end(Connection& connection, HttpEndMessage* end) {
  tell(MessageType::kHttpEnd, connection, *end, Block{nullptr, 0, false});
  std::string line = end->half != 0
                         ? arrow((end->flags & kHttpFromPeer) != 0 ? Way::kReceived : Way::kSent)
                         : "= ";
  line += std::string("end ") + heard::kReasons[static_cast<int>(end->reason)];
  if (end->exchange != 0) line += " " + std::to_string(end->exchange);
  if (end->stream != 0) line += " stream " + std::to_string(end->stream);
  line += " sent " + std::to_string(end->sent_bytes) + " received " +
          std::to_string(end->received_bytes);
  if (end->error != 0) line += " error " + std::to_string(end->error);
  add(line);
}

void report_given_up(const Connection& connection) {
  leave_out_of(connection);
}

void report_unread_exchange(const Connection&) {
  add("! an exchange that is not read");
}

// No TLS library is at work here.
bool tls_without_descriptor(const Connection&) {
  return false;
}

void exchange_over(Connection&, const Exchange&) {}
void unrecorded_over(Lane*) {}

void report_tls(Connection& connection, Way hello_way, const Block& hello, uint64_t end_ticks) {
  std::string line = arrow(hello_way) + "tls " + std::to_string(hello.size);
  if (end_ticks != 0) {
    line += " closed, sent " + std::to_string(connection.direction[1].bytes) + " received " +
            std::to_string(connection.direction[0].bytes);
  }
  add(line);
  TlsConnectionMessage head = {};
  head.end_ticks = end_ticks;
  head.context.sampled = 1;
  head.hello_bytes = static_cast<uint16_t>(hello.size);
  tell(MessageType::kTlsConnection, connection, head, hello);
}

}  // namespace telinject::program
