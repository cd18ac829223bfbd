#include "shim/symbols/module.h"

#include <dwarf.h>

#include <exception>
#include <utility>

#include "shim/symbols/file_access.h"
#include "shim/symbols/function_die.h"
#include "shim/symbols/function_namer.h"
#include "shim/symbols/hex.h"
#include "shim/symbols/module_files.h"
#include "shim/symbols/reading_budget.h"

namespace telinject {

class Module::Reader {
 public:
  explicit Reader(const ModuleIdentity& identity) : files_(identity) {}

  ModuleFiles& files() { return files_; }

  // Runs `answer` on files that are known to be sound before and after it. It may open more of
  // them: .dwo files.
  template <typename Answer>
  auto ask(Answer answer) -> decltype(answer()) {
    ReadingBudget::Question question(&budget_);
    FileReading reading;
    FileAccess::Scope scope(files_.access(), files_.root());
    decltype(answer()) result{};
    // Without debug information if that cannot be read, and then without symbols.
    for (int tries = 0; tries < 3 && !try_to(answer, reading, &result); tries++) {
    }
    return result;
  }

  FunctionDescription function(uint64_t vaddr) {
    FunctionDescription result;
    FunctionNames names;
    if (std::optional<DwarfIndex::Found> found = function_at(vaddr)) {
      FunctionDie die(found->function->die);
      names = namer_->of_function(*found);
      result.parameters = die.parameters();
      result.parameters_known = !result.parameters.empty() || die.has_parameters();
      result.declared = die.declared(files_.dwarf());
      // gcc does not tell where a lambda is, nor clang with -g1 where anything is.
      if (result.declared.line == 0) {
        result.declared = files_.dwarf()->line_at(found->function->entry);
      }
    } else if (const Symbol* symbol = files_.symbols().covering(vaddr)) {
      names = namer_->of_symbol(*symbol);
      if (files_.dwarf() != nullptr) result.declared = files_.dwarf()->line_at(vaddr);
    }
    result.name = names.name;
    result.linkage_name = names.linkage_name;
    result.id = names.id;
    return result;
  }

  std::vector<InlineFrame> frames(uint64_t return_vaddr) {
    if (return_vaddr == 0) return {};
    uint64_t vaddr = return_vaddr - 1;
    std::vector<InlineFrame> frames;
    if (std::optional<DwarfIndex::Found> found = function_at(vaddr)) {
      frames.push_back(frame_of(namer_->of_function(*found)));
      for (const Dwarf_Die& call : files_.dwarf()->inlined_at(*found, vaddr)) {
        frames.push_back(frame_of(namer_->of_inlined(*found, call)));
        frames.back().called_from =
            files_.dwarf()->position(call, DW_AT_call_file, DW_AT_call_line);
      }
    } else if (const Symbol* symbol = files_.symbols().covering(vaddr)) {
      frames.push_back(frame_of(namer_->of_symbol(*symbol)));
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
  // False if it is worth another try.
  template <typename Answer, typename Result>
  bool try_to(Answer answer, const FileReading& reading, Result* result) {
    bool again = false;
    try {
      bool dropped = false;
      if (!files_.begin_question(&dropped)) return true;
      if (namer_ == nullptr) {
        namer_ = std::make_unique<FunctionNamer>(files_.dwarf(), &files_.symbols());
        if (files_.dwarf() != nullptr) budget_.add_bytes(files_.dwarf()->info_bytes());
      }
      if (dropped) namer_->forget();
      ReferenceWatch::Scope watch(files_.dwarf());
      *result = answer();
      bool cut_short = reading.cut_short();
      if (cut_short) files_.give_up_dwarf("a file of it was cut short while it was read");
      if (!cut_short && files_.still_intact()) return true;
      *result = {};
    } catch (const TooMuchToRead& error) {
      files_.give_up_dwarf(error.what());
      budget_.begin_again();
      again = true;
    } catch (const std::exception& error) {
      files_.note_problem(std::string("some names are missing (") + error.what() +
                          "); is there enough memory?");
    }
    namer_.reset();
    return !again;
  }

  std::optional<DwarfIndex::Found> function_at(uint64_t vaddr) {
    if (files_.dwarf() == nullptr) return std::nullopt;
    return files_.dwarf()->function_at(vaddr);
  }

  static InlineFrame frame_of(const FunctionNames& names) {
    return {names.id, names.name, names.linkage_name, {}};
  }

  ReadingBudget budget_;
  ModuleFiles files_;
  std::unique_ptr<FunctionNamer> namer_;  // made at the first question
};

std::shared_ptr<Module> Module::open(const ModuleIdentity& identity, std::string* problem) {
  std::shared_ptr<Module> module(new Module(std::make_unique<Reader>(identity)));
  *problem = module->untold_problem();
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

std::string Module::untold_problem() {
  if (told_) return "";
  std::string text = problem();
  told_ = !text.empty();
  return text;
}

}  // namespace telinject
