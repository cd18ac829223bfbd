// Which files are mapped where. Recorded by the program, for the drain cannot count on being in
// time to read /proc/PID/maps, nor on being allowed to.
//
// In the constructor all loaded objects are told, with their build ids. Later the list is read from
// /proc/self/maps, which takes no lock: after a dlopen, when a call comes from a mapping that is
// not known; around a dlclose; and at the end.
#include <elf.h>
#include <link.h>
#include <sys/uio.h>

#include "hooks/calls/messages.h"
#include "hooks/lane/maps.h"
#include "hooks/lane/services.h"
#include "preload/real/resolve.h"
#include "shim/channel/message.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject::program {

namespace {

struct Known {
  uintptr_t start, end;
  uint64_t identity;   // of the file; 0: unused
  UnwindTable unwind;  // no header: it has none
  bool by_loader;      // under the loader's name for the file, which may be a link
  bool seen;
};
constexpr uint32_t kKnownModules = 1024;
Known g_known[kKnownModules];
std::atomic<uint32_t> g_known_count;

// A second thread skips the reading, because the first sees the same mappings. A forked child
// starts over.
std::atomic<uint32_t> g_reading;

class Reading {
 public:
  Reading() {
    uint32_t free = 0;
    entered_ = g_reading.compare_exchange_strong(free, 1, std::memory_order_acquire);
  }
  ~Reading() {
    if (entered_) g_reading.store(0, std::memory_order_release);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  bool entered() const { return entered_; }

 private:
  bool entered_;
};

uint64_t hash_path(const char* path, size_t bytes) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < bytes; i++) {
    hash = (hash ^ static_cast<unsigned char>(path[i])) * 1099511628211u;
  }
  return hash | 1;
}

Known* find_known(uintptr_t start, uintptr_t end, uint64_t identity) {
  uint32_t count = g_known_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; i++) {
    Known& known = g_known[i];
    if (known.identity == 0 || known.start != start || known.end != end) continue;
    if (known.by_loader) {
      known.identity = identity;
      known.by_loader = false;
    }
    if (known.identity == identity) return &known;
  }
  return nullptr;
}

void remember(uintptr_t start, uintptr_t end, uint64_t identity, const UnwindTable& unwind,
              bool by_loader) {
  uint32_t count = g_known_count.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; i++) {
    if (g_known[i].identity == 0) {
      g_known[i] = {start, end, identity, unwind, by_loader, true};
      return;
    }
  }
  if (count == kKnownModules) return;  // told again at each reading; harmless
  g_known[count] = {start, end, identity, unwind, by_loader, true};
  g_known_count.store(count + 1, std::memory_order_release);
}

bool tell(const ModuleMessage& module, const char* path, size_t path_bytes) {
  return write_message(t_hook.lane, MessageType::kModule, &module, sizeof module, path, path_bytes);
}

// Another thread may be unmapping what is looked at.
bool peek(uintptr_t address, void* out, size_t bytes) {
  return peek_memory(address, out, bytes);
}

// Where .eh_frame_hdr is mapped, and the end of the segment that holds it (and .eh_frame, which
// linkers put behind it); nothing if there is none. `header(i)` is the i-th program header.
template <typename Header>
UnwindTable unwind_table(uintptr_t bias, int count, Header&& header) {
  for (int i = 0; i < count; i++) {
    Elf64_Phdr table;
    if (!header(i, &table) || table.p_type != PT_GNU_EH_FRAME) continue;
    for (int j = 0; j < count; j++) {
      Elf64_Phdr load;
      if (!header(j, &load) || load.p_type != PT_LOAD) continue;
      if (table.p_vaddr - load.p_vaddr >= load.p_memsz) continue;
      return {reinterpret_cast<const unsigned char*>(bias + table.p_vaddr),
              reinterpret_cast<const unsigned char*>(bias + load.p_vaddr + load.p_memsz)};
    }
  }
  return {};
}

// Looks for the GNU build id among the notes at an address.
template <typename Read>
void find_build_id(uintptr_t notes, size_t bytes, Read&& read, ModuleMessage* module) {
  uintptr_t at = notes, end = notes + bytes;
  while (at + sizeof(Elf64_Nhdr) <= end) {
    Elf64_Nhdr note;
    if (!read(at, &note, sizeof note)) return;
    uintptr_t name = at + sizeof note;
    uintptr_t description = name + ((note.n_namesz + 3) & ~3u);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4) {
      uint32_t size = note.n_descsz < kBuildIdBytes ? note.n_descsz : kBuildIdBytes;
      if (read(description, module->build_id, size)) module->build_id_bytes = size;
      return;
    }
    at = description + ((note.n_descsz + 3) & ~3u);
  }
}

// Build id and unwind table of the object whose ELF header is mapped at `base`.
void peek_object(uintptr_t base, ModuleMessage* module, UnwindTable* unwind) {
  Elf64_Ehdr header;
  if (!peek(base, &header, sizeof header) || header.e_phentsize != sizeof(Elf64_Phdr)) return;
  int count = header.e_phnum < 64 ? header.e_phnum : 64;
  auto read = [&](int i, Elf64_Phdr* program) {
    return peek(base + header.e_phoff + static_cast<uintptr_t>(i) * sizeof *program, program,
                sizeof *program);
  };
  uintptr_t bias = base;
  for (int i = 0; i < count; i++) {
    Elf64_Phdr program;
    if (!read(i, &program)) return;
    if (program.p_type == PT_LOAD && program.p_offset == 0) bias = base - program.p_vaddr;
    if (program.p_type == PT_NOTE && module->build_id_bytes == 0) {
      find_build_id(base + program.p_offset, program.p_filesz, peek, module);
    }
  }
  *unwind = unwind_table(bias, count, read);
}

// ---- in the constructor: the loader's own list

void tell_segment(const dl_phdr_info* info, const Elf64_Phdr& header, const char* path,
                  size_t path_bytes, const ModuleMessage& prototype, const UnwindTable& unwind) {
  ModuleMessage module = prototype;
  uintptr_t address = info->dlpi_addr + header.p_vaddr;
  uintptr_t page = address & ~uintptr_t{kPageBytes - 1};
  module.start = page;
  module.end = (address + header.p_memsz + kPageBytes - 1) & ~uintptr_t{kPageBytes - 1};
  module.file_offset = header.p_offset - (address - page);
  if (tell(module, path, path_bytes)) {
    remember(module.start, module.end, hash_path(path, path_bytes), unwind,
             /*by_loader=*/true);
  }
}

// A path on the stack is more than a hook may use: one buffer, which Reading guards.
char g_path[kPathBytes];

// A library that was found by a relative path (LD_LIBRARY_PATH=lib, an rpath, dlopen) has that as
// its name. The constructor runs before the program can change its directory. Null if it has none.
const char* in_working_directory(const char* path, size_t* path_bytes) {
  long bytes = sys::call(SYS_getcwd, sys::arg(g_path), sizeof g_path);
  if (bytes <= 1 || g_path[0] != '/') return nullptr;
  auto used = static_cast<size_t>(bytes) - 1;
  if (path[0] == '.' && path[1] == '/') path += 2, *path_bytes -= 2;
  TextBuffer text(g_path + used, sizeof g_path - used);
  if (used > 1) text.add('/');
  text.add(path, *path_bytes);
  *path_bytes = used + text.size();
  return text.overflow() ? nullptr : g_path;
}

bool has_slash(const char* path, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    if (path[i] == '/') return true;
  }
  return false;
}

int tell_object(dl_phdr_info* info, size_t, void*) {
  const char* path = info->dlpi_name;
  size_t path_bytes = path != nullptr ? text_length(path) : 0;
  if (path_bytes == 0) {
    // The main program has no name here; its file is the process's.
    path = g_process.segment->path;
    path_bytes = g_process.segment->path_bytes;
  }
  if (!has_slash(path, path_bytes)) return 0;  // the vdso
  if (path[0] != '/') path = in_working_directory(path, &path_bytes);
  if (path == nullptr) return 0;
  ModuleMessage prototype = {};
  auto copy = [](uintptr_t from, void* to, size_t bytes) {
    auto* f = reinterpret_cast<const char*>(from);
    for (size_t i = 0; i < bytes; i++) static_cast<char*>(to)[i] = f[i];
    return true;
  };
  for (int i = 0; i < info->dlpi_phnum && prototype.build_id_bytes == 0; i++) {
    const Elf64_Phdr& header = info->dlpi_phdr[i];
    if (header.p_type == PT_NOTE) {
      find_build_id(info->dlpi_addr + header.p_vaddr, header.p_memsz, copy, &prototype);
    }
  }
  UnwindTable unwind =
      unwind_table(info->dlpi_addr, info->dlpi_phnum, [&](int i, Elf64_Phdr* header) {
        *header = info->dlpi_phdr[i];
        return true;
      });
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const Elf64_Phdr& header = info->dlpi_phdr[i];
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0) {
      tell_segment(info, header, path, path_bytes, prototype, unwind);
    }
  }
  return 0;
}

// ---- later: the kernel's

void tell_mapping(const Mapping& mapping, uintptr_t base, const char* path) {
  uint64_t identity = hash_path(path, mapping.path_bytes);
  if (Known* known = find_known(mapping.start, mapping.end, identity)) {
    known->seen = true;
    return;
  }
  ModuleMessage module = {};
  module.start = mapping.start;
  module.end = mapping.end;
  module.file_offset = mapping.offset;
  module.inode = mapping.inode;
  module.device_major = mapping.device_major;
  module.device_minor = mapping.device_minor;
  UnwindTable unwind = {};
  if (base != 0) peek_object(base, &module, &unwind);
  if (tell(module, path, mapping.path_bytes)) {
    remember(mapping.start, mapping.end, identity, unwind, /*by_loader=*/false);
  }
}

void read_maps() {
  uint32_t count = g_known_count.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; i++) g_known[i].seen = false;
  MapsReader reader;
  if (!reader.ok()) return;
  Mapping mapping;
  uintptr_t base = 0;
  uint64_t base_identity = 0;
  while (reader.next(&mapping, g_path, sizeof g_path)) {
    if (mapping.path_bytes == 0 || g_path[0] != '/') continue;
    uint64_t identity = hash_path(g_path, mapping.path_bytes);
    if (mapping.offset == 0) {
      base = mapping.start;
      base_identity = identity;
    }
    if (mapping.executable) tell_mapping(mapping, base_identity == identity ? base : 0, g_path);
  }
  for (uint32_t i = 0; i < count; i++) {
    Known& known = g_known[i];
    if (known.identity == 0 || known.seen) continue;
    ModuleGoneMessage gone = {known.start, known.end};
    if (write_message(t_hook.lane, MessageType::kModuleGone, &gone, sizeof gone)) known = {};
  }
}

}  // namespace

void record_module_changes() {
  Reading reading;
  if (!reading.entered() || t_hook.lane == nullptr) return;
  if (g_known_count.load(std::memory_order_relaxed) == 0) {
    iterate_objects(tell_object, nullptr);
  } else if (g_process.restricted.load(std::memory_order_relaxed) == 0) {
    read_maps();
  }
}

bool is_known_module(const void* address) {
  auto at = reinterpret_cast<uintptr_t>(address);
  uint32_t count = g_known_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; i++) {
    const Known& known = g_known[i];
    if (known.identity != 0 && at - known.start < known.end - known.start) return true;
  }
  return false;
}

bool find_unwind_table(uintptr_t address, UnwindTable* table) {
  uint32_t count = g_known_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; i++) {
    const Known& known = g_known[i];
    if (known.identity == 0 || address - known.start >= known.end - known.start) continue;
    *table = known.unwind;
    return table->header != nullptr;
  }
  return false;
}

bool find_module(uintptr_t address, CodeRange* range) {
  uint32_t count = g_known_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; i++) {
    const Known& known = g_known[i];
    if (known.identity == 0 || address - known.start >= known.end - known.start) continue;
    *range = {known.start, known.end};
    return true;
  }
  return false;
}

bool same_module(uintptr_t a, uintptr_t b) {
  CodeRange range;
  return find_module(a, &range) && b - range.start < range.end - range.start;
}

bool is_own_code(uintptr_t address) {
  static uintptr_t start, end;  // both are set before `end` is seen
  auto here = reinterpret_cast<uintptr_t>(&is_own_code);
  if (__atomic_load_n(&end, __ATOMIC_ACQUIRE) == 0) {
    uint32_t count = g_known_count.load(std::memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
      const Known& known = g_known[i];
      if (known.identity == 0 || here - known.start >= known.end - known.start) continue;
      __atomic_store_n(&start, known.start, __ATOMIC_RELAXED);
      __atomic_store_n(&end, known.end, __ATOMIC_RELEASE);
    }
  }
  return address - start < end - start;
}

bool peek_memory(uintptr_t address, void* out, size_t bytes) {
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) return false;
  iovec local = {out, bytes}, remote = {reinterpret_cast<void*>(address), bytes};
  return sys::call(SYS_process_vm_readv, sys::getpid(), sys::arg(&local), 1, sys::arg(&remote), 1,
                   0) == static_cast<long>(bytes);
}

void reset_services_in_child() {
  g_reading.store(0, std::memory_order_relaxed);
}

}  // namespace telinject::program
