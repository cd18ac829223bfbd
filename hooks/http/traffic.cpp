#include "hooks/http/traffic.h"

#include "hooks/calls/operations.h"
#include "hooks/http/at_work.h"
#include "hooks/http/connection.h"
#include "hooks/http/descriptors.h"
#include "hooks/http/framing.h"
#include "hooks/http/http1_messages.h"
#include "hooks/http/pools.h"
#include "hooks/http/report.h"
#include "hooks/http/single_thread_atomics.h"
#include "hooks/http/tls_objects.h"
#include "hooks/http/turns.h"
#include "hooks/lane/state.h"

namespace telinject::program {

__thread bool t_descriptor_wanted __attribute__((tls_model("initial-exec")));
__thread Connection* t_tls_scope __attribute__((tls_model("initial-exec")));

namespace {

// The last TLS connection of this thread that had no descriptor when it was at work.
__thread Connection* t_tls_in_memory __attribute__((tls_model("initial-exec")));
__thread uint64_t t_call_ticks __attribute__((tls_model("initial-exec")));

std::atomic<uint64_t> g_connections_made;

uintptr_t here() {
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

uint32_t busy_bit(Way way) {
  return way == Way::kSent ? kSendBusy : kReceiveBusy;
}

void finish(Connection* connection, HttpEndReason reason) {
  uint64_t now = read_ticks();
  int error = connection->send_error;
  if (reason == HttpEndReason::kClosed && error != 0) reason = HttpEndReason::kFailed;
  if (reason != HttpEndReason::kFailed) error = 0;
  frame_closed(*connection, reason, error, now);
  // What the drain knows of the connection is of no more use. (Of HTTP/2 the line before has told
  // it.)
  if (connection->ever_announced && connection->protocol.load() != Protocol::kHttp2) {
    HttpEndMessage end = {};
    end.ticks = now;
    end.error = error;
    end.reason = reason;
    end.half = 1;
    report_end(*connection, &end);
  }
  release_memory(*connection);
  free_connection(connection);
}

// A forked child has a copy of its parent's connections, which it may go on with. Where its parent
// was at work in another thread, it cannot.
void take_over(Connection& connection) {
  connection.process = g_process.id;
  connection.rest->cause = {};
  uint32_t state = connection.state.exchange(0);
  if ((state & (kReceiveBusy | kSendBusy)) == 0) return;
  connection.protocol.store(Protocol::kOther);
  leave_out_of(connection);
}

bool is_anothers(const Connection& connection) {
  return g_alive.mask == 0 || connection.process != g_process.id;
}

// At work in one direction, as long as it lives. `entered()` is false if the connection is not to
// be looked at: another thread is at work there.
class AtWork {
 public:
  AtWork(Connection& connection, Way way) : connection_(connection), bit_(busy_bit(way)) {
    if (is_anothers(connection)) {
      if (lane_of_thread(here()) == nullptr) return;
      take_over(connection);
    }
    uint32_t state = single_thread_atomics::fetch_or(&connection.state, bit_);
    if ((state & bit_) == 0) {
      entered_ = (state & (kClosing | kGiveUp)) == 0;
      if (!entered_) leave();
      return;
    }
    bool first = (single_thread_atomics::fetch_or(&connection.state, kGiveUp) & kGiveUp) == 0;
    if (first && connection.protocol.load() != Protocol::kGivenUp) {
      count_loss(LossReason::kQueueFull);
      leave_out_of(connection);
    }
  }
  ~AtWork() {
    if (entered_) leave();
  }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;
  bool entered() const { return entered_; }

 private:
  void leave() {
    uint32_t state = connection_.state.load(std::memory_order_relaxed);
    if ((state & kGiveUp) != 0 && connection_.protocol.load() != Protocol::kOther &&
        (state & (kReceiveBusy | kSendBusy)) == bit_) {
      give_up(connection_, read_ticks());
      single_thread_atomics::fetch_and(&connection_.state, ~uint32_t{kGiveUp});
    }
    state = single_thread_atomics::fetch_and(&connection_.state, ~bit_) & ~bit_;
    if ((state & kClosing) != 0 && (state & (kReceiveBusy | kSendBusy)) == 0) {
      finish(&connection_, HttpEndReason::kClosed);
    }
  }

  Connection& connection_;
  uint32_t bit_;
  bool entered_ = false;
};

void end_connection(Connection* connection, HttpEndReason reason) {
  pending_over(*connection);
  // There is nothing to tell here of a forked parent's connection.
  if (is_anothers(*connection)) {
    release_memory(*connection);
    free_connection(connection);
    return;
  }
  uint32_t state = single_thread_atomics::fetch_or(&connection->state, kClosing);
  if ((state & (kClosing | kReceiveBusy | kSendBusy)) == 0) finish(connection, reason);
}

void frame(Connection& connection, Way way, const void* data, uint64_t size, const Moment& now) {
  if (data == nullptr) return frame_unseen(connection, way, size, now);
  frame_bytes(connection, way, static_cast<const uint8_t*>(data), size, now);
}

}  // namespace

Connection* open_connection(HttpLayer layer) {
  if (lane_of_thread(here()) == nullptr) return nullptr;
  Connection* connection = new_connection();
  if (connection == nullptr) {
    count_loss(LossReason::kQueueFull);
    return nullptr;
  }
  connection->layer = layer;
  connection->process = g_process.id;
  connection->id = keyed_mix(g_connections_made.fetch_add(1) ^ g_process.id, g_process.key.k1,
                             g_process.key.k0) |
                   1;
  return connection;
}

void release_connection(Connection* connection, HttpEndReason reason) {
  if (connection->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    end_connection(connection, reason);
  }
}

void traffic_at(Connection* connection, Way way, const void* data, uint64_t size,
                uint64_t call_ticks) {
  if (connection->protocol.load(std::memory_order_relaxed) == Protocol::kOther || size == 0) return;
  AtWork at_work(*connection, way);
  if (!at_work.entered()) return;
  direction_of(*connection, way).call_ticks = call_ticks;
  frame(*connection, way, data, size, Moment());
}

void traffic_vector_at(Connection* connection, Way way, const void* iovecs, size_t count,
                       uint64_t size, uint64_t call_ticks) {
  struct Part {
    const void* data;
    size_t size;
  };
  if (connection->protocol.load(std::memory_order_relaxed) == Protocol::kOther) return;
  AtWork at_work(*connection, way);
  if (!at_work.entered()) return;
  direction_of(*connection, way).call_ticks = call_ticks;
  Moment now;
  const auto* part = static_cast<const Part*>(iovecs);
  for (size_t i = 0; i < count && size > 0; i++, part++) {
    uint64_t bytes = part->size < size ? part->size : size;
    if (bytes > 0) frame(*connection, way, part->data, bytes, now);
    size -= bytes;
  }
}

void traffic(Connection* connection, Way way, const void* data, size_t size) {
  if (connection == nullptr) return;
  uint64_t call_ticks = way == Way::kSent ? t_call_ticks : 0;
  t_call_ticks = 0;
  traffic_at(connection, way, data, size, call_ticks);
}

void traffic_failed(Connection* connection, Way way, int error) {
  if (connection == nullptr || is_anothers(*connection)) return;
  AtWork at_work(*connection, way);
  if (!at_work.entered()) return;
  uint64_t now = read_ticks();
  bool client = connection->role.load() == HttpRole::kClient;
  if (way == Way::kReceived && error == 0) {
    frame_end_of_stream(*connection, way, now);
  } else if (way == Way::kSent && client) {
    // The answer may be there all the same: a server that refuses an upload closes at once.
    connection->send_error = error;
  } else {
    frame_closed(*connection, HttpEndReason::kFailed, error, now);
  }
}

void connection_finished(Connection* connection) {
  if (is_anothers(*connection)) return;
  AtWork at_work(*connection, Way::kSent);
  if (at_work.entered()) frame_end_of_stream(*connection, Way::kSent, read_ticks());
}

void connection_closed(Connection* connection) {
  if (connection == nullptr) return;
  if (t_tls_in_memory == connection) t_tls_in_memory = nullptr;
  if (connection->tls != nullptr) forget_tls_object(connection->tls);
  end_connection(connection, HttpEndReason::kClosed);
}

// ---- layers

TlsScope::TlsScope(Connection* connection, Way way)
    : outer_(t_tls_scope), outer_wanted_(t_descriptor_wanted) {
  if (connection == nullptr) return;
  t_tls_scope = connection;
  expect_traffic(*connection, way);
  t_call_ticks = way == Way::kSent && !sends_unrecorded(*connection) ? read_ticks() : 0;
  t_descriptor_wanted = connection->descriptor < 0;
  if (t_descriptor_wanted) t_tls_in_memory = connection;
}

TlsScope::~TlsScope() {
  t_tls_scope = outer_;
  t_descriptor_wanted = outer_wanted_;
}

namespace {

// What passed on its descriptor before.
void know_before(Connection* connection, const Connection& before) {
  if (before.proxied) connection->proxied = true;
  if (before.rest->preamble.kind == PreambleKind::kNone) return;
  connection->rest->preamble = before.rest->preamble;
  connection->announced = false;
}

}  // namespace

void adopt_descriptor(int fd, const Connection* before) {
  Connection* connection = t_tls_scope;
  if (connection->descriptor < 0) {
    connection->descriptor = fd;
    connection->announced = false;
    t_descriptor_wanted = false;
  }
  if (before != nullptr) know_before(connection, *before);
}

bool tls_without_descriptor(int fd) {
  Connection* connection = t_tls_in_memory;
  if (connection == nullptr || connection->tls == nullptr || connection->descriptor >= 0) {
    return false;
  }
  connection->descriptor = fd;
  t_tls_in_memory = nullptr;
  return true;
}

bool tls_without_descriptor(const Connection& before) {
  Connection* connection = t_tls_in_memory;
  if (before.descriptor < 0 || !tls_without_descriptor(before.descriptor)) return false;
  know_before(connection, before);
  return true;
}

// ---- facts

Connection* connection_of(const void* tls, HttpLayer layer, bool make) {
  if (tls == nullptr || g_descriptor_limit == 0) return nullptr;
  Connection* connection = find_tls_object(tls);
  if (connection != nullptr || !make) return connection;
  connection = open_connection(layer);
  if (connection == nullptr) {
    leave_out();
    return nullptr;
  }
  connection->tls = tls;
  if (!add_tls_object(tls, connection)) {
    free_connection(connection);
    count_loss(LossReason::kQueueFull);
    leave_out();
    return nullptr;
  }
  return connection;
}

bool connection_wants_tls_facts(const Connection* connection) {
  return connection != nullptr && connection->tls_version == 0;
}

void connection_tls_facts(Connection* connection, uint16_t tls_version, const char* server_name,
                          size_t server_name_bytes, const char* protocol, size_t protocol_bytes) {
  if (connection == nullptr) return;
  if (server_name == nullptr) server_name_bytes = 0;
  if (protocol == nullptr) protocol_bytes = 0;
  if (server_name_bytes > kMaxServerName) server_name_bytes = kMaxServerName;
  if (protocol_bytes > kMaxProtocol) protocol_bytes = kMaxProtocol;
  if (tls_version != 0) connection->tls_version = tls_version;
  if (server_name_bytes != 0) {
    connection->server_name_bytes = static_cast<uint8_t>(server_name_bytes);
    __builtin_memcpy(connection->rest->server_name, server_name, server_name_bytes);
  }
  if (protocol_bytes != 0) {
    connection->protocol_bytes = static_cast<uint8_t>(protocol_bytes);
    __builtin_memcpy(connection->rest->alpn, protocol, protocol_bytes);
  }
  connection->announced = false;
}

void connection_role(Connection* connection, HttpRole role) {
  if (connection == nullptr || role == HttpRole::kUnknown) return;
  if (connection->asked == 0 && connection->answered == 0) connection->role.store(role);
}

}  // namespace telinject::program
