// Stacks as text: one line a function, inlined ones too, innermost first:
//
//   #0 parse_number (/src/json.cpp:120) json_tool+0x1234
//   #1 parse (/src/json.cpp:88) json_tool+0x1234
//   #2 __libc_start_main libc.so.6+0x27249
//
// Where a function is inlined, its line and that of the function around it have the same address.
// Names are looked up once for each address.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/drain/naming/code_map.h"

namespace telinject::drain {

struct StackLine {
  std::string function;  // never empty: "??" if it is not known
  std::string text;      // without the number
};

class StackNamer {
 public:
  // The functions that an address of a stack stands in (message.h), innermost first.
  const std::vector<StackLine>& lines(CodeMap* code, uint64_t address);
  // Modules are about to be dropped.
  void forget() { lines_.clear(); }

 private:
  static constexpr size_t kMostAddresses = 20000;
  static std::vector<StackLine> describe(const CodePlace& place, uint64_t return_vaddr);
  std::map<std::pair<Module*, uint64_t>, std::vector<StackLine>> lines_;
};

inline constexpr size_t kMaxStackBytes = 2000;

struct StackText {
  std::string text;       // at most kMaxStackBytes, cut at a line; plain text
  std::string function;   // the innermost that is known, or empty
  bool rethrown = false;  // by `throw;`
};

// The addresses in a message, from that byte on: as many of `count` as are there.
std::vector<uint64_t> addresses_of(std::string_view bytes, size_t from, size_t count);

// `throwing`: the functions of the C++ runtime that throw are left out at the top.
StackText stack_text(StackNamer* namer, CodeMap* code, std::span<const uint64_t> addresses,
                     bool throwing);

}  // namespace telinject::drain
