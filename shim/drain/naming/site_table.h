// Turns what a record says of a call into a Site, once for each (function, place).
#pragma once

#include <algorithm>
#include <deque>
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

namespace telinject::drain {

// Sites and totals of all processes: those that map the same files share them.
class SiteCache {
 public:
  // `filter` may be null.
  explicit SiteCache(const SpanFilter* filter = nullptr) : filter_(filter) {}

  const Site* site(const CodePlace& function, const CodePlace& return_address,
                   const CodePlace& call_site);
  std::vector<uint64_t> chain(const CodePlace& place);

  // In no order.
  const std::deque<FunctionTotals>& totals() const { return totals_; }

  // Enrolls the sites. The modules have been enrolled.
  template <typename Archive>
  void io(Archive& a) {
    a(totals_);
    for (FunctionTotals& each : totals_) a.enroll(&each);
    io_places(a, &totals_by_function_, [&](FunctionTotals*& totals) { a.refer(totals); });
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
    // Outputs have lists by number.
    bool dense = std::all_of(sites_.begin(), sites_.end(), [this](const auto& site) {
      return site.second.function.number < sites_.size();
    });
    if (!dense) a.fail();
  }

 private:
  struct Description;
  Description describe(const CodePlace& function, const CodePlace& return_address,
                       const CodePlace& call_site);
  FunctionTotals* totals_of(const CodePlace& place, const FunctionDescription& function);
  uint64_t global_id(const CodePlace& place, uint64_t id);

  using Place = std::pair<Module*, uint64_t>;
  using Key = std::tuple<Place, Place, Place>;
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
  std::deque<FunctionTotals> totals_;
  std::map<Place, FunctionTotals*> totals_by_function_;
  std::map<Place, uint64_t> ids_;
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
  uint64_t generation_ = 0;
  absl::flat_hash_map<Key, const Site*> sites_;
};

}  // namespace telinject::drain
