// One function as DWARF describes it: names, parameters, identity.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shim/symbols/die.h"
#include "shim/symbols/dwarf_index.h"

namespace telinject {

// A function's entry, or that of one of its inlined copies, with what it refers to.
class FunctionDie {
 public:
  explicit FunctionDie(const Dwarf_Die& die) : chain_(origin_chain(die)) {}

  // The most general entry: the function's declaration, or else its definition.
  const Dwarf_Die& root() const { return chain_.back(); }

  // As written in the source: "push_back", without scopes. May be empty.
  std::string_view plain_name() const;
  // With scopes: "ns::(anonymous namespace)::f". Reads the unit, up to the entry.
  std::string scoped_name() const;
  // The linkage name. Empty for C, for functions with internal linkage under gcc, and with clang
  // -g1.
  std::string linkage_name() const;

  // True if only its plain name is known (clang -g1).
  bool is_minimal() const;

  // Names of the formal parameters, "a, b", without artificial ones (this) and those without a
  // name.
  std::string parameters() const;
  // False if the compiler was asked to omit parameters (-g1).
  bool has_parameters() const;

  SourceLine declared(DwarfIndex* index) const;

  // Equal for all copies of the function in all units of the module; see InlineFrame::id. Functions
  // with external linkage are told by their symbol, others by symbol and place in the source, or
  // else by the place of their entry.
  uint64_t identity(DwarfIndex* index) const;

 private:
  std::vector<Dwarf_Die> chain_;
};

// The identity of an external function with that symbol; what FunctionDie::identity() gives for it.
uint64_t identity_of_symbol(std::string_view symbol);
// The identity of a local function if only its symbol is known.
uint64_t identity_of_local_symbol(std::string_view symbol, uint32_t source);

bool is_c(uint64_t language);  // DW_LANG_C89, ...
bool is_c_plus_plus(uint64_t language);

// DW_AT_language, or 0.
uint64_t language_of(const Dwarf_Die& die);
// DW_AT_producer, with the compiler's options.
std::string_view producer_of(const Dwarf_Die& die);

}  // namespace telinject
