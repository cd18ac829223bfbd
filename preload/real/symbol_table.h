// The dynamic symbols of a loaded object, read where the loader has mapped them.
//
// Safety class: async-signal-safe while the object stays loaded, no allocation, no lock.
#pragma once

#include <link.h>

#include <cstddef>
#include <cstdint>

namespace telinject::program {

constexpr uint32_t gnu_hash(const char* name) {
  uint32_t hash = 5381;
  for (const char* p = name; *p != 0; p++) hash = hash * 33 + static_cast<unsigned char>(*p);
  return hash;
}

bool contains_address(const dl_phdr_info& object, uintptr_t address);

// A reference that an object makes to a symbol of others.
struct SymbolReference {
  const char* version;  // that it was linked against; null: none
};

// A place in an object where the address of such a symbol stands: all of it, nothing added.
struct SymbolPlace {
  const char* name;
  SymbolReference reference;
  uintptr_t place;
  bool is_slot;  // of the linkage table, which is filled at the first call, or when loaded
};

class SymbolTable {
 public:
  explicit SymbolTable(const dl_phdr_info& object);
  SymbolTable(uintptr_t base, const ElfW(Dyn) * dynamic);

  bool present() const { return symbols_ != nullptr && strings_ != nullptr; }

  // The address of the definition that is the default for those who ask for no version; null if
  // there is none. `hash` is gnu_hash(name).
  void* find(const char* name, uint32_t hash) const { return look_up(name, hash, nullptr); }
  // The definition of that version, or, in an object whose symbols have no versions, of the name.
  void* find_version(const char* name, uint32_t hash, const char* version) const {
    return look_up(name, hash, versions_ != nullptr ? version : nullptr);
  }

  // True if the object's code or data refers to `name` as something that others define.
  bool refers_to(const char* name, SymbolReference* reference) const;
  // visit(place), for all of them.
  template <typename Visit>
  void each_place(Visit&& visit) const {
    if (!present()) return;
    visit_places(plt_relocations_, plt_relocation_bytes_, visit);
    visit_places(relocations_, relocation_bytes_, visit);
  }
  // visit(name), for the libraries that the object was linked against.
  template <typename Visit>
  void each_need(Visit&& visit) const {
    if (!present()) return;
    for (const ElfW(Dyn)* entry = dynamic_; entry->d_tag != DT_NULL; entry++) {
      if (entry->d_tag == DT_NEEDED) visit(string(entry->d_un.d_val));
    }
  }
  // True if `other` is one of the libraries that the object was linked against.
  bool needs(const char* other) const;
  // The name that it goes by; null if it has none (the main program).
  const char* soname() const;

 private:
  template <typename Visit>
  void visit_places(const ElfW(Rela) * relocations, size_t bytes, Visit&& visit) const {
    for (size_t i = 0; relocations != nullptr && i < bytes / sizeof *relocations; i++) {
      const ElfW(Rela)& each = relocations[i];
      auto index = static_cast<uint32_t>(ELF64_R_SYM(each.r_info));
      uint64_t type = ELF64_R_TYPE(each.r_info);
      if (index == 0 || each.r_addend != 0 || !is_address(type)) continue;
      visit(SymbolPlace{string(symbols_[index].st_name),
                        {wanted_version(index)},
                        base_ + each.r_offset,
                        type == R_X86_64_JUMP_SLOT});
    }
  }
  static bool is_address(uint64_t relocation_type) {
    return relocation_type == R_X86_64_JUMP_SLOT || relocation_type == R_X86_64_GLOB_DAT ||
           relocation_type == R_X86_64_64;
  }
  void* look_up(const char* name, uint32_t hash, const char* version) const;
  void* find_gnu(const char* name, uint32_t hash, const char* version) const;
  void* find_all(const char* name, uint32_t count, const char* version) const;
  void* match(uint32_t index, const char* name, const char* version) const;
  bool has_version(uint32_t index, const char* version) const;
  const char* wanted_version(uint32_t index) const;
  bool refers_in(const ElfW(Rela) * relocations, size_t bytes, const char* name,
                 SymbolReference* reference) const;
  const char* string(uint64_t offset) const { return strings_ + offset; }

  uintptr_t base_;
  const ElfW(Dyn) * dynamic_;
  const ElfW(Sym) * symbols_ = nullptr;
  const char* strings_ = nullptr;
  const uint32_t* gnu_hash_ = nullptr;
  const uint32_t* sysv_hash_ = nullptr;
  const uint16_t* versions_ = nullptr;
  const ElfW(Verneed) * versions_needed_ = nullptr;
  const ElfW(Verdef) * versions_defined_ = nullptr;
  const ElfW(Rela) * relocations_ = nullptr;
  const ElfW(Rela) * plt_relocations_ = nullptr;
  size_t relocation_bytes_ = 0, plt_relocation_bytes_ = 0;
  uint64_t soname_ = 0;
};

}  // namespace telinject::program
