#include "hooks/http/turns.h"

#include <sys/mman.h>

#include "hooks/http/descriptors.h"
#include "hooks/http/http1_messages.h"
#include "hooks/http/single_thread_atomics.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

std::atomic<uint32_t> g_roles;

namespace {

constexpr int64_t kNever = INT64_MAX;
// Loops count in milliseconds, and round: a timer may be due that much before the wait's limit.
constexpr int64_t kRounding = 2'000'000;

struct Turn {
  bool alone;          // it is for one descriptor, and nothing else
  bool is_descriptor;  // `of` is that; else its event's data
  bool accepted;       // `of` was accepted in this turn
  bool loops;          // the thread has waited by epoll
  uint32_t requests;   // that were received in it
  uint64_t of;
  int64_t began_ns;  // when the wait returned; 0: no wait has
  int64_t due_ns;    // a timer may be due from here on
  Cause cause;       // of what is done now, if one request was received
};
__thread Turn t_turn __attribute__((tls_model("initial-exec")));

// Connections of this process that are pending.
std::atomic<uint32_t> g_pending;
// Counts what may have changed which request a pending connection is for: another connection was
// made, or a request whose cause is not known was sent on a connection that was there before.
std::atomic<uint32_t> g_doubts;
// A connection or a request was not noted: which request a pending connection is for is not known
// from then on.
std::atomic<bool> g_missed;

void note_missed() {
  if (!g_missed.load(std::memory_order_relaxed)) g_missed.store(true, std::memory_order_relaxed);
}

int64_t now_ns() {
  long time[2] = {0, 0};
  auto clock_gettime = g_process.libc.clock_gettime;
  if (clock_gettime == nullptr) return 0;
  constexpr int kMonotonic = 1;
  clock_gettime(kMonotonic, time);
  return int64_t{time[0]} * 1'000'000'000 + time[1];
}

// A loop may leave its timers to a signal, and then waits without a limit.
bool has_interval_timer() {
  constexpr int kReal = 0;  // ITIMER_REAL
  long timer[4] = {1, 1, 1, 1};
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) return true;
  if (sys::failed(sys::call(SYS_getitimer, kReal, sys::arg(timer)))) return true;
  return timer[2] != 0 || timer[3] != 0;
}

// What events of each descriptor carry. Null: that is not known.
uint64_t* g_event_data;

bool is_of(const Turn& turn, int fd) {
  if (fd < 0) return false;
  if (turn.is_descriptor) return turn.of == static_cast<uint64_t>(fd);
  if (g_event_data == nullptr || static_cast<uint32_t>(fd) >= g_descriptor_limit) return false;
  uint64_t data = __atomic_load_n(&g_event_data[fd], __ATOMIC_RELAXED);
  return data != 0 && data == turn.of;
}

// The turn's request is the cause of what is done now.
bool has_cause(const Turn& turn) {
  if (!turn.alone || turn.requests != 1 || turn.cause.span.valid == 0 || !is_alone()) return false;
  return turn.due_ns == kNever ? !has_interval_timer() : now_ns() < turn.due_ns;
}

bool is_open(const Cause& cause) {
  Connection& served = *cause.served;
  return served.id == cause.served_id && is_open_exchange(served, cause.exchange);
}

// Is the request of this number the one that its connection was made for? Only the first can be. A
// program that keeps connections for all requests may give a new one to another request that waits,
// but then the first has got another connection: one that was also made for it, one that was
// pending at that time, or one that had been used. As long as there was none, it has its own.
bool is_for_its_cause(const Connection& connection, uint32_t number, const Cause& cause) {
  return cause.span.valid != 0 && number == 1 && connection.answered == 0 &&
         cause.doubts == g_doubts.load(std::memory_order_relaxed) &&
         !g_missed.load(std::memory_order_relaxed) && is_alone() && is_open(cause) &&
         cause.served->rest->caused != cause.exchange;
}

void note_role(Roles role) {
  if ((g_roles.load(std::memory_order_relaxed) & role) == 0) g_roles.fetch_or(role);
}

}  // namespace

void prepare_turns() {
  constexpr long kBytes = kMaxDescriptors * sizeof(uint64_t);
  long table = sys::call(SYS_mmap, 0, kBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (sys::failed(table)) return;
  sys::call(SYS_madvise, table, kBytes, MADV_DONTDUMP);
  g_event_data = reinterpret_cast<uint64_t*>(table);
}

void descriptor_awaits_event(int fd, uint64_t data) {
  if (g_event_data == nullptr || static_cast<uint32_t>(fd) >= g_descriptor_limit) return;
  // Most descriptors are never awaited: their part of the table is not touched.
  if (__atomic_load_n(&g_event_data[fd], __ATOMIC_RELAXED) == data) return;
  __atomic_store_n(&g_event_data[fd], data, __ATOMIC_RELAXED);
}

void note_loop() {
  t_turn.loops = true;
}

bool works_for_others() {
  return t_turn.loops && !is_alone() && g_process.served.load(std::memory_order_relaxed) > 1;
}

Wait::Wait(int64_t limit_ns) : limit_ns_(limit_ns), was_alone_(t_turn.alone) {
  t_turn.alone = false;
}

void Wait::over(int ready, uint64_t of, bool is_descriptor) const {
  Turn& turn = t_turn;
  if (!is_alone()) return;
  // A loop that has something left to do only looks whether there is more: the turn goes on.
  if (limit_ns_ == 0 && ready == 0) {
    turn.alone = was_alone_;
    return;
  }
  int64_t before = turn.began_ns;
  turn.began_ns = now_ns();
  turn.requests = 0;
  turn.accepted = false;
  turn.cause.span.valid = 0;
  // From the turn before on, for loops that remember the time count from there.
  turn.due_ns = limit_ns_ < 0 ? kNever : before == 0 ? 0 : before + limit_ns_ - kRounding;
  turn.of = of;
  turn.is_descriptor = is_descriptor;
  turn.alone = ready == 1 && limit_ns_ != 0;
}

void Wait::over_with_event(int ready, uint64_t data) const {
  over(ready, data, /*is_descriptor=*/false);
}

void Wait::over_with_descriptor(int ready, int fd) const {
  over(ready, static_cast<uint64_t>(fd), /*is_descriptor=*/true);
}

void turn_serves(const Connection& connection, uint32_t exchange, const TraceContext& span) {
  Turn& turn = t_turn;
  note_role(kServes);
  if (!turn.alone) return;
  turn.requests++;
  if (!is_of(turn, connection.descriptor)) return turn_serves_unknown();
  turn.cause = {span, const_cast<Connection*>(&connection), connection.id, exchange, 0};
}

void turn_serves_unknown() {
  note_role(kServes);
  t_turn.alone = false;
}

void turn_accepts(int listening, int fd) {
  Turn& turn = t_turn;
  if (!turn.alone) return;
  turn.alone = !turn.accepted && is_of(turn, listening);
  turn.accepted = turn.is_descriptor = true;
  turn.of = static_cast<uint64_t>(fd);
}

bool notes_connections() {
  note_role(kAsks);
  if (!turns_matter()) return false;
  if (is_alone()) return true;
  note_missed();
  return false;
}

void turn_connects(Connection* connection) {
  uint32_t doubts = g_doubts.fetch_add(1, std::memory_order_relaxed) + 1;
  // It may be given to the request that the next connection is made for, and nothing tells when.
  if (connection == nullptr) return note_missed();
  bool first = g_pending.fetch_add(1, std::memory_order_relaxed) == 0;
  connection->noted = true;
  connection->pending.store(true, std::memory_order_relaxed);
  if (!first || !has_cause(t_turn)) return;
  connection->rest->cause = t_turn.cause;
  connection->rest->cause.doubts = doubts;
}

void pending_over(Connection& connection) {
  if (!connection.pending.load(std::memory_order_relaxed)) return;
  // Two threads may come here at once, one for each direction.
  if (connection.pending.exchange(false, std::memory_order_relaxed)) {
    g_pending.fetch_sub(1, std::memory_order_relaxed);
  }
}

bool known_cause(Connection* connection, uint32_t number, TraceContext* span) {
  if (!turns_matter()) return false;
  if (connection != nullptr) {
    Cause& cause = connection->rest->cause;
    bool for_it = is_for_its_cause(*connection, number, cause);
    if (for_it) {
      *span = cause.span;
      cause.served->rest->caused = cause.exchange;
    }
    cause.span.valid = 0;
    if (for_it) return true;
  }
  if (!has_cause(t_turn)) return false;
  *span = t_turn.cause.span;
  return true;
}

void turn_asks(const Connection& connection, uint32_t number) {
  if (!turns_matter()) return;
  if (!is_alone()) return note_missed();
  // That this connection was made has been counted.
  if (number == 1 && connection.noted) return;
  if (!has_cause(t_turn)) g_doubts.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace telinject::program
