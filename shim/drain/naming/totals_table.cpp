#include "shim/drain/naming/totals_table.h"

#include "absl/strings/str_cat.h"

namespace telinject::drain {

namespace {

std::string name_of(const FunctionTotals& row) {
  return absl::StrCat(row.module, "\n", row.linkage_name, "\n", row.name, "\n", row.file, "\n",
                      row.line);
}

}  // namespace

FunctionTotals* TotalsTable::add() {
  if (free_.empty()) return &rows_.emplace_back();
  FunctionTotals* row = free_.back();
  free_.pop_back();
  return row;
}

FunctionTotals* TotalsTable::shared(FunctionTotals** row, std::string_view name) {
  if (*row == nullptr) {
    *row = add();
    (*row)->name = name;
  }
  return *row;
}

FunctionTotals* TotalsTable::row_of(Module* module, uint64_t vaddr,
                                    const FunctionDescription& function) {
  auto found = by_place_.find({module, vaddr});
  if (found != by_place_.end()) return found->second;
  if (module == nullptr && anonymous_rows_ == kMostAnonymous) {
    return shared(&anonymous_, kAnonymous);
  }
  FunctionTotals made;
  made.name = function.name;
  made.linkage_name = function.linkage_name;
  made.file = function.declared.file;
  made.line = function.declared.line;
  if (module != nullptr) {
    made.module = module->short_name();
  } else {
    anonymous_rows_++;
  }
  FunctionTotals* row = nullptr;
  // The same function may have been there before, in a module that has gone. (Making the name takes
  // time, and as a rule none has.)
  auto left = left_.empty() ? left_.end() : left_.find(name_of(made));
  if (left != left_.end()) {
    row = left->second;
    left_.erase(left);
  } else {
    row = add();
    *row = std::move(made);
  }
  return by_place_[{module, vaddr}] = row;
}

void TotalsTable::drop(const Modules& modules) {
  for (auto it = by_place_.begin(); it != by_place_.end();) {
    if (!modules.contains(it->first.first)) {
      ++it;
      continue;
    }
    leave(it->second);
    it = by_place_.erase(it);
  }
}

void TotalsTable::leave(FunctionTotals* row) {
  auto [same, added] = left_.try_emplace(name_of(*row), row);
  if (added && left_.size() <= kMostLeft) return;
  FunctionTotals* into = same->second;
  if (added) {
    left_.erase(same);
    into = shared(&unloaded_, kUnloaded);
  }
  into->join(*row);
  *row = FunctionTotals();
  free_.push_back(row);
}

}  // namespace telinject::drain
