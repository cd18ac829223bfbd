#include "shim/drain/naming/code_map.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shim/drain/base/warn.h"

namespace telinject::drain {

std::shared_ptr<Module> ModuleCache::open(ModuleIdentity identity, uint64_t mapped_at_ticks) {
  std::string key = absl::StrCat(identity.path, absl::string_view("\0", 1), identity.build_id,
                                 absl::string_view("\0", 1), identity.inode);
  if (FileAccess* access = identity.access.get(); access != nullptr) {
    std::string as_joined = key + access->key();
    key = is_open(as_joined) ? as_joined : key + access->key_now();
  }
  Known& known = modules_[key];
  known.opened = ++openings_;
  if (known.module == nullptr) {
    identity.mapped_at_ns = clock_(mapped_at_ticks);
    known.module = open_file(identity);
    known.identity = std::move(identity);
  }
  return known.module;
}

bool ModuleCache::is_open(const std::string& key) const {
  auto found = modules_.find(key);
  return found != modules_.end() && found->second.module != nullptr;
}

std::vector<Module*> ModuleCache::unmapped() const {
  std::vector<std::pair<uint64_t, Module*>> found;
  for (const auto& [key, known] : modules_) {
    if (known.module.use_count() == 1) found.emplace_back(known.opened, known.module.get());
  }
  std::sort(found.begin(), found.end());
  if (found.size() > kMostUnmapped) {
    found.resize(found.size() - kMostUnmapped);
  } else {
    found.clear();
  }
  std::vector<Module*> modules;
  modules.reserve(found.size());
  for (const auto& [opened, module] : found) modules.push_back(module);
  return modules;
}

void ModuleCache::drop(const absl::flat_hash_set<const Module*>& modules) {
  std::erase_if(modules_,
                [&](const auto& each) { return modules.contains(each.second.module.get()); });
  left_ = modules_.size();
}

std::shared_ptr<Module> ModuleCache::open_file(const ModuleIdentity& identity) {
  std::string problem;
  std::shared_ptr<Module> module = Module::open(identity, &problem);
  if (!problem.empty()) warn(problem);
  return module;
}

void CodeMap::add(uint64_t start, uint64_t end, uint64_t file_offset, ModuleIdentity identity,
                  uint64_t ticks) {
  remove(start, end);
  if (mappings_->empty() && generation_ == 0) main_start_ = start;
  if (mappings_->size() >= kMostMappings) return;
  unshare();
  (*mappings_)[start] = {end, file_offset, std::move(identity), ticks, nullptr};
  generation_++;
}

void CodeMap::remove(uint64_t start, uint64_t end) {
  unshare();
  auto it = mappings_->lower_bound(start);
  if (it != mappings_->begin() && std::prev(it)->second.end > start) --it;
  while (it != mappings_->end() && it->first < end) {
    it = mappings_->erase(it);
    generation_++;
  }
}

void CodeMap::unshare() {
  if (mappings_.use_count() > 1) mappings_ = std::make_shared<Mappings>(*mappings_);
}

CodeMap::Mapping* CodeMap::mapping_at(uint64_t address, uint64_t* start) const {
  auto it = mappings_->upper_bound(address);
  if (it == mappings_->begin()) return nullptr;
  --it;
  if (address >= it->second.end) return nullptr;
  *start = it->first;
  return &it->second;
}

bool CodeMap::contains(uint64_t address) const {
  uint64_t start;
  return mapping_at(address, &start) != nullptr;
}

Module* CodeMap::open(Mapping* mapping) {
  if (mapping->module == nullptr) mapping->module = cache_->open(mapping->identity, mapping->ticks);
  return mapping->module.get();
}

CodePlace CodeMap::find(uint64_t address) {
  uint64_t start;
  Mapping* mapping = mapping_at(address, &start);
  if (mapping == nullptr) return {nullptr, address};
  Module* module = open(mapping);
  std::optional<uint64_t> vaddr = module->vaddr_of(address - start + mapping->file_offset);
  return vaddr.has_value() ? CodePlace{module, *vaddr} : CodePlace{nullptr, address};
}

uint64_t CodeMap::widen(uint32_t low_half, uint64_t near) const {
  constexpr uint64_t kHalf = uint64_t{1} << 32;
  uint64_t best = (near & ~(kHalf - 1)) | low_half;
  uint64_t distance = near > best ? near - best : best - near;
  if (distance > kHalf / 2) best = near > best ? best + kHalf : best - kHalf;
  if (contains(best)) return best;
  for (const auto& [start, mapping] : *mappings_) {
    uint64_t candidate = (start & ~(kHalf - 1)) | low_half;
    for (uint64_t address : {candidate, candidate + kHalf}) {
      if (address >= start && address < mapping.end) return address;
    }
  }
  return best;
}

Module* CodeMap::main_module() {
  auto it = mappings_->find(main_start_);
  return it != mappings_->end() ? open(&it->second) : nullptr;
}

std::string CodeMap::main_build_id() const {
  auto it = mappings_->find(main_start_);
  return it != mappings_->end() ? it->second.identity.build_id : std::string();
}

}  // namespace telinject::drain
