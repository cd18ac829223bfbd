// The totals of all functions, by the place of their code.
//
// A function has one row as long as its module is known, however often it is loaded. Rows are
// bounded where code comes and goes: of functions that lie in no module the first kMostAnonymous
// have rows of their own, what comes later shares kAnonymous. A module that is dropped leaves the
// rows of its functions under their names, for the next one of that name; of more than kMostLeft
// the rest goes into kUnloaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shim/drain/naming/function_totals.h"
#include "shim/symbols/module.h"

namespace telinject::drain {

class TotalsTable {
 public:
  static constexpr size_t kMostAnonymous = 4096, kMostLeft = 4096;
  static constexpr std::string_view kAnonymous = "[code in no module]";
  static constexpr std::string_view kUnloaded = "[code of unloaded modules]";
  using Modules = absl::flat_hash_set<const Module*>;

  // The row of the function at that address in the module; null: in none. Stays where it is until
  // the module is dropped.
  FunctionTotals* row_of(Module* module, uint64_t vaddr, const FunctionDescription& function);
  void drop(const Modules& modules);

  // In no order; some may have no calls.
  const std::deque<FunctionTotals>& rows() const { return rows_; }

  // Enrolls the rows. The modules have been enrolled.
  template <typename Archive>
  void io(Archive& a) {
    a(rows_);
    for (FunctionTotals& each : rows_) a.enroll(&each);
    io_rows(a, &by_place_, [&](Place* place) {
      a.refer(place->first);
      a(place->second);
    });
    io_rows(a, &left_, [&](std::string* name) { a(*name); });
    a.refer(anonymous_);
    a.refer(unloaded_);
    a(anonymous_rows_);
    uint64_t size = a.count(free_.size());
    if (Archive::kReads) free_.resize(size);
    for (FunctionTotals*& each : free_) {
      a.refer(each);
      if (each == nullptr) return a.fail();
    }
  }

 private:
  using Place = std::pair<Module*, uint64_t>;

  template <typename Archive, typename Table, typename KeyIo>
  static void io_rows(Archive& a, Table* table, KeyIo&& key_io) {
    uint64_t size = a.count(table->size());
    auto next = table->begin();
    for (uint64_t i = 0; i < size && a.good(); i++) {
      typename Table::key_type key = {};
      if (!Archive::kReads) key = next->first;
      key_io(&key);
      FunctionTotals* row = nullptr;
      if (!Archive::kReads) row = (next++)->second;
      a.refer(row);
      if (row == nullptr) return a.fail();
      if (Archive::kReads) (*table)[key] = row;
    }
  }

  FunctionTotals* add();
  FunctionTotals* shared(FunctionTotals** row, std::string_view name);
  void leave(FunctionTotals* row);

  std::deque<FunctionTotals> rows_;
  std::vector<FunctionTotals*> free_;  // rows that were joined with others
  std::map<Place, FunctionTotals*> by_place_;
  absl::flat_hash_map<std::string, FunctionTotals*> left_;  // by name, module and line
  uint64_t anonymous_rows_ = 0;
  FunctionTotals* anonymous_ = nullptr;
  FunctionTotals* unloaded_ = nullptr;
};

}  // namespace telinject::drain
