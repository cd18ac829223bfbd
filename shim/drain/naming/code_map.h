// Which module an address of a process belongs to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shim/symbols/module.h"

namespace telinject::drain {

// Without `root`, which is of a process that runs.
template <typename Archive>
void io_identity(Archive& a, ModuleIdentity* identity) {
  a(identity->path, identity->build_id, identity->inode, identity->device_major,
    identity->device_minor);
}

// Modules are shared by all processes that map the same file and may read it. Those that no process
// maps are kept for when they are loaded again, kMostUnmapped of them.
class ModuleCache {
 public:
  static constexpr size_t kMostUnmapped = 64;
  // Converts the hooks' clock to nanoseconds since the epoch.
  using Clock = std::function<int64_t(uint64_t ticks)>;
  explicit ModuleCache(Clock clock) : clock_(std::move(clock)) {}

  // `identity` without its time, which is given in ticks: that it is converted only now keeps a
  // program that makes no call from waiting for the clock's rate.
  std::shared_ptr<Module> open(ModuleIdentity identity, uint64_t mapped_at_ticks);

  // Modules have been opened since drop() was called last: it is worth a look.
  bool wants_sweep() const { return modules_.size() > left_ + kMostUnmapped; }
  // Those that no process maps and that are too many: the ones opened first.
  std::vector<Module*> unmapped() const;
  // Drops some of those, or none.
  void drop(const absl::flat_hash_set<const Module*>& modules);

  // Enrolls the modules.
  template <typename Archive>
  void io(Archive& a) {
    a(modules_);
    if (Archive::kReads) left_ = modules_.size();
    for (auto& [key, known] : modules_) {
      if constexpr (Archive::kReads) known.module = open_file(known.identity);
      a.enroll(known.module.get());
    }
  }

 private:
  struct Known {
    ModuleIdentity identity;
    std::shared_ptr<Module> module;
    uint64_t opened = 0;  // order of the last opening

    template <typename Archive>
    void io(Archive& a) {
      io_identity(a, &identity);
      a(identity.mapped_at_ns);
    }
  };
  bool is_open(const std::string& key) const;
  static std::shared_ptr<Module> open_file(const ModuleIdentity& identity);

  Clock clock_;
  std::map<std::string, Known> modules_;
  uint64_t openings_ = 0;
  size_t left_ = 0;
};

// A place in a module; `module` is null where no module is known, and then `vaddr` is the address.
struct CodePlace {
  Module* module = nullptr;
  uint64_t vaddr = 0;
};

// The executable mappings of one process, as it recorded them. A forked child starts with a copy of
// its parent's: copies share one list until one of them changes.
class CodeMap {
 public:
  explicit CodeMap(ModuleCache* cache) : cache_(cache) {}

  void add(uint64_t start, uint64_t end, uint64_t file_offset, ModuleIdentity identity,
           uint64_t ticks);
  void remove(uint64_t start, uint64_t end);

  CodePlace find(uint64_t address);
  bool contains(uint64_t address) const;
  // The address with this low half: the one nearest to `near` if that lies in a module, else one in
  // any module, else the nearest.
  uint64_t widen(uint32_t low_half, uint64_t near) const;
  // The program's own file: the first mapping recorded.
  Module* main_module();
  // As the program recorded it: raw bytes, "" if it has none.
  std::string main_build_id() const;
  // Changes whenever a mapping does; what was looked up before may be stale then.
  uint64_t generation() const { return generation_; }
  // Both are the same list, so neither has changed since one was copied from the other.
  bool shares_with(const CodeMap& other) const { return mappings_ == other.mappings_; }

  template <typename Archive>
  void io(Archive& a) {
    a(*mappings_, main_start_, generation_);
  }

 private:
  struct Mapping {
    template <typename Archive>
    void io(Archive& a) {
      a(end, file_offset, ticks);
      io_identity(a, &identity);
    }

    uint64_t end, file_offset;
    ModuleIdentity identity;
    uint64_t ticks;                  // when it was seen to be mapped
    std::shared_ptr<Module> module;  // opened at the first question
  };
  using Mappings = std::map<uint64_t, Mapping>;     // by start
  static constexpr size_t kMostMappings = 1 << 16;  // a process can have no more

  Mapping* mapping_at(uint64_t address, uint64_t* start) const;
  Module* open(Mapping* mapping);
  void unshare();

  ModuleCache* cache_;
  std::shared_ptr<Mappings> mappings_ = std::make_shared<Mappings>();
  uint64_t main_start_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace telinject::drain
