#include "preload/net/transfers.h"

#include <sys/mman.h>

#include "hooks/calls/attach.h"
#include "hooks/calls/operations.h"
#include "hooks/http/traffic.h"
#include "hooks/lane/space.h"
#include "preload/start/startup.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"
#include "shim/channel/traceparent.h"

namespace telinject::program {

namespace {

constexpr uint32_t kTransfers = 4096;  // easy handles at once
constexpr size_t kMaxUrlBytes = 2048;
// Two ids a record. Redirects and authentication rarely make more requests than this of one.
constexpr size_t kTransferRecords = 16;

struct Table {
  std::atomic<uintptr_t> handles[kTransfers];
  std::atomic<uint64_t> spans[kTransfers];  // the id in the header; 0: none is under way
  Transfer transfers[kTransfers];
};
std::atomic<Table*> g_table;
std::atomic<uint32_t> g_used;  // entries from here on have never been used
std::atomic<bool> g_missed;
std::atomic<uint32_t> g_under_way;

Table* make_table() {
  Table* table = g_table.load(std::memory_order_acquire);
  if (table != nullptr || g_process.restricted.load(std::memory_order_relaxed) != 0) return table;
  long memory = sys::call(SYS_mmap, 0, sizeof(Table), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (sys::failed(memory)) return nullptr;
  if (!g_table.compare_exchange_strong(table, reinterpret_cast<Table*>(memory))) {
    sys::call(SYS_munmap, memory, sizeof(Table));
    return table;
  }
  return reinterpret_cast<Table*>(memory);
}

// The entry's number, or kTransfers. The handles lie side by side: a look at a hundred is a few
// cache lines.
uint32_t index_of(const Table* table, uintptr_t handle) {
  uint32_t used = g_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; i++) {
    if (table->handles[i].load(std::memory_order_relaxed) == handle) return i;
  }
  return kTransfers;
}

uint32_t index_of(const Table* table, const Transfer* transfer) {
  return static_cast<uint32_t>(transfer - table->transfers);
}

void raise_used(uint32_t count) {
  uint32_t used = g_used.load(std::memory_order_relaxed);
  while (used < count && !g_used.compare_exchange_weak(used, count, std::memory_order_release)) {
  }
}

// An id that no other of this segment has: a lane has one thread at a time.
uint64_t new_id(const Lane* lane) {
  constexpr uint64_t kTicks = (uint64_t{1} << 53) - 1;
  return uint64_t{lane->index} << 53 | (read_ticks() & kTicks) | 1;
}

uint64_t id_at(const Transfer* transfer, uint32_t number) {
  return span_id(g_process.key, transfer->lane, transfer->position + uint64_t{number} * kUnitBytes);
}

constexpr char kHeaderName[] = "traceparent: ";

void write_header(Transfer* transfer, uint64_t span) {
  char* at = transfer->header;
  for (const char* p = kHeaderName; *p != 0; p++) *at++ = *p;
  write_traceparent(at, transfer->context, span);
  at[kTraceparentLength] = 0;
}

void write_state_header(Transfer* transfer) {
  char* text = transfer->state_header;
  size_t size = tracestate_of(transfer->context.trace, text + kTracestateNameBytes);
  __builtin_memcpy(text, kTracestateName, kTracestateNameBytes);
  text[kTracestateNameBytes + size] = 0;
  if (size == 0) text[0] = 0;
}

struct Issue {
  uint64_t id, position;
  uint32_t lane, ids;
};

// Writes a kHttpTransfer; of one that is not sampled only takes an id that nothing else has now.
bool announce(const HttpContext& context, const char* url, size_t url_bytes, size_t records,
              uintptr_t sp, Issue* issue) {
  Lane* lane = lane_of_thread(sp);
  if (lane == nullptr) return false;
  if (url_bytes > kMaxUrlBytes) url_bytes = kMaxUrlBytes;
  HttpTransferMessage message = {};
  if (message_records(sizeof message + url_bytes) > records) {
    records = message_records(sizeof message + url_bytes);
  }
  message.transfer = new_id(lane);
  message.context = context;
  message.ids = static_cast<uint32_t>(records * (kControlBytes / kUnitBytes));
  message.url_bytes = static_cast<uint16_t>(url_bytes);
  *issue = {message.transfer, position_of(lane, t_hook.cursor), lane->index, message.ids};
  return context.sampled == 0 ||
         write_operation(MessageType::kHttpTransfer, &message, sizeof message, url, url_bytes,
                         &issue->position, records);
}

}  // namespace

Transfer* find_transfer(const void* handle) {
  Table* table = g_table.load(std::memory_order_acquire);
  if (table == nullptr || handle == nullptr) return nullptr;
  uint32_t index = index_of(table, reinterpret_cast<uintptr_t>(handle));
  return index < kTransfers ? &table->transfers[index] : nullptr;
}

Transfer* make_transfer(const void* handle) {
  if (Transfer* there = find_transfer(handle)) return there;
  Table* table = make_table();
  if (table == nullptr || handle == nullptr) return nullptr;
  for (uint32_t i = 0; i < kTransfers; i++) {
    uintptr_t free = 0;
    if (table->handles[i].load(std::memory_order_relaxed) != 0 ||
        !table->handles[i].compare_exchange_strong(free, reinterpret_cast<uintptr_t>(handle))) {
      continue;
    }
    Transfer* transfer = &table->transfers[i];
    transfer->application_list = nullptr;
    transfer->id = 0;
    transfer->injected = false;
    raise_used(i + 1);
    return transfer;
  }
  return nullptr;
}

void forget_transfer(const void* handle) {
  Table* table = g_table.load(std::memory_order_acquire);
  if (table == nullptr || handle == nullptr) return;
  uint32_t index = index_of(table, reinterpret_cast<uintptr_t>(handle));
  if (index == kTransfers) return;
  table->spans[index].store(0, std::memory_order_relaxed);
  table->handles[index].store(0, std::memory_order_release);
}

bool lists_were_missed() {
  return g_missed.load(std::memory_order_relaxed);
}

void note_missed_list() {
  g_missed.store(true, std::memory_order_relaxed);
}

void each_transfer_of(const void* multi, void (*visit)(const void*, Transfer*, void*), void* data) {
  Table* table = g_table.load(std::memory_order_acquire);
  if (table == nullptr || g_under_way.load(std::memory_order_relaxed) == 0) return;
  uint32_t used = g_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; i++) {
    uintptr_t handle = table->handles[i].load(std::memory_order_relaxed);
    Transfer* transfer = &table->transfers[i];
    if (handle != 0 && transfer->id != 0 && transfer->multi == multi) {
      visit(reinterpret_cast<const void*>(handle), transfer, data);
    }
  }
}

bool begin_transfer(Transfer* transfer, const char* url, uintptr_t sp) {
  Issue issue;
  if (!client_context(sp, &transfer->context) ||
      !announce(transfer->context, url, url != nullptr ? text_length(url) : 0, kTransferRecords, sp,
                &issue)) {
    return false;
  }
  transfer->position = issue.position;
  transfer->lane = issue.lane;
  transfer->ids = issue.ids;
  transfer->issued.store(0, std::memory_order_relaxed);
  transfer->id = issue.id;
  g_under_way.fetch_add(1, std::memory_order_relaxed);
  Table* table = g_table.load(std::memory_order_acquire);
  uint64_t span = id_at(transfer, 0);
  write_header(transfer, span);
  write_state_header(transfer);
  if (transfer->context.sampled != 0) {
    table->spans[index_of(table, transfer)].store(span, std::memory_order_release);
  }
  return true;
}

void next_id(Transfer* transfer) {
  Table* table = g_table.load(std::memory_order_acquire);
  uint32_t issued = transfer->issued.fetch_add(1, std::memory_order_relaxed) + 1;
  std::atomic<uint64_t>& span = table->spans[index_of(table, transfer)];
  if (issued < transfer->ids) {
    uint64_t next = id_at(transfer, issued);
    write_header(transfer, next);
    span.store(next, std::memory_order_release);
    return;
  }
  // No id is left. To libcurl a header without a value says that there is to be none.
  span.store(0, std::memory_order_release);
  transfer->header[sizeof kHeaderName - 2] = 0;
}

void issued_id_sent(uint64_t span) {
  Table* table = g_table.load(std::memory_order_acquire);
  if (table == nullptr || span == 0 || g_under_way.load(std::memory_order_relaxed) == 0) return;
  uint32_t used = g_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; i++) {
    if (table->spans[i].load(std::memory_order_acquire) == span) {
      next_id(&table->transfers[i]);
      return;
    }
  }
}

void end_transfer(Transfer* transfer, HttpTransferEndMessage* end, const char* texts) {
  if (transfer->id == 0) return;
  Table* table = g_table.load(std::memory_order_acquire);
  table->spans[index_of(table, transfer)].store(0, std::memory_order_release);
  g_under_way.fetch_sub(1, std::memory_order_relaxed);
  end->transfer = transfer->id;
  end->issued = transfer->issued.load(std::memory_order_relaxed);
  if (t_transfer == transfer->id) t_transfer = 0;
  transfer->id = 0;
  if (transfer->context.sampled == 0 || !tracing()) return;
  size_t text_bytes =
      size_t{end->peer_bytes} + end->url_bytes + end->error_bytes + end->method_bytes;
  uint64_t position;
  write_operation(MessageType::kHttpTransferEnd, end, sizeof *end, texts, text_bytes, &position);
}

bool issue_id(const char* url, size_t url_bytes, uintptr_t sp, IssuedId* id, Connection* connection,
              uint32_t number) {
  HttpContext context;
  Issue issue;
  if (!client_context(sp, &context, connection, number) ||
      !announce(context, url, url_bytes, 0, sp, &issue)) {
    return false;
  }
  id->transfer = issue.id;
  id->sampled = context.sampled != 0;
  id->trace = context.trace;
  write_traceparent(id->traceparent, context, span_id(g_process.key, issue.lane, issue.position));
  return true;
}

void end_issued_id(const IssuedId& id, bool made) {
  if (!id.sampled || t_hook.lane == nullptr || g_alive.mask == 0) return;
  HttpTransferEndMessage end = {};
  end.transfer = id.transfer;
  end.result = made ? 0 : -1;
  end.issued = made ? 1 : 0;
  uint64_t position;
  write_operation(MessageType::kHttpTransferEnd, &end, sizeof end, nullptr, 0, &position);
}

}  // namespace telinject::program
