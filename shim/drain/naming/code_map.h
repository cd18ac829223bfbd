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
#include "shim/symbols/module.h"

namespace telinject::drain {

// Without `root`, which is of a process that runs.
template <typename Archive>
void io_identity(Archive& a, ModuleIdentity* identity) {
  a(identity->path, identity->build_id, identity->inode, identity->device_major,
    identity->device_minor);
}

// Modules are shared by all processes that map the same file.
class ModuleCache {
 public:
  // Converts the hooks' clock to nanoseconds since the epoch.
  using Clock = std::function<int64_t(uint64_t ticks)>;
  explicit ModuleCache(Clock clock) : clock_(std::move(clock)) {}

  // `identity` without its time, which is given in ticks: that it is converted only now keeps a
  // program that makes no call from waiting for the clock's rate.
  std::shared_ptr<Module> open(ModuleIdentity identity, uint64_t mapped_at_ticks);

  // Enrolls the modules.
  template <typename Archive>
  void io(Archive& a) {
    a(modules_);
    for (auto& [key, known] : modules_) {
      if constexpr (Archive::kReads) known.module = open_file(known.identity);
      a.enroll(known.module.get());
    }
  }

 private:
  struct Known {
    ModuleIdentity identity;
    std::shared_ptr<Module> module;

    template <typename Archive>
    void io(Archive& a) {
      io_identity(a, &identity);
      a(identity.mapped_at_ns);
    }
  };
  static std::shared_ptr<Module> open_file(const ModuleIdentity& identity);

  Clock clock_;
  std::map<std::string, Known> modules_;
};

// A place in a module; `module` is null where no module is known, and then `vaddr` is the address.
struct CodePlace {
  Module* module = nullptr;
  uint64_t vaddr = 0;
};

// The executable mappings of one process, as it recorded them. A forked child starts with a copy of
// its parent's.
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

  template <typename Archive>
  void io(Archive& a) {
    a(mappings_, main_start_, generation_);
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
  Mapping* mapping_at(uint64_t address, uint64_t* start);
  Module* open(Mapping* mapping);

  ModuleCache* cache_;
  std::map<uint64_t, Mapping> mappings_;  // by start
  uint64_t main_start_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace telinject::drain
