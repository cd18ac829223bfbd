// libcurl's transfers: what is known of each easy handle, the ids that a transfer issues, and what
// is told of it (kHttpTransfer, kHttpTransferEnd).
//
// An easy handle has an entry from the time it is given a list of headers, or begins a transfer,
// until it is cleaned up. libcurl copies no lists: while a transfer is under way the handle's list
// is ours: a node with a traceparent (and one with a tracestate) in front of the application's
// list; so our nodes must stay where they are, which entries do for the life of the process.
//
// Safety class: no heap, no lock: one mmap(2) at the first entry. A handle is used by one thread at
// a time (libcurl's rule), different handles by any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hooks/http/tracestate.h"
#include "shim/channel/http_message.h"

namespace telinject::program {

// struct curl_slist.
struct HeaderList {
  const char* data;
  HeaderList* next;
};

inline constexpr size_t kTraceparentHeaderBytes = 72;
inline constexpr char kTracestateName[] = "tracestate: ";
inline constexpr size_t kTracestateNameBytes = sizeof kTracestateName - 1;

struct Transfer {
  // The handle's list as the application set it.
  HeaderList* application_list;
  // Our node in front of it, and its text; and where there is a tracestate, a second one.
  HeaderList node, state_node;
  char header[kTraceparentHeaderBytes];
  char state_header[kTracestateNameBytes + kMaxTracestate + 1];
  // The number of the transfer under way; 0: none is.
  uint64_t id;
  const void* multi;  // that it was added to; null: curl_easy_perform
  HttpContext context;
  uint64_t position;  // of the message: the ids' place
  uint32_t lane;
  uint32_t ids;                  // that it may issue
  std::atomic<uint32_t> issued;  // that went out
  bool injected;                 // the handle's list is ours

  // Our nodes, with the application's list behind them.
  HeaderList* list_with(HeaderList* application, bool has_tracestate) {
    bool state = state_header[0] != 0 && !has_tracestate;
    state_node = {state_header, application};
    node = {header, state ? &state_node : application};
    return &node;
  }
};

// The handle's entry, or null. Null, too, without a handle.
Transfer* find_transfer(const void* handle);
// The handle's entry, made if there is none; null if there is no room.
Transfer* make_transfer(const void* handle);
// The handle is no more.
void forget_transfer(const void* handle);
// True once the application's list of some handle could not be kept: from then on a handle without
// an entry may have a list.
bool lists_were_missed();
void note_missed_list();

// Calls `visit(handle, transfer)` for each transfer that is under way in `multi`.
void each_transfer_of(const void* multi, void (*visit)(const void* handle, Transfer*, void*),
                      void* data);

// Begins a transfer: writes kHttpTransfer with the URL (may be null) if it is sampled, and makes
// the header of its first id. False if nothing is to be recorded now.
bool begin_transfer(Transfer* transfer, const char* url, uintptr_t sp);
// The transfer's id in its header has gone out, in a request: the next one takes its place.
void next_id(Transfer* transfer);
// Ends it: writes kHttpTransferEnd (whose `transfer` and `issued` are filled in) and what follows
// it, if it is sampled.
void end_transfer(Transfer* transfer, HttpTransferEndMessage* end, const char* texts);

// One request that another library makes, with an id of ours.
struct IssuedId {
  uint64_t transfer;
  bool sampled;
  char traceparent[55];
  TraceContext trace;
};
// Writes a transfer that issues one id. False if nothing is to be recorded. It goes out on
// `connection`, as its `number`th request; null if that is not known.
bool issue_id(const char* url, size_t url_bytes, uintptr_t sp, IssuedId* id,
              Connection* connection = nullptr, uint32_t number = 0);
// Ends it at once: the request was made, or was not.
void end_issued_id(const IssuedId& id, bool made);

}  // namespace telinject::program
