// Setting up a traced process: settings, segment, hand-over. Once, in the library's constructor.
//
// Never later: a memfd made at the first event has killed programs (a file size limit raises
// SIGXFSZ, a seccomp filter SIGSYS) and has become their descriptor 1.
#pragma once

#include "hooks/calls/untimed.h"
#include "hooks/http/descriptors.h"
#include "hooks/lane/state.h"
#include "shim/channel/hello.h"
#include "shim/channel/session.h"
#include "shim/channel/settings.h"

namespace telinject::program {

// The process's arguments, environment and auxiliary vector, as the kernel laid them out.
struct StartInfo {
  int argc;
  char** argv;
  char** envp;
};

// An entry of the auxiliary vector; 0 if there is none.
uint64_t auxiliary_value(const StartInfo& info, uint64_t type);

// What the wrappers need to know of the session.
struct Client {
  Settings settings;
  Session session;
  bool has_session;    // known to the environment, or started here
  bool started_drain;  // here: this is the first process of a preload session
  char session_text[kSessionTextBytes];
  uint64_t waiting_bytes;       // memory for records that wait, in lanes and drain (limits.h)
  const char* traceparent;      // as inherited, or null
  uint64_t thread_stack_bytes;  // of threads made without attributes
};
extern Client g_client;

inline bool is_traced() {
  return g_process.state.load(std::memory_order_acquire) == ProcessState::kReady;
}

// True while this thread can make records.
inline bool tracing() {
  return is_traced() && !is_untimed();
}

// True while HTTP is to be seen, too.
inline bool capturing_http() {
  return tracing() && g_descriptor_limit != 0;
}

// A memfd with a pool for so many bytes of records, or for fewer where the process's limits ask for
// that, mapped; fills g_process. Returns the memfd, or a negative errno. `reason` says what was in
// the way.
int create_segment(const StartInfo& info, uint64_t pool_bytes, UntracedReason* reason);
void destroy_segment();

enum class HandOver : uint8_t {
  kJoined,   // the drain has been sent all of it
  kNoDrain,  // there is no drain that this process can reach
  kRefused,  // there is one, but it had no room for this process in time
};

// Sends the memfd and a pidfd of this process to the session's drain. A negative memfd sends only
// the reason why there is none. Takes two seconds at most.
HandOver hand_over(const Session& session, int memfd, UntracedReason reason);

// Starts a drain of our own, unseen by the program, and gives it the memfd. Returns false, after
// one line on stderr, if that cannot be done. Fills g_client.session.
bool start_drain(const StartInfo& info, int memfd);

}  // namespace telinject::program
