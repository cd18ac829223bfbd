#include "shim/symbols/symbol_table.h"

#include <elf.h>
#include <gelf.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "shim/symbols/demangle.h"
#include "shim/symbols/reading_budget.h"

namespace telinject {

namespace {

constexpr uint32_t kMaxSources = (1u << 30) - 1;
constexpr size_t kMaxEntries = size_t{1} << 25;  // of a table; the largest programs have some 3M
constexpr size_t kMaxSymbols = size_t{1} << 24;
// Names may share their ends, as linkers have it. A table in which they share much more is made to
// be long to sort.
constexpr size_t kMostNamesFromAByte = 8;
constexpr size_t kNamesAlwaysAllowed = size_t{16} << 20;
constexpr size_t kMaxName = size_t{1} << 20;

struct StringSection {
  const char* text = nullptr;
  size_t bytes = 0;  // up to and with the last terminator: any offset below is a terminated string

  const char* at(uint32_t offset) const { return offset < bytes ? text + offset : nullptr; }
};

StringSection string_section(Elf* elf, uint32_t index) {
  Elf_Scn* section = elf_getscn(elf, index);
  Elf_Data* data = section == nullptr ? nullptr : elf_getdata(section, nullptr);
  if (data == nullptr || data->d_buf == nullptr) return {};
  const char* text = static_cast<const char*>(data->d_buf);
  const void* last = memrchr(text, 0, data->d_size);
  if (last == nullptr) return {};
  return {text, static_cast<size_t>(static_cast<const char*>(last) - text) + 1};
}

uint32_t rank_of(unsigned char binding) {
  if (binding == STB_GLOBAL || binding == STB_GNU_UNIQUE) return 0;
  return binding == STB_WEAK ? 1 : 2;
}

size_t leading_underscores(std::string_view name) {
  if (is_mangled(name)) return 0;
  return std::min(name.find_first_not_of('_'), name.size());
}

bool by_address_then_quality(const Symbol& a, const Symbol& b) {
  if (a.vaddr != b.vaddr) return a.vaddr < b.vaddr;
  if (a.rank != b.rank) return a.rank < b.rank;
  std::string_view left = a.name, right = b.name;
  return std::tuple(leading_underscores(left), left.size(), left) <
         std::tuple(leading_underscores(right), right.size(), right);
}

// Of a list of names in which those that are the same stand together.
uint64_t name_key(std::string_view name) {
  return uint64_t{static_cast<uint32_t>(std::hash<std::string_view>()(name))} << 32;
}

uint64_t end_of(const Symbol& symbol) {
  uint64_t end = symbol.vaddr + std::max<uint64_t>(symbol.bytes, 1);
  return end > symbol.vaddr ? end : ~uint64_t{0};
}

}  // namespace

size_t SymbolTable::add(std::shared_ptr<ElfFile> file, uint32_t section_type,
                        const std::function<bool(uint64_t)>& is_code) {
  size_t before = symbols_.size();
  file->each_section([&](const ElfFile::Section& section) {
    if (section.type != section_type) return true;
    Elf_Data* data = elf_getdata(section.handle, nullptr);
    StringSection names = string_section(file->handle(), section.link);
    if (data == nullptr || data->d_buf == nullptr || names.text == nullptr) return false;
    uint32_t source = 0;
    size_t count = std::min(data->d_size / sizeof(Elf64_Sym), kMaxEntries);
    size_t name_bytes = names.bytes * kMostNamesFromAByte + kNamesAlwaysAllowed;
    for (size_t i = 0; i < count && symbols_.size() < kMaxSymbols; i++) {
      ReadingBudget::spend();
      Elf64_Sym entry;
      memcpy(&entry, static_cast<const char*>(data->d_buf) + i * sizeof entry, sizeof entry);
      unsigned char type = ELF64_ST_TYPE(entry.st_info);
      if (type == STT_FILE) {  // stands before the local symbols of that source file
        source = sources_ = std::min(sources_ + 1, kMaxSources);
        continue;
      }
      if ((type != STT_FUNC && type != STT_GNU_IFUNC) || entry.st_shndx == SHN_UNDEF) continue;
      const char* name = names.at(entry.st_name);
      if (name == nullptr || *name == 0 || !is_code(entry.st_value)) continue;
      size_t length = strnlen(name, std::min(kMaxName, name_bytes));
      if (length == kMaxName || length == name_bytes) continue;
      name_bytes -= length;
      uint32_t rank = rank_of(ELF64_ST_BIND(entry.st_info));
      uint64_t bytes = std::min<uint64_t>(entry.st_size, ~uint32_t{0});
      symbols_.push_back({entry.st_value, name, static_cast<uint32_t>(bytes),
                          (rank == 2 ? source : 0) & kMaxSources, rank & 3});
    }
    return false;
  });
  files_.push_back(std::move(file));
  return symbols_.size() - before;
}

void SymbolTable::sort() {
  std::sort(symbols_.begin(), symbols_.end(), by_address_then_quality);
  symbols_.shrink_to_fit();
  highest_end_.clear();
  highest_end_.reserve(symbols_.size());
  uint64_t highest = 0;
  for (const Symbol& symbol : symbols_) {
    highest = std::max(highest, end_of(symbol));
    highest_end_.push_back(highest);
  }
}

std::span<const Symbol> SymbolTable::at(uint64_t vaddr) const {
  return between(vaddr, vaddr == ~uint64_t{0} ? vaddr : vaddr + 1);
}

std::span<const Symbol> SymbolTable::between(uint64_t begin, uint64_t end) const {
  auto before = [](const Symbol& symbol, uint64_t vaddr) { return symbol.vaddr < vaddr; };
  auto first = std::lower_bound(symbols_.begin(), symbols_.end(), begin, before);
  return {first, std::lower_bound(first, symbols_.end(), end, before)};
}

const Symbol* SymbolTable::covering(uint64_t vaddr) const {
  auto after = std::upper_bound(symbols_.begin(), symbols_.end(), vaddr,
                                [](uint64_t value, const Symbol& s) { return value < s.vaddr; });
  for (size_t i = static_cast<size_t>(after - symbols_.begin()); i-- > 0;) {
    if (highest_end_[i] <= vaddr) return nullptr;  // nor does anything before it reach this far
    if (end_of(symbols_[i]) <= vaddr) continue;
    for (const Symbol& alias : at(symbols_[i].vaddr)) {
      if (end_of(alias) > vaddr) return &alias;
    }
  }
  return nullptr;
}

const Symbol* SymbolTable::find(std::string_view name) const {
  const Symbol* best = nullptr;
  for (const Symbol& symbol : symbols_) {
    if (name != symbol.name) continue;
    if (best == nullptr || symbol.rank < best->rank) best = &symbol;
  }
  return best;
}

void SymbolTable::index_names() const {
  by_name_.reserve(symbols_.size());
  for (size_t i = 0; i < symbols_.size(); i++) by_name_.push_back(name_key(symbols_[i].name) | i);
  std::sort(by_name_.begin(), by_name_.end());
}

const Symbol& SymbolTable::base_of(const Symbol& symbol) const {
  std::string_view base = without_clone_suffix(symbol.name);
  if (base.size() == strlen(symbol.name)) return symbol;
  if (by_name_.empty()) index_names();
  const Symbol* global = nullptr;
  uint64_t key = name_key(base);
  for (auto it = std::lower_bound(by_name_.begin(), by_name_.end(), key);
       it != by_name_.end() && (*it ^ key) >> 32 == 0; ++it) {
    ReadingBudget::spend();
    const Symbol& other = symbols_[*it & UINT32_MAX];
    if (base != other.name) continue;
    if (other.rank == 2 && other.source == symbol.source) return other;
    if (other.rank < 2) global = &other;
  }
  return global == nullptr ? symbol : *global;
}

}  // namespace telinject
