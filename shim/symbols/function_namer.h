// Names and identities of functions, from DWARF and the symbol table together.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "shim/symbols/dwarf_index.h"
#include "shim/symbols/function_die.h"
#include "shim/symbols/symbol_table.h"
#include "shim/symbols/unit_symbols.h"

namespace telinject {

struct FunctionNames {
  std::string name;  // as in FunctionDescription; empty if there is none
  std::string linkage_name;
  uint64_t id = 0;  // as in InlineFrame
};

class FunctionNamer {
 public:
  // `dwarf` may be null. Both must live as long as the namer.
  FunctionNamer(DwarfIndex* dwarf, const SymbolTable* symbols) : dwarf_(dwarf), symbols_(symbols) {}

  // References returned are valid until the next call.
  const FunctionNames& of_function(const DwarfIndex::Found& found);
  const FunctionNames& of_inlined(const DwarfIndex::Found& found, const Dwarf_Die& call);
  FunctionNames of_symbol(const Symbol& symbol);

  // Call this when entries of the DWARF index are no longer valid.
  void forget();

 private:
  const FunctionNames& remembered(const Dwarf_Die& key, const FunctionDie& die,
                                  std::optional<uint64_t> entry);
  FunctionNames describe(const FunctionDie& die, std::optional<uint64_t> entry);
  const Symbol* symbol_for(const FunctionDie& die, std::span<const Symbol> aliases);
  const Symbol* copy_in_unit(const FunctionDie& die);
  uint64_t identity_of(const Symbol& symbol);

  static constexpr size_t kMaxUnitSymbols = size_t{1} << 20;

  DwarfIndex* dwarf_;
  const SymbolTable* symbols_;
  absl::flat_hash_map<const void*, FunctionNames> names_;  // by address of the entry
  CostCache<const void*, UnitSymbols> unit_symbols_{kMaxUnitSymbols};
};

}  // namespace telinject
