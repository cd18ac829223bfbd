// A cache of shared objects, bounded by the sum of their costs; the least recently used go first.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <list>
#include <memory>
#include <utility>

namespace telinject {

// Not safe for threads. What was got stays valid for as long as its pointer is held.
template <typename Key, typename Value>
class CostCache {
 public:
  explicit CostCache(size_t bound) : bound_(bound) {}

  // The value of `key`, made by `make()` (a std::shared_ptr<Value>, not null) if it is not here.
  template <typename Make, typename Cost>
  std::shared_ptr<Value> get(const Key& key, Make make, Cost cost) {
    auto found = index_.find(key);
    if (found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->value;
    }
    std::shared_ptr<Value> value = make();
    entries_.push_front({key, value, cost(*value)});
    index_[key] = entries_.begin();
    total_ += entries_.front().cost;
    while (total_ > bound_ && entries_.size() > 1) {
      total_ -= entries_.back().cost;
      index_.erase(entries_.back().key);
      entries_.pop_back();
    }
    return value;
  }

  void clear() {
    entries_.clear();
    index_.clear();
    total_ = 0;
  }

 private:
  struct Entry {
    Key key;
    std::shared_ptr<Value> value;
    size_t cost;
  };
  std::list<Entry> entries_;  // most recently used first
  absl::flat_hash_map<Key, typename std::list<Entry>::iterator> index_;
  size_t bound_;
  size_t total_ = 0;
};

}  // namespace telinject
