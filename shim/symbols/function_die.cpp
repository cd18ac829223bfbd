#include "shim/symbols/function_die.h"

#include <dwarf.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "shim/symbols/abbreviations.h"
#include "shim/symbols/demangle.h"

namespace telinject {

namespace {

constexpr size_t kMaxParameters = 1024;
constexpr size_t kMaxScopes = 256;

std::string_view linkage_attribute(const Dwarf_Die& die) {
  std::string_view name = die_text(die, DW_AT_linkage_name);
  return name.empty() ? die_text(die, DW_AT_MIPS_linkage_name) : name;
}

// FNV-1a: the same on every run, unlike absl::Hash.
uint64_t hash(std::initializer_list<std::string_view> parts) {
  uint64_t value = 0xcbf29ce484222325;
  for (std::string_view part : parts) {
    for (char c : part) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    value *= 0x100000001b3;  // so that {"ab", "c"} is not {"a", "bc"}
  }
  return value == 0 ? 1 : value;
}

std::string_view scope_name(const Dwarf_Die& die, int tag) {
  switch (tag) {
    case DW_TAG_namespace: {
      std::string_view name = die_text(die, DW_AT_name);
      return name.empty() ? "(anonymous namespace)" : name;
    }
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
    case DW_TAG_module:
      return die_text(die, DW_AT_name);
    default:
      return {};
  }
}

// Whether the options in a producer's text end at the level of -g1, without parameters.
bool minimal_debug_level(std::string_view producer) {
  bool minimal = false;
  while (!producer.empty()) {
    std::string_view option = producer.substr(0, producer.find(' '));
    producer.remove_prefix(std::min(option.size() + 1, producer.size()));
    if (option == "-g1" || option == "-ggdb1") minimal = true;
    if (option == "-g" || option == "-g2" || option == "-g3" || option == "-ggdb" ||
        option == "-ggdb2" || option == "-ggdb3") {
      minimal = false;
    }
  }
  return minimal;
}

void add_parameter(const Dwarf_Die& parameter, std::string_view* last, std::string* names) {
  std::string_view name;
  Dwarf_Die die = parameter;
  for (int hops = 0; hops < 16; hops++) {  // a copy's parameter refers to the abstract one
    if (die_flag(die, DW_AT_artificial)) return;
    if (name = die_text(die, DW_AT_name); !name.empty()) break;
    Dwarf_Attribute origin;
    Dwarf_Die next;
    if (dwarf_formref_die(dwarf_attr(&die, DW_AT_abstract_origin, &origin), &next) == nullptr)
      break;
    ReferenceWatch::follow(die, next);
    die = next;
  }
  // clang repeats the name of a parameter pack for each of its elements.
  if (name.empty() || name == *last) return;
  if (!names->empty()) names->append(", ");
  names->append(name);
  *last = name;
}

std::string parameters_of(const Dwarf_Die& function) {
  std::string names;
  std::string_view last;
  size_t count = 0;
  for (DieWalk walk(function); walk.next() && count < kMaxParameters;) {
    if (walk.tag() == DW_TAG_formal_parameter) {
      add_parameter(walk.die(), &last, &names);
      count++;
    } else if (walk.tag() == DW_TAG_GNU_formal_parameter_pack) {
      continue;  // its elements are below
    }
    walk.skip_children();
  }
  return names;
}

}  // namespace

std::string_view FunctionDie::plain_name() const {
  for (const Dwarf_Die& die : chain_) {
    if (std::string_view name = die_text(die, DW_AT_name); !name.empty()) return name;
  }
  return {};
}

std::string FunctionDie::scoped_name() const {
  std::string name(plain_name());
  std::optional<Dwarf_Die> unit = unit_of(root());
  if (name.empty() || !unit.has_value()) return name;
  std::vector<Dwarf_Die> scopes;  // by depth
  for (DieWalk walk(*unit); walk.next();) {
    scopes.resize(std::min({walk.depth() - 1, scopes.size(), kMaxScopes}));
    if (walk.die().addr >= root().addr) break;
    scopes.push_back(walk.die());
  }
  std::string scoped;
  for (Dwarf_Die& scope : scopes) {
    int tag = dwarf_tag(&scope);
    if (tag == DW_TAG_subprogram) {  // of a local class: its own scopes are elsewhere
      FunctionDie function(scope);
      scoped = demangle(function.linkage_name());
      if (scoped.empty()) scoped = function.plain_name();
      scoped += "::";
    } else if (std::string_view part = scope_name(scope, tag); !part.empty()) {
      scoped.append(part).append("::");
    }
  }
  return scoped + name;
}

std::string FunctionDie::linkage_name() const {
  for (const Dwarf_Die& die : chain_) {
    std::string_view name = linkage_attribute(die);
    // gcc's "C4" is the name of no symbol.
    if (!name.empty())
      return &die == &chain_.front() ? std::string(name) : unified_constructor(name);
  }
  return {};
}

bool FunctionDie::is_minimal() const {
  if (producer_of(root()).find("clang") == std::string_view::npos) return false;
  for (const Dwarf_Die& die : chain_) {
    if (die_has(die, DW_AT_decl_line) || die_has(die, DW_AT_external) ||
        !linkage_attribute(die).empty()) {
      return false;
    }
  }
  return true;
}

std::string FunctionDie::parameters() const {
  // The abstract instance has them all and in order; a copy may lack those that it does not use.
  for (size_t i = chain_.size(); i-- > 0;) {
    if (die_flag(chain_[i], DW_AT_declaration)) continue;
    std::string names = parameters_of(chain_[i]);
    if (!names.empty()) return names;
  }
  return {};
}

bool FunctionDie::has_parameters() const {
  for (const Dwarf_Die& die : chain_) {
    if (die_has(die, DW_AT_decl_line)) return !minimal_debug_level(producer_of(root()));
  }
  return false;  // as clang's -g1 leaves it
}

SourceLine FunctionDie::declared(DwarfIndex* index) const {
  for (const Dwarf_Die& die : chain_) {
    if (!die_has(die, DW_AT_decl_line)) continue;
    SourceLine line = index->position(die, DW_AT_decl_file, DW_AT_decl_line);
    // A definition that repeats the declaration's file leaves it out.
    for (const Dwarf_Die& other : chain_) {
      if (!line.file.empty()) break;
      line.file = index->position(other, DW_AT_decl_file, DW_AT_decl_line).file;
    }
    return line;
  }
  return {};
}

uint64_t FunctionDie::identity(DwarfIndex* index) const {
  bool external = false;
  std::string_view symbol;
  for (const Dwarf_Die& die : chain_) {
    external = external || die_flag(die, DW_AT_external);
    if (std::string_view name = linkage_attribute(die); !name.empty()) symbol = name;
  }
  // extern "C" and main() have none; nor has anything in C.
  if (symbol.empty() && (external || is_c(language_of(root())))) symbol = plain_name();
  if (external && !symbol.empty()) return identity_of_symbol(symbol);
  if (!symbol.empty()) {
    for (size_t i = chain_.size(); i-- > 0;) {
      if (!die_has(chain_[i], DW_AT_decl_line)) continue;
      SourceLine line = index->position(chain_[i], DW_AT_decl_file, DW_AT_decl_line);
      return hash({"place", without_clone_suffix(symbol), line.file, std::to_string(line.line)});
    }
  }
  Dwarf_Die die = root();
  uint64_t unit_id = 0;  // tells .dwo files apart
  dwarf_cu_info(die.cu, nullptr, nullptr, nullptr, nullptr, &unit_id, nullptr, nullptr);
  return hash({"entry", std::to_string(dwarf_dieoffset(&die)), std::to_string(unit_id),
               index->is_alternate(die) ? "alternate" : ""});
}

uint64_t identity_of_symbol(std::string_view symbol) {
  return hash({"symbol", unified_constructor(symbol)});
}

uint64_t identity_of_local_symbol(std::string_view symbol, uint32_t source) {
  return hash({"local", without_clone_suffix(symbol), std::to_string(source)});
}

bool is_c(uint64_t language) {
  return language == DW_LANG_C || language == DW_LANG_C89 || language == DW_LANG_C99 ||
         language == DW_LANG_C11 || language == 0x2c;  // C17, of DWARF 6
}

bool is_c_plus_plus(uint64_t language) {
  return language == DW_LANG_C_plus_plus || language == DW_LANG_C_plus_plus_03 ||
         language == DW_LANG_C_plus_plus_11 || language == DW_LANG_C_plus_plus_14 ||
         language == 0x2b || language == 0x3a;  // C++17 and C++20, of DWARF 6; C++23
}

uint64_t language_of(const Dwarf_Die& die) {
  std::optional<Dwarf_Die> unit = unit_of(die);
  return unit.has_value() ? die_number(*unit, DW_AT_language).value_or(0) : 0;
}

std::string_view producer_of(const Dwarf_Die& die) {
  std::optional<Dwarf_Die> unit = unit_of(die);
  return unit.has_value() ? die_text(*unit, DW_AT_producer) : std::string_view();
}

}  // namespace telinject
