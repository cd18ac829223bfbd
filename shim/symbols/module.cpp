#include "shim/symbols/module.h"

#include <absl/container/flat_hash_map.h>
#include <dwarf.h>

#include <exception>
#include <string_view>
#include <utility>

#include "shim/symbols/demangle.h"
#include "shim/symbols/function_die.h"
#include "shim/symbols/hex.h"
#include "shim/symbols/module_files.h"

namespace telinject {

namespace {

struct Names {
  std::string name, linkage_name;
};

std::string_view without_version(std::string_view symbol) {
  return symbol.substr(0, symbol.find('@'));
}

// Which of the symbols at a function's entry is the one that DWARF describes by its name in the
// source. Null if none is.
const Symbol* alias_named(std::span<const Symbol> aliases, std::string_view plain_name) {
  if (plain_name.empty()) return nullptr;
  for (const Symbol& alias : aliases) {
    if (without_clone_suffix(alias.name) == plain_name) return &alias;
  }
  // DWARF and the demangler differ on how to write template arguments and lambdas.
  std::string_view stem = plain_name.substr(0, plain_name.find('<'));
  for (const Symbol& alias : aliases) {
    if (is_mangled(alias.name) && demangle(alias.name).find(stem) != std::string::npos)
      return &alias;
  }
  return nullptr;
}

}  // namespace

class Module::Reader {
 public:
  explicit Reader(const ModuleIdentity& identity) : files_(identity) {}

  ModuleFiles& files() { return files_; }

  // Runs `answer` on files that are known to be sound before and after it.
  template <typename Answer>
  auto ask(Answer answer) -> decltype(answer()) {
    try {
      bool dropped = false;
      if (!files_.begin_question(&dropped)) return {};
      if (dropped) names_.clear();
      auto result = answer();
      if (files_.still_intact()) return result;
    } catch (const std::exception& error) {
      files_.note_problem(std::string("some names are missing (") + error.what() +
                          "); is there enough memory?");
    }
    names_.clear();
    return {};
  }

  FunctionDescription function(uint64_t vaddr) {
    FunctionDescription result;
    if (std::optional<DwarfIndex::Found> found = function_at(vaddr)) {
      FunctionDie die(found->function->die);
      const Names& names = names_of(die, found->function->die, found->function->entry);
      result.name = names.name;
      result.linkage_name = names.linkage_name;
      result.parameters = die.parameters();
      result.parameters_known = !result.parameters.empty() || die.has_parameters();
      result.declared = die.declared(files_.dwarf());
      // gcc does not tell where a lambda is, nor clang with -g1 where anything is.
      if (result.declared.line == 0) {
        result.declared = files_.dwarf()->line_at(found->function->entry);
      }
      result.id = die.identity(files_.dwarf());
    } else if (const Symbol* symbol = files_.symbols().covering(vaddr)) {
      Names names = names_of(*symbol);
      result.name = names.name;
      result.linkage_name = names.linkage_name;
      result.id = identity_of(*symbol);
    }
    return result;
  }

  std::vector<InlineFrame> frames(uint64_t return_vaddr) {
    if (return_vaddr == 0) return {};
    uint64_t vaddr = return_vaddr - 1;
    std::vector<InlineFrame> frames;
    if (std::optional<DwarfIndex::Found> found = function_at(vaddr)) {
      frames.push_back(
          frame_of(found->function->die, found->function->die, found->function->entry));
      for (const Dwarf_Die& call : files_.dwarf()->inlined_at(*found, vaddr)) {
        Dwarf_Die abstract = abstract_instance(call);
        frames.push_back(frame_of(call, abstract, found->unit->copy_of(abstract)));
        frames.back().called_from =
            files_.dwarf()->position(call, DW_AT_call_file, DW_AT_call_line);
      }
    } else if (const Symbol* symbol = files_.symbols().covering(vaddr)) {
      Names names = names_of(*symbol);
      frames.push_back({identity_of(*symbol), names.name, names.linkage_name, {}});
    }
    return frames;
  }

  SourceLine call_line(uint64_t return_vaddr) {
    if (return_vaddr == 0 || files_.dwarf() == nullptr) return {};
    return files_.dwarf()->line_at(return_vaddr - 1);
  }

  Runtime runtime() {
    const Symbol* main = files_.symbols().find("main");
    std::optional<uint64_t> main_vaddr;
    if (main != nullptr) main_vaddr = main->vaddr;
    return runtime_of(*files_.program(), files_.dwarf(), main_vaddr);
  }

 private:
  std::optional<DwarfIndex::Found> function_at(uint64_t vaddr) {
    if (files_.dwarf() == nullptr) return std::nullopt;
    return files_.dwarf()->function_at(vaddr);
  }

  InlineFrame frame_of(const Dwarf_Die& copy, const Dwarf_Die& key, std::optional<uint64_t> entry) {
    FunctionDie die(copy);
    const Names& names = names_of(die, key, entry);
    return {die.identity(files_.dwarf()), names.name, names.linkage_name, {}};
  }

  // `key`: the entry to remember them by. `entry`: where the function's own code starts, if it has
  // any in this unit.
  const Names& names_of(const FunctionDie& die, const Dwarf_Die& key,
                        std::optional<uint64_t> entry) {
    auto [found, added] = names_.try_emplace(key.addr);
    if (added) found->second = find_names(die, entry);
    return found->second;
  }

  Names find_names(const FunctionDie& die, std::optional<uint64_t> entry) const {
    std::string_view plain = die.plain_name();
    std::string linkage = die.linkage_name();
    std::span<const Symbol> aliases;
    if (entry.has_value()) aliases = files_.symbols().at(*entry);
    if (linkage.empty()) {
      const Symbol* alias = alias_named(aliases, plain);
      if (alias != nullptr) linkage = without_version(alias->name);
    }
    std::string name = demangle(linkage);
    if (name.empty() && linkage.empty() && is_c_plus_plus(language_of(die.root()))) {
      name = die.scoped_name();
    }
    if (name.empty()) name = plain;  // C, or a symbol that the source gives by asm("...")
    if (name.empty() && !linkage.empty()) name = function_name(linkage);
    if (name.empty() && !aliases.empty()) return names_of(aliases.front());
    return {name, linkage == name ? "" : linkage};
  }

  Names names_of(const Symbol& symbol) const {
    std::string_view linkage = without_version(symbol.name);
    std::string name = function_name(linkage);
    return {name, linkage == name ? "" : std::string(linkage)};
  }

  uint64_t identity_of(const Symbol& symbol) {
    const Symbol& base = files_.symbols().base_of(symbol);
    if (&base != &symbol) {  // a clone without DWARF of a function that may have some
      if (std::optional<DwarfIndex::Found> found = function_at(base.vaddr)) {
        return FunctionDie(found->function->die).identity(files_.dwarf());
      }
    }
    if (base.rank == 2) return identity_of_local_symbol(base.name, base.source);
    // A constructor is known by its C2 symbol, as DWARF has it; see unified_constructor().
    for (const Symbol& alias : files_.symbols().at(base.vaddr)) {
      std::string_view name = without_clone_suffix(alias.name);
      if (alias.rank != 2 && name.size() == without_clone_suffix(base.name).size() &&
          differ_by_constructor(name, without_clone_suffix(base.name))) {
        return identity_of_symbol(name);
      }
    }
    return identity_of_symbol(base.name);
  }

  // Whether `name` is the C2 or D2 of a function of which `other` is the C1 or D1.
  static bool differ_by_constructor(std::string_view name, std::string_view other) {
    auto [a, b] = std::mismatch(name.begin(), name.end(), other.begin());
    return a != name.begin() && a != name.end() && *a == '2' && *b == '1' &&
           (a[-1] == 'C' || a[-1] == 'D') && std::equal(a + 1, name.end(), b + 1);
  }

  ModuleFiles files_;
  absl::flat_hash_map<const void*, Names> names_;  // by address of the entry; bounded by recycling
};

std::shared_ptr<Module> Module::open(const ModuleIdentity& identity, std::string* problem) {
  std::shared_ptr<Module> module(new Module(std::make_unique<Reader>(identity)));
  *problem = module->problem();
  return module;
}

Module::Module(std::unique_ptr<Reader> reader) : reader_(std::move(reader)) {}
Module::~Module() = default;

std::optional<uint64_t> Module::vaddr_of(uint64_t file_offset) const {
  const ElfFile* program = reader_->files().program();
  return program == nullptr ? file_offset : program->vaddr_of(file_offset);
}

FunctionDescription Module::function(uint64_t vaddr) {
  FunctionDescription result = reader_->ask([&] { return reader_->function(vaddr); });
  if (result.name.empty()) result.name = short_name() + "+" + hex_number(vaddr);
  return result;
}

std::vector<InlineFrame> Module::frames(uint64_t return_vaddr) {
  return reader_->ask([&] { return reader_->frames(return_vaddr); });
}

SourceLine Module::call_line(uint64_t return_vaddr) {
  return reader_->ask([&] { return reader_->call_line(return_vaddr); });
}

Runtime Module::runtime() {
  Runtime runtime = reader_->ask([&] { return reader_->runtime(); });
  if (runtime.language.empty()) runtime.language = "c";
  return runtime;
}

const std::string& Module::short_name() const {
  return reader_->files().short_name();
}

std::string Module::problem() const {
  return reader_->files().problem();
}

}  // namespace telinject
