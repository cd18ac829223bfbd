// The symbols of one unit's functions, by the name that the source has for them.
//
// With -g1, clang describes inlined functions by their plain name alone ("push_back": no class, no
// symbol), and omits functions that have nothing inlined. The symbol of the out-of-line copy, which
// lies in the code of the same unit, often still identifies the function.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string>
#include <string_view>
#include <vector>

#include "shim/symbols/die.h"
#include "shim/symbols/symbol_table.h"

namespace telinject {

class UnitSymbols {
 public:
  UnitSymbols(const SymbolTable& symbols, const std::vector<AddressRange>& unit);

  // The one function of that name, which may have template arguments. Null if there is none, or
  // more than one.
  const Symbol* named(std::string_view plain_name) const;

  size_t size() const { return by_name_.size(); }

 private:
  // Names with template arguments and without; null: several functions have that name.
  absl::flat_hash_map<std::string, const Symbol*> by_name_;
};

// "ns::A::f<std::pair<int, int>>" -> "f<std::pair<int, int>>"
std::string_view last_component(std::string_view name);
// "f<int>" -> "f", "operator<< <int>" -> "operator<<"
std::string_view without_template_arguments(std::string_view component);

}  // namespace telinject
