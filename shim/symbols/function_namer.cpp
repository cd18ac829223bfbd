#include "shim/symbols/function_namer.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "shim/symbols/demangle.h"

namespace telinject {

namespace {

std::string_view without_version(std::string_view symbol) {
  return symbol.substr(0, symbol.find('@'));
}

// Whether `name` is the C2 or D2 symbol of a function of which `other` is the C1 or D1.
bool is_base_variant(std::string_view name, std::string_view other) {
  if (name.size() != other.size()) return false;
  auto [a, b] = std::mismatch(name.begin(), name.end(), other.begin());
  return a != name.begin() && a != name.end() && *a == '2' && *b == '1' &&
         (a[-1] == 'C' || a[-1] == 'D') && std::equal(a + 1, name.end(), b + 1);
}

}  // namespace

void FunctionNamer::forget() {
  names_.clear();
  unit_symbols_.clear();
}

const FunctionNames& FunctionNamer::of_function(const DwarfIndex::Found& found) {
  return remembered(found.function->die, FunctionDie(found.function->die), found.function->entry);
}

const FunctionNames& FunctionNamer::of_inlined(const DwarfIndex::Found& found,
                                               const Dwarf_Die& call) {
  Dwarf_Die abstract = abstract_instance(call);
  return remembered(abstract, FunctionDie(call), found.unit->copy_of(abstract));
}

const FunctionNames& FunctionNamer::remembered(const Dwarf_Die& key, const FunctionDie& die,
                                               std::optional<uint64_t> entry) {
  auto found = names_.find(key.addr);
  if (found == names_.end()) found = names_.emplace(key.addr, describe(die, entry)).first;
  return found->second;
}

// `entry`: where the function's own code starts, if it is known to have any.
FunctionNames FunctionNamer::describe(const FunctionDie& die, std::optional<uint64_t> entry) {
  std::string_view plain = die.plain_name();
  std::string linkage = die.linkage_name();
  std::span<const Symbol> aliases;
  if (entry.has_value()) aliases = symbols_->at(*entry);
  const Symbol* symbol = linkage.empty() ? symbol_for(die, aliases) : nullptr;
  if (symbol != nullptr) linkage = without_version(symbol->name);

  FunctionNames names;
  names.name = demangle(linkage);
  if (names.name.empty() && linkage.empty() && is_c_plus_plus(language_of(die.root()))) {
    names.name = die.scoped_name();
  }
  // C, or a symbol that the source gives by asm("...").
  if (names.name.empty()) names.name = plain;
  if (names.name.empty() && !linkage.empty()) names.name = function_name(linkage);
  if (names.name.empty() && !aliases.empty()) return of_symbol(aliases.front());
  if (linkage != names.name) names.linkage_name = linkage;

  if (!die.is_minimal() || (symbol == nullptr && entry.has_value())) {
    names.id = die.identity(dwarf_);
  } else if (symbol != nullptr) {
    names.id = identity_of(*symbol);
  }
  return names;
}

// Which symbol is that of the function that DWARF describes by its name in the source: one of those
// at its entry, or, if that is not known, one found by the name.
const Symbol* FunctionNamer::symbol_for(const FunctionDie& die, std::span<const Symbol> aliases) {
  std::string_view plain = die.plain_name();
  if (plain.empty()) return nullptr;
  for (const Symbol& alias : aliases) {
    if (without_clone_suffix(alias.name) == plain) return &alias;
  }
  // DWARF and the demangler differ on how to write template arguments.
  std::string_view stem = without_template_arguments(plain);
  for (const Symbol& alias : aliases) {
    if (!is_mangled(alias.name)) continue;
    std::string name = demangle(alias.name);
    if (without_template_arguments(last_component(name)) == stem) return &alias;
  }
  return aliases.empty() && die.is_minimal() ? copy_in_unit(die) : nullptr;
}

const Symbol* FunctionNamer::copy_in_unit(const FunctionDie& die) {
  std::optional<Dwarf_Die> unit = unit_of(die.root());
  if (!unit.has_value()) return nullptr;
  auto make = [&] {
    size_t budget = kMaxUnitSymbols;
    std::vector<AddressRange> ranges;
    die_ranges(*unit, &budget, &ranges);
    return std::make_shared<UnitSymbols>(*symbols_, ranges);
  };
  const Symbol* symbol =
      unit_symbols_
          .get(unit->addr, make, [](const UnitSymbols& symbols) { return symbols.size() + 1; })
          ->named(die.plain_name());
  if (symbol == nullptr && is_c(language_of(die.root()))) {
    symbol = symbols_->find(die.plain_name());
    if (symbol != nullptr && symbol->rank == 2) symbol = nullptr;  // another unit's
  }
  return symbol;
}

FunctionNames FunctionNamer::of_symbol(const Symbol& symbol) {
  std::string_view linkage = without_version(symbol.name);
  FunctionNames names = {function_name(linkage), std::string(linkage), identity_of(symbol)};
  if (names.linkage_name == names.name) names.linkage_name.clear();
  return names;
}

uint64_t FunctionNamer::identity_of(const Symbol& symbol) {
  const Symbol& base = symbols_->base_of(symbol);
  if (&base != &symbol && dwarf_ != nullptr) {
    // A clone without DWARF of a function that may have some.
    if (std::optional<DwarfIndex::Found> found = dwarf_->function_at(base.vaddr)) {
      FunctionDie die(found->function->die);
      if (!die.is_minimal()) return die.identity(dwarf_);
    }
  }
  if (base.rank == 2) return identity_of_local_symbol(base.name, base.source);
  // A constructor is known by its C2 symbol, as DWARF has it; see unified_constructor().
  std::string_view name = without_clone_suffix(base.name);
  for (const Symbol& alias : symbols_->at(base.vaddr)) {
    std::string_view other = without_clone_suffix(alias.name);
    if (alias.rank != 2 && is_base_variant(other, name)) return identity_of_symbol(other);
  }
  return identity_of_symbol(base.name);
}

}  // namespace telinject
