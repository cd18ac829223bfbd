#include "preload/process/deep_binding.h"

#include <sys/mman.h>

#include <atomic>

#include "preload/real/loaded_objects.h"
#include "preload/real/wrappers.h"
#include "preload/start/startup.h"
#include "shim/channel/layout.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject::program {

namespace {

// The list of loaded objects when the thread began to open: how many, and how many had gone.
struct Before {
  uint32_t objects;
  uint64_t gone;
};
__thread bool t_opening __attribute__((tls_model("initial-exec")));
__thread Before t_before __attribute__((tls_model("initial-exec")));

Before list_now() {
  Before now = {};
  each_loaded_object([&](const dl_phdr_info& object, uint32_t index) {
    now = {index + 1, object.dlpi_subs};
    return false;
  });
  return now;
}

// The libraries that were opened: the first one, and what it needs, nearest first, as the loader
// searches them.
struct Scope {
  static constexpr uint32_t kObjects = 256;
  struct Object {
    uintptr_t base;
    const ElfW(Dyn) * dynamic;
  };
  Object objects[kObjects];
  uint32_t count;

  void add(const dl_phdr_info& object);
  void find(uint32_t root);
  void* definition(const Wrapper& wrapper, const char* version) const;
};
// Used by the thread that holds the lock of the loader's list.
Scope g_scope;

const ElfW(Dyn) * dynamic_of(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; i++) {
    const ElfW(Phdr)& header = object.dlpi_phdr[i];
    if (header.p_type == PT_DYNAMIC) {
      return reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + header.p_vaddr);
    }
  }
  return nullptr;
}

void Scope::add(const dl_phdr_info& object) {
  const ElfW(Dyn)* dynamic = dynamic_of(object);
  for (uint32_t i = 0; i < count; i++) {
    if (objects[i].dynamic == dynamic) return;
  }
  if (count < kObjects && dynamic != nullptr) objects[count++] = {object.dlpi_addr, dynamic};
}

void Scope::find(uint32_t root) {
  count = 0;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t index) {
    if (index == root) add(object);
    return index == root;
  });
  for (uint32_t i = 0; i < count; i++) {
    SymbolTable table(objects[i].base, objects[i].dynamic);
    table.each_need([&](const char* wanted) {
      each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
        const char* name = name_of(object, SymbolTable(object));
        bool found = name != nullptr && text_equal(name, wanted);
        if (found) add(object);
        return found;
      });
    });
  }
}

void* Scope::definition(const Wrapper& wrapper, const char* version) const {
  for (uint32_t i = 0; i < count; i++) {
    SymbolTable table(objects[i].base, objects[i].dynamic);
    if (void* found = table.find_version(wrapper.name, wrapper.hash, version)) return found;
  }
  return nullptr;
}

// ---- an object's references

// Pages that the loader has made read-only once all was bound (RELRO); they are so again when this
// is over.
class Writable {
 public:
  Writable(const dl_phdr_info& object, uintptr_t place) {
    for (int i = 0; i < object.dlpi_phnum; i++) {
      const ElfW(Phdr)& header = object.dlpi_phdr[i];
      if (header.p_type != PT_GNU_RELRO) continue;
      uintptr_t start = page_of(object.dlpi_addr + header.p_vaddr);
      uintptr_t end = page_of(object.dlpi_addr + header.p_vaddr + header.p_memsz);
      if (place - start < end - start) page_ = page_of(place);
    }
    if (page_ != 0) ok_ = !sys::failed(protect(PROT_READ | PROT_WRITE));
  }
  ~Writable() {
    if (page_ != 0 && ok_) protect(PROT_READ);
  }
  Writable(const Writable&) = delete;
  Writable& operator=(const Writable&) = delete;
  bool ok() const { return ok_; }

 private:
  static uintptr_t page_of(uintptr_t address) { return address & ~uintptr_t{kPageBytes - 1}; }
  long protect(long protection) const {
    return sys::call(SYS_mprotect, static_cast<long>(page_), kPageBytes, protection);
  }

  uintptr_t page_ = 0;
  bool ok_ = true;
};

void wrap_reference(const dl_phdr_info& object, const SymbolTable& table,
                    const SymbolPlace& symbol) {
  const Wrapper* wrapper = find_wrapper(symbol.name);
  if (wrapper == nullptr) return;
  auto* place = reinterpret_cast<std::atomic<void*>*>(symbol.place);
  void* there = place->load(std::memory_order_relaxed);
  void* bound = there;
  if (contains_address(object, reinterpret_cast<uintptr_t>(bound))) {
    // A slot that is not bound yet, and led to the loader by the object's own linkage table; or a
    // function of the object's own, which it defines by this name or has put here itself.
    if (!symbol.is_slot || table.find(wrapper->name, wrapper->hash) != nullptr) return;
    bound = g_scope.definition(*wrapper, symbol.reference.version);
  }
  void* instead = wrapped(*wrapper, bound);
  if (instead == bound) return;
  Writable writable(object, symbol.place);
  if (writable.ok()) place->compare_exchange_strong(there, instead, std::memory_order_acq_rel);
}

void wrap_objects(uint32_t first) {
  g_scope.find(first);
  if (g_scope.count == 0) return;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t index) {
    if (index < first) return false;
    SymbolTable table(object);
    table.each_place([&](const SymbolPlace& place) { wrap_reference(object, table, place); });
    return false;
  });
}

}  // namespace

void note_deep_binding() {
  if (!tracing() || g_process.restricted.load(std::memory_order_relaxed) != 0) return;
  t_before = list_now();
  t_opening = true;
}

void wrap_deep_bindings() {
  if (!t_opening) return;
  t_opening = false;
  if (!tracing() || g_process.restricted.load(std::memory_order_relaxed) != 0) return;
  // Within one walk, so that no library is loaded or unloaded meanwhile. If one has gone since,
  // what is new cannot be told.
  each_loaded_object([](const dl_phdr_info& object, uint32_t) {
    if (object.dlpi_subs == t_before.gone) wrap_objects(t_before.objects);
    return true;
  });
}

}  // namespace telinject::program
