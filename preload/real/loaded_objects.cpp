#include "preload/real/loaded_objects.h"

#include <atomic>

#include "preload/real/library_functions.h"

namespace telinject::program {

namespace {

uint32_t g_initial_objects;

// Hashes of the names of files that were opened with RTLD_GLOBAL.
constexpr uint32_t kGlobals = 128;
std::atomic<uint32_t> g_globals[kGlobals];
std::atomic<uint32_t> g_global_count;

const char* file_name(const char* path) {
  const char* name = path;
  for (const char* p = path; *p != 0; p++) {
    if (*p == '/') name = p + 1;
  }
  return name;
}

bool was_made_global(const char* name) {
  uint32_t count = g_global_count.load(std::memory_order_acquire);
  uint32_t hash = gnu_hash(name);
  for (uint32_t i = 0; i < count && i < kGlobals; i++) {
    if (g_globals[i].load(std::memory_order_relaxed) == hash) return true;
  }
  return false;
}

// ---- the instruction before a return address

// True if those bytes are mapped and may be read.
bool is_readable(const dl_phdr_info& object, uintptr_t address, size_t bytes) {
  for (int i = 0; i < object.dlpi_phnum; i++) {
    const ElfW(Phdr)& header = object.dlpi_phdr[i];
    uintptr_t start = object.dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && (header.p_flags & PF_R) != 0 && address >= start &&
        address + bytes <= start + header.p_memsz) {
      return true;
    }
  }
  return false;
}

const uint8_t* bytes_at(uintptr_t address) {
  return reinterpret_cast<const uint8_t*>(address);
}

uintptr_t relative_target(uintptr_t next_instruction) {
  int32_t distance;
  __builtin_memcpy(&distance, bytes_at(next_instruction - sizeof distance), sizeof distance);
  return next_instruction + static_cast<intptr_t>(distance);
}

// Where a slot of the object's table of addresses leads; 0 if it is none.
uintptr_t read_slot(const dl_phdr_info& object, uintptr_t slot) {
  if (slot % sizeof(uintptr_t) != 0 || !is_readable(object, slot, sizeof slot)) return 0;
  return *reinterpret_cast<const uintptr_t*>(slot);
}

// A function of the object, or an entry of its linkage table: [endbr64] [bnd] jmp *slot(%rip).
uintptr_t behind_linkage(const dl_phdr_info& object, uintptr_t function) {
  if (!is_readable(object, function, 16)) return 0;
  const uint8_t* code = bytes_at(function);
  if (code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && code[3] == 0xfa) code += 4;
  if (code[0] == 0xf2) code++;
  if (code[0] != 0xff || code[1] != 0x25) return function;
  return read_slot(object, relative_target(reinterpret_cast<uintptr_t>(code) + 6));
}

// The function that is called by the instruction before `site`; 0 if it is called by a pointer.
uintptr_t called_function(const dl_phdr_info& object, uintptr_t site) {
  if (!is_readable(object, site - 6, 6)) return 0;
  const uint8_t* code = bytes_at(site - 6);
  if (code[0] == 0xff && code[1] == 0x15) return read_slot(object, relative_target(site));
  if (code[1] == 0xe8) return behind_linkage(object, relative_target(site));
  return 0;
}

}  // namespace

bool is_us(const dl_phdr_info& object) {
  return contains_address(object, reinterpret_cast<uintptr_t>(&g_initial_objects));
}

const char* name_of(const dl_phdr_info& object, const SymbolTable& table) {
  const char* name = table.soname();
  if (name != nullptr || object.dlpi_name == nullptr) return name;
  return file_name(object.dlpi_name);
}

bool is_initial(uint32_t index) {
  return index < g_initial_objects;
}

GlobalObjects::GlobalObjects() {
  if (g_global_count.load(std::memory_order_acquire) == 0) return;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t index) {
    const char* path = object.dlpi_name;
    if (path != nullptr && was_made_global(file_name(path))) set(index);
    return false;
  });
  while (add_needed()) {
  }
}

bool GlobalObjects::add_needed() {
  bool grown = false;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t index) {
    if (!has(index)) return false;
    SymbolTable table(object);
    each_loaded_object([&](const dl_phdr_info& other, uint32_t other_index) {
      const char* name = name_of(other, SymbolTable(other));
      if (other_index >= kObjects || has(other_index) || name == nullptr || !table.needs(name)) {
        return false;
      }
      set(other_index);
      grown = true;
      return false;
    });
    return false;
  });
  return grown;
}

const void* caller_of(const void* call_site) {
  auto site = reinterpret_cast<uintptr_t>(call_site);
  uintptr_t function = 0;
  bool in_caller = false;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
    if (!contains_address(object, site)) return false;
    function = called_function(object, site);
    in_caller = contains_address(object, function);
    return true;
  });
  if (function == 0) return nullptr;
  bool ours = false;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
    ours = is_us(object) && contains_address(object, function);
    return ours;
  });
  return ours || in_caller ? call_site : reinterpret_cast<const void*>(function);
}

void note_global_library(const char* path) {
  const char* name = file_name(path);
  if (was_made_global(name)) return;
  uint32_t place = g_global_count.load(std::memory_order_relaxed);
  while (place < kGlobals && !g_global_count.compare_exchange_weak(place, place + 1)) {
  }
  if (place < kGlobals) g_globals[place].store(gnu_hash(name), std::memory_order_release);
}

void note_initial_objects() {
  each_loaded_object([](const dl_phdr_info&, uint32_t index) {
    g_initial_objects = index + 1;
    return false;
  });
}

}  // namespace telinject::program
