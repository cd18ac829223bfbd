#include "preload/real/symbol_table.h"

#include <elf.h>

#include "shim/channel/text.h"

namespace telinject::program {

namespace {

constexpr uint16_t kVersionMask = 0x7fff;
constexpr uint16_t kHidden = 0x8000;  // not the default version

template <typename T>
const T* behind(const T* entry, size_t bytes) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(entry) + bytes);
}

const ElfW(Dyn) * dynamic_section(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; i++) {
    if (object.dlpi_phdr[i].p_type == PT_DYNAMIC) {
      return reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + object.dlpi_phdr[i].p_vaddr);
    }
  }
  return nullptr;
}

}  // namespace

bool contains_address(const dl_phdr_info& object, uintptr_t address) {
  for (int i = 0; i < object.dlpi_phnum; i++) {
    const ElfW(Phdr)& header = object.dlpi_phdr[i];
    if (header.p_type == PT_LOAD &&
        address - (object.dlpi_addr + header.p_vaddr) < header.p_memsz) {
      return true;
    }
  }
  return false;
}

SymbolTable::SymbolTable(const dl_phdr_info& object)
    : SymbolTable(object.dlpi_addr, dynamic_section(object)) {}

// Most addresses in a dynamic section are relocated by glibc, save in objects whose section is
// read-only (the vdso).
SymbolTable::SymbolTable(uintptr_t base, const ElfW(Dyn) * dynamic)
    : base_(base), dynamic_(dynamic) {
  if (dynamic == nullptr) return;
  for (const ElfW(Dyn)* entry = dynamic; entry->d_tag != DT_NULL; entry++) {
    uint64_t number = entry->d_un.d_val;
    uintptr_t address = number < base ? base + number : number;
    switch (entry->d_tag) {
      case DT_SYMTAB:
        symbols_ = reinterpret_cast<const ElfW(Sym)*>(address);
        break;
      case DT_STRTAB:
        strings_ = reinterpret_cast<const char*>(address);
        break;
      case DT_GNU_HASH:
        gnu_hash_ = reinterpret_cast<const uint32_t*>(address);
        break;
      case DT_HASH:
        sysv_hash_ = reinterpret_cast<const uint32_t*>(address);
        break;
      case DT_VERSYM:
        versions_ = reinterpret_cast<const uint16_t*>(address);
        break;
      case DT_VERNEED:
        versions_needed_ = reinterpret_cast<const ElfW(Verneed)*>(address);
        break;
      case DT_VERDEF:
        versions_defined_ = reinterpret_cast<const ElfW(Verdef)*>(address);
        break;
      case DT_RELA:
        relocations_ = reinterpret_cast<const ElfW(Rela)*>(address);
        break;
      case DT_RELASZ:
        relocation_bytes_ = number;
        break;
      case DT_JMPREL:
        plt_relocations_ = reinterpret_cast<const ElfW(Rela)*>(address);
        break;
      case DT_PLTRELSZ:
        plt_relocation_bytes_ = number;
        break;
      case DT_SONAME:
        soname_ = number;
        break;
      default:
        break;
    }
  }
}

void* SymbolTable::look_up(const char* name, uint32_t hash, const char* version) const {
  if (!present()) return nullptr;
  if (gnu_hash_ != nullptr) return find_gnu(name, hash, version);
  if (sysv_hash_ != nullptr) return find_all(name, sysv_hash_[1], version);
  return nullptr;
}

void* SymbolTable::find_gnu(const char* name, uint32_t hash, const char* version) const {
  uint32_t buckets = gnu_hash_[0], first = gnu_hash_[1], bloom_words = gnu_hash_[2];
  uint32_t shift = gnu_hash_[3];
  auto* bloom = reinterpret_cast<const uint64_t*>(gnu_hash_ + 4);
  if (buckets == 0 || bloom_words == 0) return nullptr;
  uint64_t word = bloom[hash / 64 % bloom_words];
  if ((word >> hash % 64 & word >> (hash >> shift) % 64 & 1) == 0) return nullptr;
  auto* bucket = reinterpret_cast<const uint32_t*>(bloom + bloom_words);
  const uint32_t* chain = bucket + buckets;
  uint32_t index = bucket[hash % buckets];
  if (index < first) return nullptr;
  for (;; index++) {
    uint32_t entry = chain[index - first];
    if ((entry | 1) == (hash | 1)) {
      if (void* address = match(index, name, version)) return address;
    }
    if ((entry & 1) != 0) return nullptr;
  }
}

void* SymbolTable::find_all(const char* name, uint32_t count, const char* version) const {
  for (uint32_t index = 1; index < count; index++) {
    if (void* address = match(index, name, version)) return address;
  }
  return nullptr;
}

// The symbol's address if it has that name, is defined, and is of the version, or the default one.
void* SymbolTable::match(uint32_t index, const char* name, const char* version) const {
  const ElfW(Sym)& symbol = symbols_[index];
  if (symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0) return nullptr;
  if (version == nullptr && versions_ != nullptr && (versions_[index] & kHidden) != 0) {
    return nullptr;
  }
  if (!text_equal(string(symbol.st_name), name)) return nullptr;
  if (version != nullptr && !has_version(index, version)) return nullptr;
  uintptr_t address = base_ + symbol.st_value;
  switch (ELF64_ST_TYPE(symbol.st_info)) {
    case STT_GNU_IFUNC:
      return reinterpret_cast<void* (*)()>(address)();
    case STT_TLS:
      return nullptr;
    default:
      return reinterpret_cast<void*>(address);
  }
}

bool SymbolTable::has_version(uint32_t index, const char* version) const {
  uint16_t wanted = versions_[index] & kVersionMask;
  for (const ElfW(Verdef)* entry = versions_defined_; entry != nullptr;) {
    if ((entry->vd_ndx & kVersionMask) == wanted) {
      auto* name = reinterpret_cast<const ElfW(Verdaux)*>(behind(entry, entry->vd_aux));
      return text_equal(string(name->vda_name), version);
    }
    entry = entry->vd_next != 0 ? behind(entry, entry->vd_next) : nullptr;
  }
  return false;
}

const char* SymbolTable::wanted_version(uint32_t index) const {
  if (versions_ == nullptr) return nullptr;
  uint16_t wanted = versions_[index] & kVersionMask;
  for (const ElfW(Verneed)* entry = versions_needed_; entry != nullptr;) {
    auto* one = reinterpret_cast<const ElfW(Vernaux)*>(behind(entry, entry->vn_aux));
    for (int i = 0; i < entry->vn_cnt; i++) {
      if ((one->vna_other & kVersionMask) == wanted) return string(one->vna_name);
      one = behind(one, one->vna_next);
    }
    entry = entry->vn_next != 0 ? behind(entry, entry->vn_next) : nullptr;
  }
  return nullptr;
}

bool SymbolTable::refers_in(const ElfW(Rela) * relocations, size_t bytes, const char* name,
                            SymbolReference* reference) const {
  if (relocations == nullptr) return false;
  for (size_t i = 0; i < bytes / sizeof *relocations; i++) {
    auto index = static_cast<uint32_t>(ELF64_R_SYM(relocations[i].r_info));
    if (index == 0 || !text_equal(string(symbols_[index].st_name), name)) continue;
    reference->version = wanted_version(index);
    return true;
  }
  return false;
}

bool SymbolTable::refers_to(const char* name, SymbolReference* reference) const {
  return present() && (refers_in(plt_relocations_, plt_relocation_bytes_, name, reference) ||
                       refers_in(relocations_, relocation_bytes_, name, reference));
}

bool SymbolTable::needs(const char* other) const {
  bool found = false;
  each_need([&](const char* name) { found = found || text_equal(name, other); });
  return found;
}

const char* SymbolTable::soname() const {
  return present() && soname_ != 0 ? string(soname_) : nullptr;
}

}  // namespace telinject::program
