#include "preload/real/resolve.h"

#include <atomic>

#include "hooks/lane/maps.h"
#include "hooks/lane/services.h"
#include "preload/real/symbol_table.h"
#include "shim/channel/layout.h"
#include "shim/channel/text.h"

// Weak, at glibc's oldest version: a program whose libc lacks it must still be able to load us.
extern "C" void __cyg_profile_func_enter(void*, void*);
extern "C" void __cyg_profile_func_exit(void*, void*);
extern "C" __attribute__((weak)) int dl_iterate_phdr(int (*)(dl_phdr_info*, size_t, void*), void*);
#pragma weak _r_debug

namespace telinject::program {

namespace {

struct Wanted {
  const char* name;
  bool variable;  // first definition anywhere, rather than behind us
};

constexpr Wanted kWanted[] = {
#define TELINJECT_REAL(name, is_variable) {#name, is_variable},
#include "preload/real/interposed.def"
};

using Iterate = int (*)(int (*)(dl_phdr_info*, size_t, void*), void*);
Iterate g_iterate;
char g_library_path[kPathBytes];

// Visits the loaded objects in order; `behind` tells whether our own has been passed.
template <typename Visit>
struct Walk {
  Visit visit;
  bool behind = false;
  static int step(dl_phdr_info* info, size_t, void* data) {
    auto* walk = static_cast<Walk*>(data);
    if (contains_address(*info, reinterpret_cast<uintptr_t>(&g_library_path))) {
      walk->behind = true;
      if (info->dlpi_name != nullptr && info->dlpi_name[0] == '/' && g_library_path[0] == 0) {
        TextBuffer(g_library_path, sizeof g_library_path).add(info->dlpi_name);
      }
      return 0;
    }
    // The vdso offers a clock_gettime of its own, which does not set errno; libc's is wanted.
    bool vdso = info->dlpi_name != nullptr && text_starts(info->dlpi_name, "linux-vdso");
    SymbolTable table(*info);
    if (!table.present() || vdso) return 0;
    return walk->visit(info, table, walk->behind) ? 1 : 0;
  }
};

template <typename Visit>
void each_object(Visit&& visit) {
  Walk<Visit&> walk{visit};
  iterate_objects(&Walk<Visit&>::step, &walk);
}

void* find(const Wanted& wanted) {
  void* found = nullptr;
  uint32_t hash = gnu_hash(wanted.name);
  each_object([&](const dl_phdr_info*, const SymbolTable& table, bool behind) {
    if (behind || wanted.variable) found = table.find(wanted.name, hash);
    return found != nullptr;
  });
  return found;
}

}  // namespace

std::atomic<void*> g_real[kRealCount];

// The last definition is libc's. A sanitizer that is linked into the program (clang's way) has one
// before it, which calls through a null pointer until the sanitizer is set up, and our constructor
// comes first. The loader's own list is read for this one symbol, while nothing else runs yet.
static void find_iteration() {
  g_iterate = dl_iterate_phdr;
  if (&_r_debug == nullptr) return;
  uint32_t hash = gnu_hash("dl_iterate_phdr");
  bool behind = false;
  for (const link_map* object = _r_debug.r_map; object != nullptr; object = object->l_next) {
    behind = behind || object->l_ld == _DYNAMIC;
    if (!behind || object->l_ld == nullptr) continue;
    if (void* address = SymbolTable(object->l_addr, object->l_ld).find("dl_iterate_phdr", hash)) {
      g_iterate = reinterpret_cast<Iterate>(address);
    }
  }
}

int iterate_objects(int (*step)(dl_phdr_info*, size_t, void*), void* data) {
  return g_iterate != nullptr ? g_iterate(step, data) : 0;
}

void resolve_all() {
  find_iteration();
  uint32_t hashes[kRealCount];
  for (uint32_t i = 0; i < kRealCount; i++) hashes[i] = gnu_hash(kWanted[i].name);
  each_object([&](const dl_phdr_info*, const SymbolTable& table, bool behind) {
    for (uint32_t i = 0; i < kRealCount; i++) {
      if (g_real[i].load(std::memory_order_relaxed) != nullptr) continue;
      if (!behind && !kWanted[i].variable) continue;
      if (void* address = table.find(kWanted[i].name, hashes[i])) {
        g_real[i].store(address, std::memory_order_release);
      }
    }
    return false;
  });
}

void* find_real_address(RealSymbol symbol) {
  // Called before our constructor: by code of the program's preinit_array.
  if (g_iterate == nullptr) find_iteration();
  void* address = find(kWanted[symbol]);
  g_real[symbol].store(address, std::memory_order_release);
  return address;
}

void* real_begin_catch(uint64_t exception_class) {
  constexpr uint64_t kLlvm = 0x434c4e47432b2b00;  // "CLNGC++\0", big endian
  static std::atomic<void*> llvm;
  if ((exception_class & ~uint64_t{0xff}) != kLlvm) return real_address(kReal___cxa_begin_catch);
  void* address = llvm.load(std::memory_order_acquire);
  if (address != nullptr) return address;
  uint32_t hash = gnu_hash("__cxa_begin_catch");
  each_object([&](const dl_phdr_info* info, const SymbolTable& table, bool) {
    const char* name = info->dlpi_name;
    for (const char* p = name; p != nullptr && *p != 0; p++) {
      if (text_starts(p, "libc++abi.so")) address = table.find("__cxa_begin_catch", hash);
    }
    return address != nullptr;
  });
  if (address == nullptr) address = real_address(kReal___cxa_begin_catch);
  llvm.store(address, std::memory_order_release);
  return address;
}

bool is_hook(uintptr_t address) {
  return address == reinterpret_cast<uintptr_t>(&__cyg_profile_func_enter) ||
         address == reinterpret_cast<uintptr_t>(&__cyg_profile_func_exit);
}

uintptr_t bind_function(uintptr_t module, uint64_t number) {
  struct {
    uintptr_t base, name;
    const ElfW(Dyn) * dynamic;
  } map;  // as <link.h> has it
  if (!peek_memory(module, &map, sizeof map) || map.dynamic == nullptr) return 0;
  uintptr_t relocations = 0, symbols = 0, strings = 0;
  for (const ElfW(Dyn)* entry = map.dynamic; entry->d_tag != DT_NULL; entry++) {
    uintptr_t value = entry->d_un.d_ptr;
    if (entry->d_tag == DT_JMPREL) relocations = value;
    if (entry->d_tag == DT_SYMTAB) symbols = value;
    if (entry->d_tag == DT_STRTAB) strings = value;
  }
  Elf64_Rela relocation;
  Elf64_Sym symbol;
  if (!peek_memory(relocations + number * sizeof relocation, &relocation, sizeof relocation) ||
      !peek_memory(symbols + ELF64_R_SYM(relocation.r_info) * sizeof symbol, &symbol,
                   sizeof symbol)) {
    return 0;
  }
  auto* name = reinterpret_cast<const char*>(strings + symbol.st_name);
  return reinterpret_cast<uintptr_t>(find({name, true}));
}

const char* library_path() {
  if (g_library_path[0] == '/') return g_library_path;
  each_object([](const dl_phdr_info*, const SymbolTable&, bool) { return false; });
  if (g_library_path[0] == '/') return g_library_path;
  // Preloaded by a relative path: the kernel knows the whole one.
  MapsReader reader;
  Mapping mapping;
  auto here = reinterpret_cast<uintptr_t>(&library_path);
  while (reader.ok() && reader.next(&mapping, g_library_path, sizeof g_library_path - 1)) {
    g_library_path[mapping.path_bytes] = 0;
    if (here - mapping.start < mapping.end - mapping.start && g_library_path[0] == '/') {
      return g_library_path;
    }
  }
  g_library_path[0] = 0;
  return g_library_path;
}

}  // namespace telinject::program
