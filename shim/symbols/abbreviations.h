// Counts the abbreviations that libdw will read for a unit. libdw allocates 150 bytes for each,
// again for every unit, and keeps them: if many units share a long table, that is more than the
// file's size.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <elfutils/libdw.h>

#include <cstdint>
#include <span>

namespace telinject {

class Abbreviations {
 public:
  // `section` is a file's .debug_abbrev; it must outlive this object.
  explicit Abbreviations(std::span<const uint8_t> section) : section_(section) {}

  // The number of abbreviations in the table at that offset.
  uint64_t count(uint64_t offset);
  // The number up to and including the one with that code; all if there is none.
  uint64_t count_up_to(uint64_t offset, uint64_t code) const;
  // What libdw reads to go through the headers of all units of a .debug_info: for each of them up
  // to its first entry's. *largest: in the largest of their tables.
  uint64_t count_of_headers(std::span<const uint8_t> info, uint64_t* largest);

 private:
  std::span<const uint8_t> section_;
  absl::flat_hash_map<uint64_t, uint64_t> counts_;
};

// Is told when a reference leads to an entry of another unit, before libdw reads that.
class ReferenceWatch {
 public:
  // While it lives, this one is told on this thread. May be null.
  class Scope {
   public:
    explicit Scope(ReferenceWatch* watch);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ReferenceWatch* outer_;
  };
  static void follow(const Dwarf_Die& from, const Dwarf_Die& to);

 protected:
  ~ReferenceWatch() = default;

 private:
  virtual void reached(Dwarf_Die die) = 0;
};

}  // namespace telinject
