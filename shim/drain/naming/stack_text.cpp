#include "shim/drain/naming/stack_text.h"

#include "absl/strings/str_cat.h"
#include "shim/channel/message.h"

namespace telinject::drain {

namespace {

// Below the function that says `throw`.
bool throws_for_others(std::string_view function) {
  return function == "__cxa_throw" || function == "__cxa_rethrow" ||
         function == "std::rethrow_exception" || function.starts_with("_Unwind_") ||
         function == "__cxxabiv1::__cxa_throw" || function == "__cxxabiv1::__cxa_rethrow";
}

std::string place_text(const SourceLine& line) {
  if (line.file.empty()) return "";
  return absl::StrCat(" (", line.file, ":", line.line, ")");
}

}  // namespace

std::vector<StackLine> StackNamer::describe(const CodePlace& place, uint64_t return_vaddr) {
  Module* module = place.module;
  std::string where = absl::StrCat(" ", module->short_name(), "+0x", absl::Hex(place.vaddr));
  std::vector<InlineFrame> frames = module->frames(return_vaddr);
  if (frames.empty()) return {{"??", absl::StrCat("??", where)}};
  std::vector<StackLine> lines;
  SourceLine line = module->call_line(return_vaddr);
  for (size_t i = frames.size(); i-- > 0;) {
    std::string name = frames[i].name.empty() ? "??" : frames[i].name;
    lines.push_back({name, absl::StrCat(name, place_text(line), where)});
    line = frames[i].called_from;
  }
  return lines;
}

const std::vector<StackLine>& StackNamer::lines(CodeMap* code, uint64_t address) {
  bool exact = (address & kExactAddress) != 0;
  uint64_t pc = address & ~kExactAddress;
  // Names are asked for by return address: that is the one behind the call.
  CodePlace place = code->find(exact ? pc : pc - 1);
  uint64_t return_vaddr = place.vaddr + 1;
  if (!exact) place.vaddr++;
  if (lines_.size() >= kMostAddresses) lines_.clear();
  auto [it, added] = lines_.try_emplace({place.module, place.vaddr << 1 | (exact ? 1 : 0)});
  if (!added) return it->second;
  if (place.module == nullptr) {
    it->second = {{"??", absl::StrCat("?? 0x", absl::Hex(pc))}};
  } else {
    it->second = describe(place, return_vaddr);
  }
  return it->second;
}

std::vector<uint64_t> addresses_of(std::string_view bytes, size_t from, size_t count) {
  bytes.remove_prefix(std::min(from, bytes.size()));
  std::vector<uint64_t> addresses(std::min(count, bytes.size() / sizeof(uint64_t)));
  if (!addresses.empty()) {
    std::memcpy(addresses.data(), bytes.data(), addresses.size() * sizeof(uint64_t));
  }
  return addresses;
}

StackText stack_text(StackNamer* namer, CodeMap* code, std::span<const uint64_t> addresses,
                     bool throwing) {
  StackText result;
  size_t number = 0;
  for (uint64_t address : addresses) {
    for (const StackLine& line : namer->lines(code, address)) {
      if (throwing && number == 0 && throws_for_others(line.function)) {
        result.rethrown = result.rethrown || line.function.ends_with("__cxa_rethrow");
        continue;
      }
      if (result.function.empty() && line.function != "??") result.function = line.function;
      std::string text = absl::StrCat(number == 0 ? "" : "\n", "#", number, " ", line.text);
      if (result.text.size() + text.size() > kMaxStackBytes) return result;
      result.text += text;
      number++;
    }
  }
  return result;
}

}  // namespace telinject::drain
