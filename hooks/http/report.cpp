#include "hooks/http/report.h"

#include <sys/socket.h>

#include "hooks/calls/attach.h"
#include "hooks/calls/context.h"
#include "hooks/calls/operations.h"
#include "hooks/calls/slow_path.h"
#include "hooks/calls/stacks.h"
#include "hooks/http/request_context.h"
#include "hooks/http/single_thread_atomics.h"
#include "hooks/http/tracestate.h"
#include "hooks/http/turns.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

__thread uint64_t t_transfer;

namespace {

uintptr_t here() {
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

bool write(MessageType type, const void* head, size_t head_bytes, const void* tail,
           size_t tail_bytes) {
  uint64_t position;
  return write_operation(type, head, head_bytes, tail, tail_bytes, &position);
}

// ---- the connection

struct Address {
  uint16_t family;
  uint8_t rest[126];
};

uint32_t ask_address(long call, int descriptor, Address* address) {
  uint32_t size = sizeof *address;
  *address = {};
  if (descriptor < 0 || g_process.restricted.load(std::memory_order_relaxed) != 0) return 0;
  if (sys::failed(sys::call(call, descriptor, sys::arg(address), sys::arg(&size)))) return 0;
  return size < sizeof *address ? size : sizeof *address;
}

void take_address(const Address& address, uint16_t* port, uint8_t out[16]) {
  if (address.family != AF_INET && address.family != AF_INET6) return;
  *port = static_cast<uint16_t>(address.rest[0] << 8 | address.rest[1]);
  bool old = address.family == AF_INET;
  __builtin_memcpy(out, address.rest + (old ? 2 : 6), old ? 4 : 16);
}

void announce(Connection& connection) {
  if (connection.announced) return;
  connection.announced = connection.ever_announced = true;
  constexpr size_t kMaxPath = 108;
  const Preamble& preamble = connection.rest->preamble;
  char tail[kMaxPath + kMaxServerName + kMaxProtocol + sizeof preamble.client +
            sizeof preamble.target];
  size_t tail_bytes = 0;
  auto add = [&](const void* bytes, size_t size) {
    __builtin_memcpy(tail + tail_bytes, bytes, size);
    tail_bytes += size;
  };
  HttpConnectionMessage message = {};
  Address peer, local;
  uint32_t peer_bytes = ask_address(SYS_getpeername, connection.descriptor, &peer);
  ask_address(SYS_getsockname, connection.descriptor, &local);
  message.connection = connection.id;
  message.role = connection.role.load();
  message.layer = connection.layer;
  message.family = static_cast<uint8_t>(peer.family);
  message.proxied = connection.proxied ? 1 : 0;
  message.tls_version = connection.tls_version;
  take_address(peer, &message.peer_port, message.peer_address);
  take_address(local, &message.local_port, message.local_address);
  if (peer.family == AF_UNIX) {
    // The server's name is the socket's; the client's usually has none.
    const Address* named = &peer;
    uint32_t bytes = peer_bytes;
    if (bytes <= sizeof peer.family) {
      named = &local;
      bytes = ask_address(SYS_getsockname, connection.descriptor, &local);
    }
    size_t path = bytes > sizeof peer.family ? bytes - sizeof peer.family : 0;
    if (path > kMaxPath) path = kMaxPath;
    while (path > 0 && named->rest[path - 1] == 0) path--;
    message.peer_path_bytes = static_cast<uint16_t>(path);
    add(named->rest, path);
  }
  message.server_name_bytes = connection.server_name_bytes;
  message.protocol_bytes = connection.protocol_bytes;
  add(connection.rest->server_name, connection.server_name_bytes);
  add(connection.rest->alpn, connection.protocol_bytes);
  message.client_form = preamble.client_form;
  message.client_port = preamble.client_port;
  message.client_bytes = preamble.client_bytes;
  add(preamble.client, preamble.client_bytes);
  message.target_form = preamble.target_form;
  message.target_port = preamble.target_port;
  message.target_bytes = preamble.target_bytes;
  add(preamble.target, preamble.target_bytes);
  write(MessageType::kHttpConnection, &message, sizeof message, tail, tail_bytes);
}

uint16_t flags_of(Way way, const Block& block) {
  return static_cast<uint16_t>((block.truncated ? kHttpTruncated : 0) |
                               (way == Way::kReceived ? kHttpFromPeer : 0));
}

// ---- served requests

// True if the thread now serves this request and nothing else.
bool take_request(Connection& connection, Exchange& exchange, Lane* lane) {
  exchange.lane = lane;
  lane->served.ever = true;
  stop_serving(lane);
  single_thread_atomics::fetch_add(&g_process.served, 1);
  return single_thread_atomics::fetch_add(&lane->served.open, 1) == 0 && connection.id != 0;
}

// The process that has received requests; 0: none has. A forked child may go on with those of its
// parent, and the drain was told of them as the parent's.
std::atomic<uint64_t> g_receiver;

void note_received() {
  uint64_t receiver = g_receiver.load(std::memory_order_relaxed);
  if (receiver == g_process.id) return;
  if (receiver != 0) leave_out();
  g_receiver.store(g_process.id, std::memory_order_relaxed);
}

uint16_t all_told() {
  uint64_t receiver = g_receiver.load(std::memory_order_relaxed);
  bool is_parents = receiver != 0 && receiver != g_process.id;
  return is_parents || g_process.left_out.load(std::memory_order_relaxed) ? 0 : kHttpAllTold;
}

// ---- requests that are sent

// A client's request was sent. Unless its cause is known, connections that wait for their first
// request may not carry what they were made for.
void note_sent(const Connection& connection, uint32_t number, Lane* lane, uintptr_t sp,
               bool cause_known) {
  if (!turns_matter() || cause_known) return;
  // The thread serves one request, and works for nothing else.
  if (lane->served.adopted && !stack_at(lane, sp).root.open && !works_for_others()) return;
  turn_asks(connection, number);
}

// Then the drain is told of a request that is not sampled, too: what the thread calls for it is not
// to be written, though the call that waited for it is.
bool is_within_recorded_call(Lane* lane, uintptr_t sp) {
  const Root& root = stack_at(lane, sp).root;
  return root.open && root.recorded;
}

}  // namespace

bool takes_unrecorded(const Block&, HttpContext* chosen, Lane** taken_by) {
  uintptr_t sp = here();
  if (!server_context(sp, {}, chosen) || chosen->sampled != 0) return false;
  Lane* lane = t_hook.lane;
  if (is_within_recorded_call(lane, sp)) return false;
  lane->served.ever = true;
  stop_serving(lane);
  single_thread_atomics::fetch_add(&lane->served.open, 1);
  single_thread_atomics::fetch_add(&g_process.served, 1);
  note_received();
  turn_serves_unknown();
  leave_out();
  *taken_by = lane;
  return true;
}

bool report_request(Connection& connection, Exchange& exchange, Way way, const Block& block,
                    const Moment& start, const HttpContext* chosen) {
  uintptr_t sp = here();
  TraceContext carried = {};
  if (!block.no_traceparent) find_traceparent(block, &carried);
  HttpRequestMessage message = {};
  bool serves = way == Way::kReceived;
  uint32_t number = exchange.number.load(std::memory_order_relaxed);
  // A request that carries a trace of its own goes on with it, ours or the application's.
  bool asks_cause = !serves && carried.valid == 0;
  if (serves) note_received();
  if (chosen != nullptr) {
    message.context = *chosen;
  } else if (!(asks_cause ? client_context(sp, &message.context, &connection, number)
                          : server_context(sp, carried, &message.context))) {
    if (serves) leave_out();
    return false;
  }
  if (serves && carried.valid != 0) keep_tracestate(block, carried);
  if (!serves && carried.valid != 0) issued_id_sent(carried.span_id);
  Lane* lane = t_hook.lane;
  if (!serves) {
    note_sent(connection, number, lane, sp,
              asks_cause && message.context.parent == HttpParent::kIncoming);
  }
  bool alone = serves && take_request(connection, exchange, lane);
  uint64_t position = 0;
  bool sampled = message.context.sampled != 0;
  bool recorded = sampled || (alone && is_within_recorded_call(lane, sp));
  if (recorded) {
    announce(connection);
    message.connection = connection.id;
    message.start_ticks = start;
    message.transfer = t_transfer;
    message.exchange = number;
    message.flags = flags_of(way, block);
    if (alone) message.flags |= kHttpServed;
    if (!serves) message.flags |= all_told();
    message.header_bytes = static_cast<uint16_t>(block.size);
    recorded = write_operation(MessageType::kHttpRequest, &message, sizeof message, block.data,
                               block.size, &position);
  }
  if (!serves) return recorded;
  if (!recorded) position = position_of(lane, t_hook.cursor);
  if (!recorded || !sampled || block.truncated) leave_out();
  TraceContext span = message.context.trace;
  span.valid = 1;
  span.sampled = recorded && sampled ? 1 : 0;
  span.span_id = span_id(g_process.key, lane->index, position);
  turn_serves(connection, number, span);
  if (alone) serve(lane, span, position, connection.id, number);
  return recorded;
}

void report_request_trailers(Connection& connection, uint32_t exchange, Way way, const Block& block,
                             uint64_t start_ticks) {
  HttpRequestMessage message = {};
  message.connection = connection.id;
  message.start_ticks = start_ticks;
  message.exchange = exchange;
  message.flags = kHttpTrailers | flags_of(way, block);
  message.header_bytes = static_cast<uint16_t>(block.size);
  write(MessageType::kHttpRequest, &message, sizeof message, block.data, block.size);
}

void report_response(Connection& connection, uint32_t exchange, Way way, uint16_t flags,
                     const Block& block, uint64_t start_ticks) {
  announce(connection);
  HttpResponseMessage message = {};
  message.connection = connection.id;
  message.start_ticks = start_ticks;
  message.exchange = exchange;
  message.flags = flags | flags_of(way, block);
  message.header_bytes = static_cast<uint16_t>(block.size);
  write(MessageType::kHttpResponse, &message, sizeof message, block.data, block.size);
}

namespace {

// A header block opens a stream: sets its context. False: nothing is to be recorded.
bool open_stream(const Connection& connection, Way way, uintptr_t sp, HttpHeadersMessage* message) {
  bool push = (message->flags & kHttpPush) != 0;
  if (way == Way::kReceived && !push) {
    note_received();
    if (!server_context(sp, {}, &message->context)) {
      leave_out();
      return false;
    }
    message->context.parent = HttpParent::kHeaders;
    turn_serves_unknown();
    return true;
  }
  if (!client_context(sp, &message->context)) return false;
  message->flags |= all_told();
  constexpr uint32_t kFirstStream = 1;
  if (!push) {
    note_sent(connection, message->stream == kFirstStream ? 1 : 2, t_hook.lane, sp,
              message->context.parent == HttpParent::kIncoming);
  }
  return true;
}

}  // namespace

void report_headers(Connection& connection, Way way, uint32_t stream, uint32_t promised,
                    uint16_t flags, bool opens, const Block& block, uint64_t start_ticks) {
  uintptr_t sp = here();
  announce(connection);
  HttpHeadersMessage message = {};
  message.connection = connection.id;
  message.start_ticks = start_ticks;
  message.transfer = t_transfer;
  message.stream = stream;
  message.promised = promised;
  message.sequence = frame_of(connection, way).sequence;
  message.flags = flags;
  if (block.truncated) message.flags |= kHttpTruncated;
  message.block_bytes = static_cast<uint16_t>(block.size);
  // The header fields may bring a trace, which only the drain will see.
  if (opens && !open_stream(connection, way, sp, &message)) return;
  bool written = write(MessageType::kHttpHeaders, &message, sizeof message, block.data, block.size);
  // Without a block the drain cannot read those that come after it.
  if (!written || block.truncated) leave_out_of(connection);
}

void report_end(Connection& connection, HttpEndMessage* end) {
  end->connection = connection.id;
  write(MessageType::kHttpEnd, end, sizeof *end, nullptr, 0);
}

void report_given_up(const Connection& connection) {
  leave_out_of(connection);
  if (connection.role.load(std::memory_order_relaxed) != HttpRole::kServer) {
    constexpr uint32_t kLater = 2;
    turn_asks(connection, kLater);
  }
}

void report_unread_exchange(const Connection& connection) {
  count_loss(LossReason::kHttpUnparsed);
  report_given_up(connection);
}

namespace {

void count_down(uint32_t* count) {
  uint32_t value = __atomic_load_n(count, __ATOMIC_RELAXED);
  while (value > 0 && !single_thread_atomics::compare_exchange(count, &value, value - 1)) {
  }
}

}  // namespace

void unrecorded_over(Lane* lane) {
  count_down(&lane->served.open);
  count_down(single_thread_atomics::word(&g_process.served));
}

void exchange_over(Connection& connection, const Exchange& exchange) {
  Lane* lane = exchange.lane;
  if (lane == nullptr) return;
  unrecorded_over(lane);
  const ServedRequest& served = lane->served;
  if (!served.adopted || served.connection != connection.id ||
      served.exchange != exchange.number.load()) {
    return;
  }
  if (lane == t_hook.lane) {
    stop_serving(lane);
  } else {
    __atomic_store_n(&lane->served.over, 1, __ATOMIC_RELEASE);
  }
}

void report_tls(Connection& connection, Way hello_way, const Block& hello, uint64_t end_ticks) {
  bool first = end_ticks == 0;
  if (first) {
    uintptr_t sp = here();
    bool traced = hello_way == Way::kReceived ? server_context(sp, {}, &connection.rest->context)
                                              : client_context(sp, &connection.rest->context);
    if (!traced) connection.rest->context.sampled = 0;
  }
  if (connection.rest->context.sampled == 0) return;
  announce(connection);
  TlsConnectionMessage message = {};
  message.connection = connection.id;
  message.start_ticks = connection.start_ticks;
  message.end_ticks = end_ticks;
  message.sent_bytes = direction_of(connection, Way::kSent).bytes;
  message.received_bytes = direction_of(connection, Way::kReceived).bytes;
  message.context = connection.rest->context;
  message.hello_bytes = static_cast<uint16_t>(hello.size);
  write(MessageType::kTlsConnection, &message, sizeof message, hello.data, hello.size);
}

}  // namespace telinject::program
