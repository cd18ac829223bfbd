// Turns what a record says of a call into a Site, once for each (function, place).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/drain/call_tree.h"
#include "shim/drain/code_map.h"
#include "shim/drain/sites.h"
#include "shim/drain/span_filter.h"

namespace telinject {

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

 private:
  struct Description;
  Description describe(const CodePlace& function, const CodePlace& return_address,
                       const CodePlace& call_site);
  FunctionTotals* totals_of(const CodePlace& place, const FunctionDescription& function);
  uint64_t global_id(const CodePlace& place, uint64_t id);

  using Place = std::pair<Module*, uint64_t>;
  using Key = std::tuple<Place, Place, Place>;
  const SpanFilter* filter_;
  std::map<Key, Site> sites_;
  std::deque<FunctionTotals> totals_;
  std::map<Place, FunctionTotals*> totals_by_function_;
  std::map<Place, uint64_t> ids_;
};

// One process's view: by address.
class SiteTable : public CallTree::Resolver {
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

}  // namespace telinject
