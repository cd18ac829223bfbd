// Turns what a record says of a call into a Site, once for each (function, place).
//
// Sites of code that stays are kept: there are so many at most as the code has calls. Code may also
// come and go: what a program makes as it runs lies in no module, and modules are unloaded. Sites
// with a place in such code are passing; when there are many of them, sweep() forgets those that
// nobody refers to. A site that is asked for again is made again; its totals go on.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/drain/naming/code_map.h"
#include "shim/drain/naming/site_resolver.h"
#include "shim/drain/naming/sites.h"
#include "shim/drain/naming/span_filter.h"
#include "shim/drain/naming/totals_table.h"

namespace telinject::drain {

// Sites and totals of all processes: those that map the same files share them.
class SiteCache {
 public:
  static constexpr size_t kMostPassing = 16384;
  using Modules = TotalsTable::Modules;
  // Sites and their functions.
  using InUse = absl::flat_hash_set<const void*>;

  // `filter` may be null.
  explicit SiteCache(const SpanFilter* filter = nullptr) : filter_(filter) {}

  const Site* site(const CodePlace& function, const CodePlace& return_address,
                   const CodePlace& call_site);
  std::vector<uint64_t> chain(const CodePlace& place);

  // In no order.
  const std::deque<FunctionTotals>& totals() const { return totals_.rows(); }

  // Changes when sites are forgotten: what was looked up before may be gone then.
  uint64_t generation() const { return generation_; }
  // Called when there are more passing sites than kMostPassing, before another one is made: shall
  // call sweep().
  void on_too_many(std::function<void()> sweep) { too_many_ = std::move(sweep); }
  // Forgets passing sites that are not in use, and all that is known of the modules in `dropped`:
  // no site in use has a place in one. `forgotten`: of each, before it goes.
  void sweep(const InUse& used, const Modules& dropped,
             const std::function<void(const Site&)>& forgotten);
  // The modules that sites in use have places in.
  void find_modules(const InUse& used, Modules* found) const;

  // Enrolls the sites. The modules have been enrolled.
  template <typename Archive>
  void io(Archive& a) {
    a(totals_, next_id_, next_number_);
    io_places(a, &ids_, [&](uint64_t& id) { a(id); });
    auto places = [&](Key* key) {
      io_place(a, &std::get<0>(*key));
      io_place(a, &std::get<1>(*key));
      io_place(a, &std::get<2>(*key));
    };
    io_table(a, &sites_, places, [&](Site& site) {
      a(site);
      a.enroll(const_cast<const Site*>(&site));
      a.enroll(const_cast<const FunctionInfo*>(&site.function));
    });
    if (Archive::kReads && !number_anew()) a.fail();
  }

 private:
  struct Description;
  Description describe(const CodePlace& function, const CodePlace& return_address,
                       const CodePlace& call_site);
  uint64_t global_id(const CodePlace& place, uint64_t id);
  uint32_t take_number();
  bool number_anew();

  using Place = std::pair<Module*, uint64_t>;
  using Key = std::tuple<Place, Place, Place>;  // function, return address, call site
  static bool is_passing(const Key& key);
  static bool lies_in(const Key& key, const Modules& modules);
  template <typename Archive>
  static void io_place(Archive& a, Place* place) {
    a.refer(place->first);
    a(place->second);
  }
  template <typename Archive, typename Table, typename KeyIo, typename ValueIo>
  static void io_table(Archive& a, Table* table, KeyIo&& key_io, ValueIo&& value_io) {
    uint64_t size = a.count(table->size());
    if constexpr (Archive::kReads) {
      for (uint64_t i = 0; i < size && a.good(); i++) {
        typename Table::key_type key;
        key_io(&key);
        value_io((*table)[key]);
      }
    } else {
      for (auto& [key, value] : *table) {
        typename Table::key_type copy = key;
        key_io(&copy);
        value_io(value);
      }
    }
  }
  template <typename Archive, typename Table, typename ValueIo>
  static void io_places(Archive& a, Table* table, ValueIo&& value_io) {
    io_table(
        a, table, [&](Place* place) { io_place(a, place); }, value_io);
  }

  const SpanFilter* filter_;
  std::map<Key, Site> sites_;
  TotalsTable totals_;
  std::map<Place, uint64_t> ids_;
  uint64_t next_id_ = 1;
  // Numbers of sites: those that are free, and the first that was never used.
  std::vector<uint32_t> free_numbers_;
  uint32_t next_number_ = 0;
  size_t passing_ = 0;
  std::function<void()> too_many_ = [] {};
  uint64_t generation_ = 1;
};

// One process's view: by address.
class SiteTable : public SiteResolver {
 public:
  SiteTable(CodeMap* code, SiteCache* cache) : code_(code), cache_(cache) {}

  const Site* site(uint64_t function, uint32_t return_address, uint64_t call_site) override;
  std::vector<uint64_t> chain(uint64_t return_address) override;

 private:
  struct Key {
    uint64_t function, call_site;
    uint32_t return_address;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.function, key.call_site, key.return_address);
    }
  };

  CodeMap* code_;
  SiteCache* cache_;
  uint64_t generation_ = 0, cache_generation_ = 0;
  absl::flat_hash_map<Key, const Site*> sites_;
};

}  // namespace telinject::drain
