// The segment: a memfd with the header and the lanes.
//
// Sizes are chosen so that a program under limits does not feel it: only the first two lanes are
// mapped at the start; each further group is mapped when threads need it, and their own stacks are
// eight times as large.
#include <elf.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "hooks/attach.h"
#include "preload/resolve.h"
#include "preload/startup.h"
#include "shim/channel/clock.h"
#include "shim/channel/limits.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"
#include "shim/channel/traceparent.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

namespace telinject {

namespace {

constexpr long kSealShrink = 0x0002;  // F_SEAL_SHRINK: the drain's mapping can never fault
constexpr int kAddSeals = 1033;       // F_ADD_SEALS

uint64_t soft_limit(int resource) {
  rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  sys::call(SYS_prlimit64, 0, resource, 0, sys::arg(&limit));
  return limit.rlim_cur == RLIM_INFINITY ? ~uint64_t{0} : limit.rlim_cur;
}

struct Size {
  uint32_t ring_bytes;
  uint32_t lanes;
};

// At most a sixteenth of the address space and of the data that is allowed; a file size limit holds
// for a memfd, too, and a breach raises SIGXFSZ. Of locked memory the first group takes at most a
// quarter: a program whose mlockall() just fits is rare, and below 2 MiB no dynamically linked
// program fits at all.
Size choose_size(uint32_t ring_bytes) {
  Size size = {ring_bytes, kMaxLanes};
  uint64_t locked = soft_limit(RLIMIT_MEMLOCK);
  if (locked >= 2 << 20 && locked != ~uint64_t{0}) {
    uint32_t ring = clamp_ring_bytes(locked / 4 / kFirstGroupLanes);
    if (ring < size.ring_bytes) size.ring_bytes = ring;
  }
  // The drain, which is under the same limits, maps it too.
  uint64_t address_space = soft_limit(RLIMIT_AS), data = soft_limit(RLIMIT_DATA);
  uint64_t memory = (address_space < data ? address_space : data) / 16;
  uint64_t file_size = soft_limit(RLIMIT_FSIZE);
  uint64_t allowed = memory < file_size ? memory : file_size;
  while (size.lanes > kFirstGroupLanes && segment_bytes(size.ring_bytes, size.lanes) > allowed) {
    size.lanes /= 2;
  }
  while (size.ring_bytes > kMinRingBytes && segment_bytes(size.ring_bytes, size.lanes) > allowed) {
    size.ring_bytes /= 2;
  }
  return size;
}

int64_t now(int clock) {
  timespec time = {};
  sys::call(SYS_clock_gettime, clock, sys::arg(&time));
  return time.tv_sec * 1000000000 + time.tv_nsec;
}

void random_key(uint64_t key[2]) {
  constexpr long kNonBlock = 1;
  if (sys::call(SYS_getrandom, sys::arg(key), 16, kNonBlock) == 16) return;
  // Before the kernel's pool is filled (early boot). Ids must differ, not resist guessing.
  uint64_t seed = read_tsc() ^ static_cast<uint64_t>(sys::getpid()) << 32;
  key[0] = keyed_mix(seed, static_cast<uint64_t>(now(CLOCK_REALTIME)), 1);
  key[1] = keyed_mix(seed, static_cast<uint64_t>(now(CLOCK_MONOTONIC)), 2);
}

uint32_t join_arguments(const StartInfo& info, char* out, size_t capacity) {
  TextBuffer text(out, capacity);
  for (int i = 0; i < info.argc && info.argv[i] != nullptr; i++) {
    text.add(info.argv[i]).add('\0');
  }
  return static_cast<uint32_t>(text.size());
}

// Where there is no /proc: as it was executed, if that says enough. (For a script it is the
// script.)
uint32_t find_own_path(const StartInfo& info, char out[kPathBytes]) {
  long n =
      sys::call(SYS_readlinkat, AT_FDCWD, sys::arg("/proc/self/exe"), sys::arg(out), kPathBytes);
  if (n > 0) return static_cast<uint32_t>(n);
  auto* executed = reinterpret_cast<const char*>(auxiliary_value(info, AT_EXECFN));
  if (executed == nullptr || executed[0] != '/') return 0;
  TextBuffer text(out, kPathBytes);
  text.add(executed);
  return static_cast<uint32_t>(text.size());
}

void fill_header(SegmentHeader* header, const StartInfo& info, const Size& size) {
  header->layout_version = kLayoutVersion;
  header->header_bytes = sizeof(SegmentHeader);
  header->segment_bytes = segment_bytes(size.ring_bytes, size.lanes);
  header->lane_count = size.lanes;
  header->ring_bytes = size.ring_bytes;
  random_key(header->key);
  header->pid = sys::getpid();
  header->clock = g_process.clock;
  header->start_ticks = read_ticks();
  header->start_monotonic_ns = now(CLOCK_MONOTONIC);
  header->start_realtime_ns = now(CLOCK_REALTIME);
  header->inherited = g_process.inherited;
  header->parent = g_process.parent_ref;
  header->path_bytes = find_own_path(info, header->path);
  header->command_line_bytes = join_arguments(info, header->command_line, kCommandLineBytes);
  header->magic = kSegmentMagic;
}

void fill_process(SegmentHeader* header, const Size& size) {
  g_process.segment = header;
  g_process.key = {header->key[0], header->key[1]};
  g_process.ring_bytes = size.ring_bytes;
  g_process.lane_count = size.lanes;
  g_process.pid = header->pid;
  g_process.id = keyed_mix(static_cast<uint64_t>(header->pid), header->key[0], header->key[1]) | 1;
}

void find_main_stack() {
  auto* end = static_cast<uintptr_t*>(real_address(kReal___libc_stack_end));
  uint64_t limit = soft_limit(RLIMIT_STACK);
  constexpr uint64_t kUnlimited = uint64_t{64} << 30;
  if (end == nullptr) return;
  g_process.main_stack_hi = *end;
  g_process.main_stack_lo = *end - (limit < kUnlimited ? limit : kUnlimited);
  // What pthread_create gives a thread without attributes.
  constexpr uint64_t kFallback = 2 << 20;
  g_client.thread_stack_bytes = limit < kUnlimited ? limit : kFallback;
}

int fail(int memfd, long error) {
  if (memfd >= 0) sys::close(memfd);
  return static_cast<int>(error);
}

}  // namespace

int create_segment(const StartInfo& info, uint32_t ring_bytes, UntracedReason* reason) {
  Size size = choose_size(ring_bytes);
  uint64_t bytes = segment_bytes(size.ring_bytes, size.lanes);
  *reason = UntracedReason::kFileSizeLimit;
  if (bytes > soft_limit(RLIMIT_FSIZE)) return -27;  // EFBIG
  *reason = UntracedReason::kNoDescriptor;
  constexpr long kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  long fd = sys::call(SYS_memfd_create, sys::arg("telinject"), kFlags | MFD_NOEXEC_SEAL);
  if (fd == -22) fd = sys::call(SYS_memfd_create, sys::arg("telinject"), kFlags);  // before 6.3
  if (fd < 0) return static_cast<int>(fd);
  int memfd = static_cast<int>(fd);
  *reason = UntracedReason::kNoMemory;
  long result = sys::call(SYS_ftruncate, memfd, static_cast<long>(bytes));
  if (sys::failed(result)) return fail(memfd, result);
  sys::call(SYS_fcntl, memfd, kAddSeals, kSealShrink);
  // The header, the first group, and the page from which the next group's mapping is made.
  uint64_t mapped = segment_bytes(size.ring_bytes, kFirstGroupLanes);
  long address = sys::call(SYS_mmap, 0, static_cast<long>(mapped), PROT_READ | PROT_WRITE,
                           MAP_SHARED, memfd, 0);
  if (sys::failed(address)) return fail(memfd, address);
  sys::call(SYS_madvise, address, static_cast<long>(mapped), MADV_DONTDUMP);
  result = sys::call(SYS_madvise, sys::arg(&g_alive), sizeof g_alive, MADV_WIPEONFORK);
  auto* header = reinterpret_cast<SegmentHeader*>(address);
  if (!sys::failed(result)) {
    fill_header(header, info, size);
    fill_process(header, size);
    find_main_stack();
    if (map_first_group()) return memfd;
    result = -12;  // ENOMEM
  }
  sys::call(SYS_munmap, address, static_cast<long>(mapped));
  g_process.segment = nullptr;
  return fail(memfd, result);
}

void destroy_segment() {
  uint64_t mapped = segment_bytes(g_process.ring_bytes, kFirstGroupLanes);
  SegmentHeader* segment = g_process.segment;
  g_process.segment = nullptr;
  sys::call(SYS_munmap, sys::arg(segment), static_cast<long>(mapped));
}

}  // namespace telinject
