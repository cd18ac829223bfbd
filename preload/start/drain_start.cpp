// Starting a drain from inside the program, unseen by it.
//
// A raw clone(CLONE_VM | CLONE_VFORK) with no exit signal, on a static stack; the child makes a
// copy of the process, which executes the drain, and ends, to be reaped here with __WCLONE. So
// there is no SIGCHLD, nothing for the program's wait() to find, no atfork handler; it works with
// SIGCHLD ignored and in tight limits. A single clone would not do: exec resets the exit signal,
// and the drain would become an ordinary child. The copy spares the program the wait for the exec,
// with its four turns of other processes on a busy machine; it is small, for the program has hardly
// begun.
//
// Where orphans come back to us (PID 1 of a namespace, a subreaper) a keeper is put between: a copy
// of this process without exit signal that never executes anything and waits for the drain, so that
// the program's `while (wait(0) > 0)` can end.
#include <elf.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "arch/x86_64/system_call.h"
#include "arch/x86_64/tsc.h"
#include "preload/real/resolve.h"
#include "preload/start/exit.h"
#include "preload/start/startup.h"
#include "shim/channel/drain_process.h"
#include "shim/channel/printable.h"
#include "shim/channel/sha256.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif

namespace telinject::program {

namespace {

constexpr size_t kStackBytes = 16384;
alignas(16) char g_stacks[2][kStackBytes];

struct Launch {
  DrainLaunch drain;
  long result;  // of execve, or of a clone; negative on failure
};

// ---- what went wrong

// Never kills the program (SIGPIPE) nor keeps it: a pipe without room for the line is left alone.
void write_to_stderr(const char* line, size_t bytes) {
  sys::SignalsBlocked blocked;
  constexpr uint64_t kPipeSignal = uint64_t{1} << (SIGPIPE - 1);
  uint64_t pending = 0;
  sys::call(SYS_rt_sigpending, sys::arg(&pending), sizeof pending);
  pollfd room = {2, POLLOUT, 0};
  timespec now = {};
  long ready = sys::call(SYS_ppoll, sys::arg(&room), 1, sys::arg(&now), 0, sizeof pending);
  if (ready == 1 && (room.revents & POLLOUT) != 0) {
    sys::call(SYS_write, 2, sys::arg(line), static_cast<long>(bytes));
  }
  if ((pending & kPipeSignal) == 0) {
    uint64_t wanted = kPipeSignal;
    sys::call(SYS_rt_sigtimedwait, sys::arg(&wanted), 0, sys::arg(&now), sizeof wanted);
  }
}

void warn(const char* what, const char* path, long error) {
  char line[kPathBytes + 256];
  TextBuffer text(line, sizeof line);
  text.add("telinject: ").add(what);
  add_printable(&text, path);
  if (error < 0) text.add(" (errno ").number(static_cast<uint64_t>(-error)).add(")");
  text.add("; the program runs untraced\n");
  write_to_stderr(line, text.size());
}

// Called by the process that was to become the drain, because nothing waits for it. The segment is
// marked as the kernel marks it when a drain dies, so that the program waits for nothing.
void give_up(const Launch& launch) {
  warn("cannot start its drain, ", launch.drain.file, launch.result);
  g_process.segment->drain.word.fetch_or(kOwnerDied);
}

// ---- processes

int run_drain(void* data) {
  auto* launch = static_cast<Launch*>(data);
  launch->result = become_drain(launch->drain);
  return 127;
}

int run_intermediate(void* data) {
  auto* launch = static_cast<Launch*>(data);
  long pid = sys::call(SYS_clone, 0, 0, 0, 0, 0);
  if (pid < 0) launch->result = pid;
  if (pid != 0) return 0;
  run_drain(launch);
  give_up(*launch);
  sys::call(SYS_exit_group, 127);
  return 0;
}

bool orphans_come_here() {
  int subreaper = 0;
  sys::call(SYS_prctl, PR_GET_CHILD_SUBREAPER, sys::arg(&subreaper));
  return subreaper != 0 || sys::getpid() == 1;
}

// The keeper: a copy-on-write child without exit signal.
long start_with_keeper(Launch* launch) {
  long pid = sys::call(SYS_clone, 0, 0, 0, 0, 0);
  if (pid != 0) return pid < 0 ? launch->result = pid : 0;
  sys::call(SYS_setsid);
  long drain = arch::clone_and_call(run_drain, launch, g_stacks[1] + kStackBytes,
                                    CLONE_VM | CLONE_VFORK | SIGCHLD);
  if (drain < 0) launch->result = drain;
  if (launch->result < 0) give_up(*launch);
  sys::close_range(0);
  sys::call(SYS_chdir, sys::arg("/"));
  int status = 0;
  if (drain > 0) sys::call(SYS_wait4, drain, sys::arg(&status), 0, 0);
  sys::call(SYS_exit_group, 0);
  return 0;
}

void start_unseen(Launch* launch) {
  sys::SignalsBlocked blocked;
  if (orphans_come_here()) {
    start_with_keeper(launch);
    return;
  }
  long pid = arch::clone_and_call(run_intermediate, launch, g_stacks[0] + kStackBytes,
                                  CLONE_VM | CLONE_VFORK);
  if (pid < 0) {
    launch->result = pid;
    return;
  }
  int status = 0;
  while (sys::call(SYS_wait4, pid, sys::arg(&status), __WCLONE, 0) == -4 /* EINTR */) {
  }
}

// ---- where the drain is, and what it is started with

bool exists(const char* path) {
  return !sys::failed(sys::call(SYS_faccessat, AT_FDCWD, sys::arg(path), 1 /* X_OK */));
}

// The build tree, an installation, and Debian's multiarch library folder have it in these places
// from the library's own.
constexpr const char* kDrainPlaces[] = {"/../libexec/telinject/telinject-drain",
                                        "/../../libexec/telinject/telinject-drain",
                                        "/telinject-drain"};

bool find_drain(char* path, size_t capacity) {
  const char* library = library_path();
  size_t directory = text_length(library);
  while (directory > 0 && library[directory - 1] != '/') directory--;
  if (directory == 0) return false;
  for (const char* place : kDrainPlaces) {
    TextBuffer text(path, capacity);
    text.add(library, directory - 1).add(place);
    if (!text.overflow() && exists(path)) return true;
  }
  TextBuffer(path, capacity).add(library, directory - 1).add(kDrainPlaces[0]);
  return false;
}

// The descriptor that events go to instead of a file, if the program has it. What is closed on exec
// was opened since: by us, with that number.
int program_output() {
  int fd = output_descriptor(g_client.settings);
  long flags = fd < 0 ? -1 : sys::call(SYS_fcntl, fd, F_GETFD);
  return sys::failed(flags) || (flags & FD_CLOEXEC) != 0 ? -1 : fd;
}

// From getrandom(2). Early in boot that would wait; then the secret is a hash of AT_RANDOM and what
// differs from process to process. (AT_RANDOM itself is the stack protector's secret, too.)
void make_secret(const StartInfo& info, uint8_t secret[kSecretBytes]) {
  constexpr long kNonBlock = 1;
  if (sys::call(SYS_getrandom, sys::arg(secret), kSecretBytes, kNonBlock) == kSecretBytes) return;
  struct {
    uint8_t random[16];
    uint64_t ticks;
    int64_t now, pid;
  } seed = {};
  auto* random = reinterpret_cast<const uint8_t*>(auxiliary_value(info, AT_RANDOM));
  for (size_t i = 0; random != nullptr && i < sizeof seed.random; i++) seed.random[i] = random[i];
  seed.ticks = arch::read_tsc();
  seed.now = sys::clock_ns(CLOCK_REALTIME);
  seed.pid = sys::getpid();
  Sha256Digest digest = sha256(&seed, sizeof seed);
  for (size_t i = 0; i < kSecretBytes; i++) secret[i] = digest.bytes[i];
}

void make_session(const StartInfo& info, Session* session) {
  *session = {};
  session->mode = SessionMode::kPreload;
  session->clock = g_process.clock;
  session->waiting_bytes = g_client.waiting_bytes;
  session->uid = static_cast<uint32_t>(sys::call(SYS_geteuid));
  uint8_t secret[kSecretBytes];
  make_secret(info, secret);
  set_session_secret(secret, session);
}

// Listening before the drain runs, so that the program's own children never come too early.
int listen_abstract(const Session& session) {
  sockaddr_un address;
  uint32_t length = session_abstract_address(session, &address);
  long fd = sys::call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (!sys::failed(sys::call(SYS_bind, fd, sys::arg(&address), length)) &&
      !sys::failed(sys::call(SYS_listen, fd, 4096))) {
    return static_cast<int>(fd);
  }
  sys::close(static_cast<int>(fd));
  return -1;
}

// After unshare(CLONE_NEWPID) our children are born into the new namespace, and the first of them
// would be its PID 1: a role that is the program's to give.
bool children_go_elsewhere() {
  struct stat own = {}, children = {};
  long a = sys::call(SYS_newfstatat, AT_FDCWD, sys::arg("/proc/self/ns/pid"), sys::arg(&own), 0);
  long b = sys::call(SYS_newfstatat, AT_FDCWD, sys::arg("/proc/self/ns/pid_for_children"),
                     sys::arg(&children), 0);
  return !sys::failed(a) && !sys::failed(b) && own.st_ino != children.st_ino;
}

struct stat g_standard_error;
bool g_standard_error_known;

bool read_standard_error(struct stat* status) {
  return !sys::failed(sys::call(SYS_fstat, 2, sys::arg(status)));
}

}  // namespace

void note_standard_error() {
  g_standard_error_known = read_standard_error(&g_standard_error);
}

void tell_drain_died() {
  constexpr uint32_t kTold = 1;  // in the word, where the kernel has left no thread's id
  SegmentHeader* segment = g_process.segment;
  struct stat now = {};
  // One that never worked for this segment has said why.
  if (segment->heartbeat.load() == 0 || (segment->drain.word.fetch_or(kTold) & kTold) != 0) return;
  if (!g_standard_error_known || !read_standard_error(&now) ||
      now.st_dev != g_standard_error.st_dev || now.st_ino != g_standard_error.st_ino) {
    return;
  }
  constexpr char kLine[] =
      "telinject: the drain has died before the program ended; what the program did after that is "
      "not traced, and calls that were open then have no end in the trace\n";
  write_to_stderr(kLine, sizeof kLine - 1);
}

bool start_drain(const StartInfo& info, int memfd) {
  char path[kPathBytes];
  if (children_go_elsewhere()) return false;
  if (!find_drain(path, sizeof path)) {
    warn("cannot find its drain, looked for ", path, 0);
    return false;
  }
  make_session(info, &g_client.session);
  format_session(g_client.session, g_client.session_text);
  DrainEnvironment environment(info.envp, g_client.session_text);
  if (environment.entries() == nullptr) return false;
  int listener = listen_abstract(g_client.session);
  int pidfd = static_cast<int>(sys::call(SYS_pidfd_open, sys::getpid(), 0));
  Launch launch = {{.file = path,
                    .mode = SessionMode::kPreload,
                    .envp = environment.entries(),
                    .control_or_segment = memfd,
                    .abstract_listener = listener,
                    .pidfd = pidfd,
                    .output = program_output()},
                   0};
  start_unseen(&launch);
  if (listener >= 0) sys::close(listener);
  if (pidfd >= 0) sys::close(pidfd);
  if (launch.result < 0) {
    warn("cannot start its drain, ", path, launch.result);
    return false;
  }
  g_client.has_session = listener >= 0;
  g_client.started_drain = true;
  return true;
}

}  // namespace telinject::program
