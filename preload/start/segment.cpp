// The segment: a memfd with the header, the lanes and the pool of chunks.
//
// A program under limits shall not feel it: less than 1 MiB is mapped at the start, and more of the
// pool only while the drain is behind.
#include <elf.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "arch/x86_64/tsc.h"
#include "hooks/calls/attach.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"
#include "shim/channel/limits.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"
#include "shim/channel/traceparent.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

namespace telinject::program {

namespace {

constexpr long kSealShrink = 0x0002;  // F_SEAL_SHRINK: the drain's mapping can never fault
constexpr int kAddSeals = 1033;       // F_ADD_SEALS

uint64_t soft_limit(int resource) {
  rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  sys::call(SYS_prlimit64, 0, resource, 0, sys::arg(&limit));
  return limit.rlim_cur == RLIM_INFINITY ? ~uint64_t{0} : limit.rlim_cur;
}

struct Size {
  uint32_t lanes;
  uint32_t entry_chunks;  // for new calls; idle lanes have theirs besides
  uint32_t exit_chunks;

  uint32_t chunks() const { return entry_chunks + exit_chunks + lanes * kIdleLaneChunks; }
  uint64_t bytes() const { return segment_bytes(lanes, chunks()); }
};

// At most a sixteenth of the address space and of the data that is allowed; a file size limit holds
// for a memfd, too, and a breach raises SIGXFSZ.
Size choose_size(uint64_t pool_bytes) {
  constexpr uint32_t kMostEntryChunks = kMaxChunks - kExitChunks - kMaxLanes * kIdleLaneChunks;
  constexpr uint32_t kFewLanes = 64, kFewEntryChunks = 4, kFewExitChunks = 4;
  uint64_t chunks = pool_bytes / kChunkBytes;
  if (chunks < kMinEntryChunks) chunks = kMinEntryChunks;
  if (chunks > kMostEntryChunks) chunks = kMostEntryChunks;
  Size size = {kMaxLanes, static_cast<uint32_t>(chunks), kExitChunks};
  // The drain, which is under the same limits, maps it too.
  uint64_t address_space = soft_limit(RLIMIT_AS), data = soft_limit(RLIMIT_DATA);
  uint64_t memory = (address_space < data ? address_space : data) / 16;
  uint64_t file_size = soft_limit(RLIMIT_FSIZE);
  uint64_t allowed = memory < file_size ? memory : file_size;
  while (size.lanes > kFewLanes && size.bytes() > allowed) size.lanes /= 2;
  while (size.entry_chunks > kMinEntryChunks && size.bytes() > allowed) size.entry_chunks /= 2;
  while (size.exit_chunks > kFewExitChunks && size.bytes() > allowed) size.exit_chunks /= 2;
  while (size.lanes > kFirstGroupLanes && size.bytes() > allowed) size.lanes /= 2;
  while (size.entry_chunks > kFewEntryChunks && size.bytes() > allowed) size.entry_chunks /= 2;
  return size;
}

// The header, the lanes, the chunk table, the first group of chunks, and the page from which the
// next group's mapping is made.
uint64_t first_mapping(uint32_t lanes, uint32_t chunks) {
  uint32_t first = chunks < kFirstGroupChunks ? chunks : kFirstGroupChunks;
  return pool_offset(lanes, chunks) + uint64_t{first} * kChunkBytes + kPageBytes;
}

void random_key(uint64_t key[2]) {
  constexpr long kNonBlock = 1;
  if (sys::call(SYS_getrandom, sys::arg(key), 16, kNonBlock) == 16) return;
  // Before the kernel's pool is filled (early boot). Ids must differ, not resist guessing.
  uint64_t seed = arch::read_tsc() ^ static_cast<uint64_t>(sys::getpid()) << 32;
  key[0] = keyed_mix(seed, static_cast<uint64_t>(sys::clock_ns(CLOCK_REALTIME)), 1);
  key[1] = keyed_mix(seed, static_cast<uint64_t>(sys::clock_ns(CLOCK_MONOTONIC)), 2);
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
  header->segment_bytes = size.bytes();
  header->lane_count = size.lanes;
  header->chunk_count = size.chunks();
  header->entry_chunks.store(size.entry_chunks, std::memory_order_relaxed);
  header->room_comes.store(1, std::memory_order_relaxed);
  header->bell_chunks.store(1, std::memory_order_relaxed);
  random_key(header->key);
  header->pid = sys::getpid();
  header->clock = g_process.clock;
  header->start_ticks = read_ticks();
  header->start_monotonic_ns = sys::clock_ns(CLOCK_MONOTONIC);
  header->start_realtime_ns = sys::clock_ns(CLOCK_REALTIME);
  header->inherited = g_process.inherited;
  header->parent = g_process.parent_ref;
  header->path_bytes = find_own_path(info, header->path);
  header->command_line_bytes = join_arguments(info, header->command_line, kCommandLineBytes);
  header->magic = kSegmentMagic;
}

void fill_process(SegmentHeader* header, const Size& size) {
  g_process.segment = header;
  g_process.key = {header->key[0], header->key[1]};
  g_process.lane_count = size.lanes;
  g_process.chunk_count = size.chunks();
  auto base = reinterpret_cast<uintptr_t>(header);
  g_process.lane_headers = reinterpret_cast<LaneHeader*>(base + lane_headers_offset());
  g_process.chunk_table = reinterpret_cast<ChunkEntry*>(base + chunk_table_offset(size.lanes));
  g_process.chunk_base[0].store(base + pool_offset(size.lanes, size.chunks()));
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

// Why there is no memory file.
UntracedReason reason_of(long error) {
  constexpr long kNoMemory = -12, kTableFull = -23, kTooMany = -24;  // ENOMEM, ENFILE, EMFILE
  if (error == kNoMemory) return UntracedReason::kNoMemory;
  bool none_free = error == kTableFull || error == kTooMany;
  return none_free ? UntracedReason::kNoDescriptor : UntracedReason::kNoMemoryFile;
}

int fail(int memfd, long error) {
  if (memfd >= 0) sys::close(memfd);
  return static_cast<int>(error);
}

}  // namespace

int create_segment(const StartInfo& info, uint64_t pool_bytes, UntracedReason* reason) {
  Size size = choose_size(pool_bytes);
  uint64_t bytes = size.bytes();
  *reason = UntracedReason::kFileSizeLimit;
  if (bytes > soft_limit(RLIMIT_FSIZE)) return -27;  // EFBIG
  constexpr long kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  long fd = sys::call(SYS_memfd_create, sys::arg("telinject"), kFlags | MFD_NOEXEC_SEAL);
  if (fd == -22) fd = sys::call(SYS_memfd_create, sys::arg("telinject"), kFlags);  // before 6.3
  if (fd < 0) {
    *reason = reason_of(fd);
    return static_cast<int>(fd);
  }
  int memfd = static_cast<int>(fd);
  *reason = UntracedReason::kNoMemory;
  long result = sys::call(SYS_ftruncate, memfd, static_cast<long>(bytes));
  if (sys::failed(result)) return fail(memfd, result);
  sys::call(SYS_fcntl, memfd, kAddSeals, kSealShrink);
  uint64_t mapped = first_mapping(size.lanes, size.chunks());
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
    if (add_first_lanes()) return memfd;
    result = -12;  // ENOMEM
  }
  sys::call(SYS_munmap, address, static_cast<long>(mapped));
  g_process.segment = nullptr;
  return fail(memfd, result);
}

void destroy_segment() {
  uint64_t mapped = first_mapping(g_process.lane_count, g_process.chunk_count);
  SegmentHeader* segment = g_process.segment;
  g_process.segment = nullptr;
  sys::call(SYS_munmap, sys::arg(segment), static_cast<long>(mapped));
}

}  // namespace telinject::program
