// Which sites may be forgotten, and their numbers.
#include <algorithm>

#include "shim/drain/naming/site_table.h"

namespace telinject::drain {

namespace {

// More numbers at once make no sense of a saved state.
constexpr uint32_t kMostNumbers = 1 << 22;

}  // namespace

bool SiteCache::is_passing(const Key& key) {
  const auto& [function, return_address, call_site] = key;
  return function.first == nullptr || return_address.first == nullptr || call_site.first == nullptr;
}

bool SiteCache::lies_in(const Key& key, const Modules& modules) {
  const auto& [function, return_address, call_site] = key;
  return modules.contains(function.first) || modules.contains(return_address.first) ||
         modules.contains(call_site.first);
}

void SiteCache::sweep(const InUse& used, const Modules& dropped,
                      const std::function<void(const Site&)>& forgotten) {
  generation_++;
  passing_ = 0;
  for (auto it = sites_.begin(); it != sites_.end();) {
    auto& [key, site] = *it;
    bool in_use = used.contains(&site) || used.contains(&site.function);
    bool goes = !in_use && (is_passing(key) || lies_in(key, dropped));
    if (!goes) {
      ++it;
      continue;
    }
    forgotten(site);
    free_numbers_.push_back(site.function.number);
    it = sites_.erase(it);
  }
  if (dropped.empty()) return;
  std::erase_if(ids_, [&](const auto& each) { return dropped.contains(each.first.first); });
  totals_.drop(dropped);
}

void SiteCache::find_modules(const InUse& used, Modules* found) const {
  for (const auto& [key, site] : sites_) {
    if (!used.contains(&site) && !used.contains(&site.function)) continue;
    const auto& [function, return_address, call_site] = key;
    for (const Place* place : {&function, &return_address, &call_site}) found->insert(place->first);
  }
}

uint32_t SiteCache::take_number() {
  if (free_numbers_.empty()) return next_number_++;
  uint32_t number = free_numbers_.back();
  free_numbers_.pop_back();
  return number;
}

// After the sites have been read: outputs have lists by number. False if they cannot be right.
bool SiteCache::number_anew() {
  passing_ = 0;
  std::vector<uint32_t> taken;
  for (const auto& [key, site] : sites_) {
    taken.push_back(site.function.number);
    passing_ += is_passing(key);
  }
  std::sort(taken.begin(), taken.end());
  bool unique = std::adjacent_find(taken.begin(), taken.end()) == taken.end();
  if (!unique || (!taken.empty() && taken.back() >= next_number_)) return false;
  if (next_number_ > kMostNumbers) return false;
  free_numbers_.clear();
  auto next = taken.begin();
  for (uint32_t number = 0; number < next_number_; number++) {
    if (next != taken.end() && *next == number) {
      ++next;
    } else {
      free_numbers_.push_back(number);
    }
  }
  return true;
}

}  // namespace telinject::drain
