#include "shim/channel/drain_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <initializer_list>

#include "shim/channel/control.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr int kErrorTooManyFiles = 24;  // EMFILE
constexpr int kFirstFree = kDrainOutputFd + 1;
constexpr int kSignals = 64;

bool is_for_the_program_only(const char* entry) {
  for (const char* prefix : {"LD_", "MALLOC_", "GLIBC_TUNABLES="}) {
    if (text_starts(entry, prefix)) return true;
  }
  // Every sanitizer has options of its own: ASAN_OPTIONS, RTSAN_OPTIONS, ...
  for (const char* p = entry; *p != 0 && *p != '='; p++) {
    if (text_starts(p, "SAN_OPTIONS=")) return true;
  }
  return env_value(entry, kSessionVariable) != nullptr;
}

struct Place {
  int fd, number;
};

// Copies a descriptor that would be in the way of another one's number. False if there is no room.
bool lift(int* fd) {
  if (*fd < 0 || *fd >= kFirstFree) return true;
  long lifted = sys::call(SYS_fcntl, *fd, F_DUPFD, kFirstFree);
  *fd = sys::failed(lifted) ? -1 : static_cast<int>(lifted);
  return *fd >= 0;
}

void place(int fd, int number) {
  if (fd >= 0) {
    sys::call(SYS_dup2, fd, number);
  } else {
    sys::close(number);
  }
}

bool place_descriptors(const DrainLaunch& launch) {
  static_assert(kDrainControlFd == kDrainSegmentFd);
  Place places[] = {{launch.control_or_segment, kDrainControlFd},
                    {launch.path_listener, kDrainListenFd},
                    {launch.abstract_listener, kDrainAbstractFd},
                    {launch.pidfd, kDrainPidfdFd},
                    {launch.output, kDrainOutputFd}};
  // Lifted first: what is placed closes what had the number.
  for (Place& each : places) {
    if (!lift(&each.fd)) return false;
  }
  auto null = static_cast<int>(sys::call(SYS_openat, AT_FDCWD, sys::arg("/dev/null"), O_RDWR));
  if (!lift(&null)) return false;
  place(null, 0);
  place(null, 1);
  // A stderr that was closed, or whose number was free for one of ours, must not stay so: the next
  // file that the drain opens would become its stderr. Nor may exec close it.
  bool has_stderr = !sys::failed(sys::call(SYS_fcntl, 2, F_SETFD, 0));
  for (int ours :
       {launch.control_or_segment, launch.path_listener, launch.abstract_listener, launch.pidfd}) {
    has_stderr = has_stderr && ours != 2;
  }
  if (!has_stderr) place(null, 2);
  for (const Place& each : places) place(each.fd, each.number);
  sys::close_range(kFirstFree);
  return true;
}

// Ignored signals outlive exec, and so does the mask, which is cleared last.
void reset_signals() {
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    uint64_t mask;
  } action = {};
  for (int signal = 1; signal <= kSignals; signal++) {
    sys::call(SYS_rt_sigaction, signal, sys::arg(&action), 0, sizeof action.mask);
  }
  uint64_t none = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, sys::arg(&none), 0, sizeof none);
}

}  // namespace

DrainEnvironment::DrainEnvironment(char* const* envp, const char* session_text) {
  TextBuffer(session_, sizeof session_).add(kSessionVariable).add('=').add(session_text);
  size_t count = 0;
  while (envp[count] != nullptr) count++;
  bytes_ = (count + 2) * sizeof(char*);
  long pages = sys::call(SYS_mmap, 0, static_cast<long>(bytes_), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sys::failed(pages)) return;
  entries_ = reinterpret_cast<char**>(pages);
  size_t used = 0;
  for (; *envp != nullptr; envp++) {
    if (!is_for_the_program_only(*envp)) entries_[used++] = *envp;
  }
  entries_[used++] = session_;
  entries_[used] = nullptr;
}

DrainEnvironment::~DrainEnvironment() {
  if (entries_ != nullptr) sys::call(SYS_munmap, sys::arg(entries_), static_cast<long>(bytes_));
}

long become_drain(const DrainLaunch& launch) {
  // Out of the program's session: no terminal, no signals to its group, no hangup.
  sys::call(SYS_setsid);
  if (!place_descriptors(launch)) return -kErrorTooManyFiles;
  reset_signals();
  const char* mode = launch.mode == SessionMode::kTelrun ? "--session" : "--preload";
  const char* const argv[] = {"telinject-drain", mode, nullptr};
  return sys::call(SYS_execve, sys::arg(launch.file), sys::arg(argv), sys::arg(launch.envp));
}

}  // namespace telinject
